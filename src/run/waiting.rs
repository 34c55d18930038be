//! Which rules of a policy wait for their approval, while others may have a policy that is approved.

use forgetd_connector::{Connector, Fault};

use crate::config::Config;
use crate::guard::{self, Book, Standing};
use crate::rules::Mode;

/// How the rules of a policy stand that are to act.
#[derive(Debug, Default)]
pub struct Waiting {
    /// Those that wait for their approval.
    pub rules: Vec<String>,
    /// Whether one of them may act.
    pub acts: bool,
    /// Whether one of them was ever approved, in whatever form.
    pub known: bool,
}

/// Reads how they stand.
pub async fn waiting(config: &Config, home: &dyn Connector) -> Result<Waiting, Fault> {
    let now = home.now().await?;
    let mut waiting = Waiting::default();
    for rule in config.policy.rules.iter().filter(|rule| rule.runs() && rule.mode == Mode::Enforce) {
        let book = Book::read(home.control().rule(&rule.name).await?);
        waiting.known |= book.approved.is_some();
        if matches!(guard::standing(rule, &book, now), Standing::Waits(_)) {
            waiting.rules.push(rule.name.clone());
        } else {
            waiting.acts = true;
        }
    }
    Ok(waiting)
}
