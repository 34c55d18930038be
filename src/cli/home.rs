//! The home database, as verbs that only look see it: the rulebook, where there is one, and the clock it goes by.

use forgetd_connector::{Connector, ControlState, Fault, Step};
use jiff::Timestamp;

use super::check::{Opened, reach};
use crate::{
    clock,
    config::Config,
    guard::Book,
    plan,
    rules::{Policy, Rule},
};

/// The home database.
pub struct Home<'a> {
    connector: Option<&'a dyn Connector>,
    /// Its clock; ours, where it cannot be asked.
    pub now: Timestamp,
}

// === impl Home ===

impl<'a> Home<'a> {
    /// Looks for the rulebook. Where it cannot be read, because the home database is away or nothing is installed,
    /// nothing is known of any approval.
    pub async fn look(config: &Config, opened: &Opened<'a>) -> Self {
        let connector = config.home().and_then(|home| reach(opened, &home.name).ok());
        let Some(connector) = connector else { return Self { connector: None, now: clock::now() } };
        let ready = matches!(connector.control().inspect().await, Ok(ControlState::Ready(_)));
        let now = connector.now().await.unwrap_or_else(|_| clock::now());
        Self { connector: Some(connector).filter(|_| ready), now }
    }

    /// What is remembered about the rules whose rows go along with those of `step`.
    pub async fn along<'p>(&self, step: &Step, policy: &'p Policy) -> Result<Vec<(&'p Rule, Book)>, Fault> {
        let mut others = vec![];
        for name in plan::along(step) {
            let Some(rule) = policy.rule(name) else { continue };
            others.push((rule, self.book(name).await?));
        }
        Ok(others)
    }

    /// What is remembered about a rule.
    pub async fn book(&self, rule: &str) -> Result<Book, Fault> {
        match self.connector {
            Some(connector) => Ok(Book::read(connector.control().rule(rule).await?)),
            None => Ok(Book::default()),
        }
    }
}
