//! Signatures that come one after another, as the rulebook keeps them: those of the statement that is being signed, and
//! which statements were used up. Pure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::approvers::{Approvers, Signed};
use super::sshsig::SshSignature;

/// What is kept of one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The statement that some have signed, and not yet enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waiting: Option<Waiting>,
    /// Statements that approved, as long as they would not have expired: none approves twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    used: Vec<Used>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Waiting {
    statement: String,
    until: Timestamp,
    signed: Vec<Signed>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Used {
    /// SHA-256 of the statement, hex.
    statement: String,
    until: Timestamp,
}

/// What became of signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Those that were not there before.
    pub fresh: Vec<Signed>,
    /// Everybody who signed.
    pub signed: Vec<Signed>,
    /// How many more are needed.
    pub missing: u32,
}

/// The statement has approved once already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyUsed;

// === impl Kept ===

impl Kept {
    /// Whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Who signed the statement that is being signed at `now`, and until when it can be.
    pub fn waiting(&self, now: Timestamp) -> Option<(Vec<&str>, Timestamp)> {
        let waiting = self.waiting.as_ref().filter(|waiting| now <= waiting.until)?;
        Some((waiting.signed.iter().map(|signed| signed.who.as_str()).collect(), waiting.until))
    }

    /// Takes verified signatures of one statement, which is good until `until`. Another statement takes the place of the
    /// one that was being signed. What was kept is verified anew: whoever can write the rulebook is no approver.
    pub fn take(
        &mut self,
        statement: &str,
        until: Timestamp,
        given: Vec<Signed>,
        approvers: &Approvers,
        now: Timestamp,
    ) -> Result<Taken, AlreadyUsed> {
        self.used.retain(|used| now <= used.until);
        let digest = hex::encode(Sha256::digest(statement));
        if self.used.iter().any(|used| used.statement == digest) {
            return Err(AlreadyUsed);
        }
        let before = self.waiting.take().filter(|waiting| waiting.statement == statement);
        let mut signed: Vec<Signed> = vec![];
        for kept in before.into_iter().flat_map(|waiting| waiting.signed) {
            let judged = SshSignature::from_base64(&kept.signature).and_then(|read| approvers.judge(statement, &read));
            add(&mut signed, judged.ok());
        }
        let known = signed.len();
        for given in given {
            add(&mut signed, Some(given));
        }
        let count = u32::try_from(signed.len()).unwrap_or(u32::MAX);
        let missing = approvers.required.max(1).saturating_sub(count);
        if missing == 0 {
            self.used.push(Used { statement: digest, until });
        } else {
            self.waiting = Some(Waiting { statement: statement.into(), until, signed: signed.clone() });
        }
        Ok(Taken { fresh: signed[known..].to_vec(), signed, missing })
    }
}

/// Each approver counts once.
fn add(signed: &mut Vec<Signed>, one: Option<Signed>) {
    if let Some(one) = one.filter(|one| signed.iter().all(|other| other.who != one.who)) {
        signed.push(one);
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{AlreadyUsed, Kept, Signed};
    use crate::approval::testing::{approvers, sign};

    const TEXT: &str = "one\n";

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_780_000_000 + 60 * minutes).unwrap()
    }

    fn signed(name: &str, text: &str) -> Vec<Signed> {
        vec![approvers(&["ann", "ben", "cid"], 2).judge(text, &sign(name, text)).unwrap()]
    }

    fn names(signed: &[Signed]) -> Vec<&str> {
        signed.iter().map(|signed| signed.who.as_str()).collect()
    }

    #[test]
    fn enough_different_approvers_of_one_statement_approve_it_once() {
        let all = approvers(&["ann", "ben", "cid"], 2);
        let mut kept = Kept::default();
        let first = kept.take(TEXT, at(60), signed("ann", TEXT), &all, at(0)).unwrap();
        assert_eq!((names(&first.fresh), first.missing), (vec!["ann"], 1));
        assert_eq!(kept.waiting(at(60)), Some((vec!["ann"], at(60))));
        assert_eq!(kept.waiting(at(61)), None);

        let again = kept.take(TEXT, at(60), signed("ann", TEXT), &all, at(1)).unwrap();
        assert_eq!((again.fresh, again.missing), (vec![], 1), "nobody counts twice");
        let twice = [signed("ann", TEXT), signed("ann", TEXT)].concat();
        assert_eq!(Kept::default().take(TEXT, at(60), twice, &all, at(1)).unwrap().missing, 1);

        // As the rulebook keeps it.
        let mut kept: Kept = serde_json::from_str(&serde_json::to_string(&kept).unwrap()).unwrap();
        let second = kept.take(TEXT, at(60), signed("ben", TEXT), &all, at(2)).unwrap();
        assert_eq!((names(&second.fresh), names(&second.signed), second.missing), (vec!["ben"], vec!["ann", "ben"], 0));
        assert_eq!(kept.take(TEXT, at(60), signed("cid", TEXT), &all, at(3)), Err(AlreadyUsed));
        assert_eq!(kept.waiting(at(3)), None);
    }

    #[test]
    fn both_may_come_together() {
        let all = approvers(&["ann", "ben", "cid"], 2);
        let both = [signed("ann", TEXT), signed("cid", TEXT)].concat();
        let taken = Kept::default().take(TEXT, at(60), both, &all, at(0)).unwrap();
        assert_eq!((names(&taken.fresh), taken.missing), (vec!["ann", "cid"], 0));
    }

    #[test]
    fn signatures_of_another_statement_do_not_add_up() {
        let all = approvers(&["ann", "ben", "cid"], 2);
        let mut kept = Kept::default();
        kept.take(TEXT, at(60), signed("ann", TEXT), &all, at(0)).unwrap();
        let other = kept.take("two\n", at(70), signed("ben", "two\n"), &all, at(10)).unwrap();
        assert_eq!((names(&other.signed), other.missing), (vec!["ben"], 1));
    }

    #[test]
    fn what_was_kept_is_verified_anew() {
        let all = approvers(&["ann", "ben", "cid"], 2);
        let mut kept = Kept::default();
        kept.take(TEXT, at(60), signed("ann", TEXT), &all, at(0)).unwrap();
        let forged = serde_json::to_string(&kept).unwrap().replace(&signed("ann", TEXT)[0].signature, "AAAA");
        let mut forged: Kept = serde_json::from_str(&forged).unwrap();
        assert_eq!(forged.take(TEXT, at(60), signed("ben", TEXT), &all, at(1)).unwrap().missing, 1);
        // Ann is no approver any more.
        let fewer = approvers(&["ben", "cid"], 2);
        assert_eq!(kept.take(TEXT, at(60), signed("ben", TEXT), &fewer, at(1)).unwrap().missing, 1);
    }
}
