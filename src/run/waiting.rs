//! Which rules of a policy wait for their approval, while others may have a policy that is approved.

use forgetd_connector::{Connector, Fault};

use crate::config::Config;
use crate::guard::{self, Book, Standing};
use crate::rules::Mode;

/// Their names; nothing where nothing was ever approved: then nobody has an approved policy, and there is nobody to wait
/// for.
pub async fn waiting(config: &Config, home: &dyn Connector) -> Result<Vec<String>, Fault> {
    let now = home.now().await?;
    let (mut waits, mut approved) = (vec![], false);
    for rule in config.policy.rules.iter().filter(|rule| rule.runs() && rule.mode == Mode::Enforce) {
        let book = Book::read(home.control().rule(&rule.name).await?);
        approved |= book.approved.is_some();
        if matches!(guard::standing(rule, &book, now), Standing::Waits(_)) {
            waits.push(rule.name.clone());
        }
    }
    Ok(if approved { waits } else { vec![] })
}
