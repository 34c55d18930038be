//! The text that an approver signs: canonical JSON in one line, so that it is the same for everybody and can be read.

use forgetd_connector::Cause;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::evidence::canonical;

/// The version of the form.
pub const VERSION: u32 = 1;

/// How long a statement may be used, from when it was printed.
pub const HOLDS: SignedDuration = SignedDuration::from_hours(1);

/// By how much clocks may disagree about that.
const LEEWAY: SignedDuration = SignedDuration::from_mins(2);

/// What is approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "approves", rename_all = "snake_case")]
pub enum Statement {
    /// What stops one rule.
    Rule(RuleStatement),
    /// Going on after a database or the evidence was put back to an earlier state.
    Restored(RestoredStatement),
}

/// One rule, as it was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleStatement {
    /// [`VERSION`].
    pub v: u32,
    /// The instance.
    pub instance: String,
    /// The rule's name.
    pub rule: String,
    /// Digest of the rule.
    pub rule_digest: String,
    /// What stops its next run.
    pub causes: Vec<Cause>,
    /// Digest of what the rule depends on in the described tables.
    pub catalog_digest: String,
    /// Rows that were due.
    pub due: u64,
    /// The cutoff.
    pub cutoff: Timestamp,
    /// Digest of the policy.
    pub policy_digest: String,
    /// Why, in the words of whoever had it printed; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Until when it may be used.
    pub until: Timestamp,
}

/// What was found in an earlier state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredStatement {
    /// [`VERSION`].
    pub v: u32,
    /// The instance.
    pub instance: String,
    /// The origin of the log.
    pub origin: String,
    /// What was found, in words without values.
    pub found: String,
    /// Why it is right to go on.
    pub reason: String,
    /// Until when it may be used.
    pub until: Timestamp,
}

/// Why a statement says nothing here and now.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StatementError {
    /// It is no statement of this kind, or was changed.
    #[error(
        "this is no statement as `forgetd approve --statement` prints it; print it again, and change nothing in it"
    )]
    Unreadable,
    /// It is about something else.
    #[error("the statement is of another {0} than the one at hand; print it again")]
    Other(&'static str),
    /// It is too late.
    #[error("the statement could be used until {0}; print it again and sign that")]
    Expired(Timestamp),
    /// It claims to be good for longer than any can be.
    #[error("the statement says that it may be used until {0}, which is longer than statements are good for")]
    TooLong(Timestamp),
}

/// Until when a statement that is printed now may be used.
pub(super) fn until(now: Timestamp) -> Timestamp {
    // Whole seconds are easier to read.
    let until = now.checked_add(HOLDS).unwrap_or(Timestamp::MAX);
    Timestamp::from_second(until.as_second()).unwrap_or(until)
}

// === impl Statement ===

impl Statement {
    /// The very bytes to sign, a line end at their end.
    pub fn text(&self) -> String {
        let json = serde_json::to_value(self).unwrap_or_default();
        let bytes = canonical::to_vec(&json).unwrap_or_default();
        format!("{}\n", String::from_utf8(bytes).unwrap_or_default())
    }

    /// Reads a statement. Only the one form that [`Self::text`] gives is taken: what was signed is what is read.
    pub fn read(text: &str) -> Result<Self, StatementError> {
        let statement: Self = serde_json::from_str(text).map_err(|_| StatementError::Unreadable)?;
        if statement.text() == text { Ok(statement) } else { Err(StatementError::Unreadable) }
    }

    /// One of a rule.
    pub fn of_rule(text: &str) -> Result<RuleStatement, StatementError> {
        match Self::read(text)? {
            Self::Rule(statement) => Ok(statement),
            Self::Restored(_) => Err(StatementError::Unreadable),
        }
    }

    /// One of what was found after a restore.
    pub fn of_restored(text: &str) -> Result<RestoredStatement, StatementError> {
        match Self::read(text)? {
            Self::Restored(statement) => Ok(statement),
            Self::Rule(_) => Err(StatementError::Unreadable),
        }
    }

    /// Until when it may be used, if it is printed at `now`.
    pub fn until(now: Timestamp) -> Timestamp {
        until(now)
    }
}

// === impl RuleStatement ===

impl RuleStatement {
    /// Whether it is of this instance, this definition and this policy, and may be used at `now`.
    pub fn check(&self, instance: &str, rule: &str, policy: &str, now: Timestamp) -> Result<(), StatementError> {
        same("version", &self.v, &VERSION)?;
        same("instance", self.instance.as_str(), instance)?;
        same("definition of the rule", self.rule_digest.as_str(), rule)?;
        same("policy", self.policy_digest.as_str(), policy)?;
        in_time(self.until, now)
    }

    /// Whether what is shown now is still what it says: the same causes and tables, and about as many rows due.
    pub fn is_shown(&self, causes: &[Cause], catalog: &str, due: u64) -> Result<(), StatementError> {
        let sorted = |causes: &[Cause]| {
            let mut causes = causes.to_vec();
            causes.sort_unstable();
            causes
        };
        same("set of causes that stop the rule", &sorted(&self.causes), &sorted(causes))?;
        same("description of the tables", self.catalog_digest.as_str(), catalog)?;
        // A tenth more or fewer, and at least one row.
        if self.due.abs_diff(due) > self.due.div_ceil(10) {
            return Err(StatementError::Other("number of due rows"));
        }
        Ok(())
    }
}

// === impl RestoredStatement ===

impl RestoredStatement {
    /// Whether it is of this instance and log and of what is found now, and may be used at `now`.
    pub fn check(&self, instance: &str, origin: &str, found: &str, now: Timestamp) -> Result<(), StatementError> {
        same("version", &self.v, &VERSION)?;
        same("instance", self.instance.as_str(), instance)?;
        same("log", self.origin.as_str(), origin)?;
        same("find", self.found.as_str(), found)?;
        in_time(self.until, now)
    }
}

fn same<T: PartialEq + ?Sized>(what: &'static str, said: &T, at_hand: &T) -> Result<(), StatementError> {
    if said == at_hand { Ok(()) } else { Err(StatementError::Other(what)) }
}

fn in_time(until: Timestamp, now: Timestamp) -> Result<(), StatementError> {
    if now > until {
        return Err(StatementError::Expired(until));
    }
    if until.duration_since(now) > HOLDS + LEEWAY {
        return Err(StatementError::TooLong(until));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use forgetd_connector::Cause;
    use jiff::Timestamp;

    use super::{Statement, StatementError};
    use crate::approval::testing;

    fn at(text: &str) -> Timestamp {
        format!("2026-06-01T{text}Z").parse().unwrap()
    }

    #[test]
    fn a_statement_is_one_canonical_line() {
        let statement = Statement::Rule(testing::statement());
        let text = "{\"approves\":\"rule\",\"catalog_digest\":\"cc\",\"causes\":[\"cool_off\"],\
                    \"cutoff\":\"2026-05-02T10:00:00Z\",\"due\":200,\"instance\":\"shop-eu\",\"policy_digest\":\"bb\",\
                    \"rule\":\"web-sessions\",\"rule_digest\":\"aa\",\"until\":\"2026-06-01T11:00:00Z\",\"v\":1}\n";
        assert_eq!(statement.text(), text);
        assert_eq!(Statement::read(text), Ok(statement));
    }

    #[test]
    fn another_spelling_is_no_statement() {
        let text = Statement::Rule(testing::statement()).text();
        for (was, other) in [
            ("\n", ""),
            ("\n", "\r\n"),
            (",\"due\"", ", \"due\""),
            ("\"v\":1", "\"v\":1,\"w\":2"),
            ("200", "200.0"),
            ("11:00:00Z", "11:00:00+00:00"),
            ("rule\",\"cat", "everything\",\"cat"),
        ] {
            let changed = text.replacen(was, other, 1);
            assert_ne!(changed, text, "{was}");
            assert_eq!(Statement::read(&changed), Err(StatementError::Unreadable), "{other}");
        }
        assert_eq!(Statement::of_restored(&text), Err(StatementError::Unreadable));
    }

    #[test]
    fn a_statement_is_of_one_instance_definition_and_policy_and_of_one_hour() {
        let statement = testing::statement();
        let check = |instance, rule, policy, now| statement.check(instance, rule, policy, at(now));
        assert_eq!(check("shop-eu", "aa", "bb", "10:00:00"), Ok(()));
        assert_eq!(check("shop-eu", "aa", "bb", "11:00:00"), Ok(()));
        let expired = StatementError::Expired(statement.until);
        assert_eq!(check("shop-eu", "aa", "bb", "11:00:01"), Err(expired));
        let too_long = StatementError::TooLong(statement.until);
        assert_eq!(check("shop-eu", "aa", "bb", "09:57:59"), Err(too_long));
        assert_eq!(check("shop-us", "aa", "bb", "10:00:00"), Err(StatementError::Other("instance")));
        assert_eq!(check("shop-eu", "ab", "bb", "10:00:00"), Err(StatementError::Other("definition of the rule")));
        assert_eq!(check("shop-eu", "aa", "ba", "10:00:00"), Err(StatementError::Other("policy")));
        assert_eq!(Statement::until(at("10:00:00")), at("11:00:00"));
    }

    #[test]
    fn what_is_shown_now_must_be_what_was_signed() {
        let statement = testing::statement();
        let shown = |causes: &[Cause], catalog, due| statement.is_shown(causes, catalog, due);
        for due in [180, 200, 220] {
            assert_eq!(shown(&[Cause::CoolOff], "cc", due), Ok(()), "{due}");
        }
        for due in [0, 179, 221, 10_000] {
            let error = StatementError::Other("number of due rows");
            assert_eq!(shown(&[Cause::CoolOff], "cc", due), Err(error), "{due}");
        }
        for causes in [&[][..], &[Cause::WholeTableDue], &[Cause::CoolOff, Cause::WholeTableDue]] {
            assert!(shown(causes, "cc", 200).is_err(), "{causes:?}");
        }
        assert_eq!(shown(&[Cause::CoolOff], "cd", 200), Err(StatementError::Other("description of the tables")));
    }
}
