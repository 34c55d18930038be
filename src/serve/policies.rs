//! The policies that processes of one instance have, as in a rollout: who has which is said by requests, and who may act
//! as a whole goes before who waits for an approval.
//!
//! A follower says now and then which policy it has; those with the same one say it with one request. A process with a
//! rule that waits takes a free lease only when nobody without one has taken it for a while, and leaves it to one that
//! comes. It then runs the rules that are approved.

use std::time::Duration;

use forgetd_connector::{Cause, Connector, Fault, Lease};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::daemon::Daemon;
use super::request::{Ask, Request};
use crate::board::{Board, OtherPolicy};
use crate::config::{Config, Coordination};
use crate::run::{Waiting, waiting};
use crate::{clock, lease};

/// A policy is said once in so many seconds.
const SAY_EVERY_SECS: i64 = 300;

/// Who has not said it for this long is gone.
const GONE_AFTER: SignedDuration = SignedDuration::from_secs(2 * SAY_EVERY_SECS + 60);

/// Different policies for longer than this are no rollout any more.
const SPLIT_AFTER: SignedDuration = SignedDuration::from_mins(15);

/// A policy that waits leaves a free lease to others for so many leases: a follower looks within one and a third.
const STANDS_BACK_LEASES: u32 = 2;

impl Daemon {
    /// Says to the holder which policy this process has. One that does not serve reads no requests.
    pub(super) async fn say_policy(&self, config: &Config, home: &dyn Connector, holder: &Lease) -> Result<(), Fault> {
        if !lease::serves(&holder.holder) {
            return Ok(());
        }
        let digest = config.policy.digest();
        let id = said(&digest, holder.term, clock::now());
        if *self.said.borrow() == id {
            return Ok(());
        }
        let waiting = waiting(config, home).await?;
        let ask = Ask::Policy { digest, waits: waiting.rules, acts: waiting.acts };
        let until = clock::now().checked_add(SignedDuration::from_secs(SAY_EVERY_SECS)).unwrap_or(Timestamp::MAX);
        let request = Request { who: lease::holder(true), until, ask };
        home.control().post(&id, &serde_json::to_string(&request).unwrap_or_default()).await?;
        self.said.replace(id);
        Ok(())
    }

    /// How long to leave a free lease to others still; nothing: it may be taken.
    pub(super) async fn stands_back(&self, config: &Config, home: &dyn Connector) -> Result<Option<Duration>, Fault> {
        let Coordination::Lease(lasts) = config.coordination else { return Ok(None) };
        let Waiting { rules: waits, known, .. } = waiting(config, home).await?;
        // Where nothing was ever approved nobody has a policy that is, and there is nobody to wait for.
        if waits.is_empty() || !known {
            return Ok(None);
        }
        let end = self.free_since.get().unwrap_or_else(Instant::now) + lasts * STANDS_BACK_LEASES;
        let left = end.saturating_duration_since(Instant::now());
        if self.free_since.get().is_none() {
            self.free_since.set(Some(Instant::now()));
            tracing::info!(rules = ?waits, "the lease is left to others for now: rules of this policy wait for their approval");
        }
        Ok((!left.is_zero()).then_some(left.min(lasts / 3)))
    }

    /// Notes which policy a process has that follows. Whether the lease is to be left to it.
    pub(super) async fn heard(
        &self,
        config: &Config,
        home: &dyn Connector,
        digest: &str,
        waits: &[String],
        acts: bool,
    ) -> Result<bool, Fault> {
        if config.policy.digest() == digest {
            return Ok(false);
        }
        let now = clock::now();
        let known = self.board.borrow().policies.contains_key(digest);
        if !known {
            tracing::info!(digest, rules = ?waits, "another process of the instance has another policy");
        }
        self.board.send_modify(|board| note(board, digest, waits, now));
        if !acts {
            return Ok(false);
        }
        let own = waiting(config, home).await?;
        Ok(!own.rules.is_empty() && (waits.is_empty() || !own.acts))
    }

    /// Forgets policies that nobody has any more, and says when processes are no longer, or still, of two minds.
    pub(super) fn compare_policies(&self, config: &Config) {
        let (now, own) = (clock::now(), config.policy.digest());
        let was = self.board.borrow().split;
        let changed = self.board.send_if_modified(|board| compare(board, &own, now));
        let split = self.board.borrow().split;
        match (was, split) {
            (None, Some(since)) => {
                let others: Vec<String> = self.board.borrow().policies.keys().cloned().collect();
                let (cause, fix) = (Cause::PolicySplit.id(), Cause::PolicySplit.fix());
                tracing::warn!(cause, %since, %own, ?others, fix, "processes of the instance have different policies");
            }
            (Some(_), None) if changed => tracing::info!("every process of the instance has the same policy"),
            _ => {}
        }
    }
}

/// The id of the request that says it: the same for all who have the policy, for a while and one holder.
fn said(digest: &str, term: u64, now: Timestamp) -> String {
    let short = digest.get(..12).unwrap_or(digest);
    format!("policy-{short}-{term}-{}", now.as_second().div_euclid(SAY_EVERY_SECS))
}

fn note(board: &mut Board, digest: &str, waits: &[String], now: Timestamp) {
    let policy = board.policies.entry(digest.into()).or_insert(OtherPolicy { since: now, heard: now, waits: vec![] });
    policy.heard = now;
    policy.waits = waits.into();
}

/// Whether anything is other than before.
fn compare(board: &mut Board, own: &str, now: Timestamp) -> bool {
    let before = (board.policies.len(), board.split);
    board.policies.retain(|digest, policy| digest != own && now.duration_since(policy.heard) <= GONE_AFTER);
    let first = board.policies.values().map(|policy| policy.since).min();
    board.split = first.filter(|since| now.duration_since(*since) > SPLIT_AFTER);
    before != (board.policies.len(), board.split)
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::{compare, note, said};
    use crate::board::Board;

    fn at(minute: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
    }

    #[test]
    fn one_request_says_it_for_all_who_have_the_policy() {
        let digest = "0123456789abcdef";
        let first = said(digest, 3, at(5));
        assert_eq!(said(digest, 3, at(9)), first);
        for other in [said("f123456789abcdef", 3, at(5)), said(digest, 4, at(5)), said(digest, 3, at(10))] {
            assert_ne!(other, first);
        }
    }

    #[test]
    fn policies_are_split_when_two_are_there_for_longer_than_a_rollout() {
        let mut board = Board::default();
        for minute in [0, 5, 10, 15] {
            note(&mut board, "new", &["leads".into()], at(minute));
            compare(&mut board, "old", at(minute));
            assert_eq!(board.split, None, "{minute}");
        }
        assert!(compare(&mut board, "old", at(16)));
        assert_eq!(board.split, Some(at(0)));
        assert!(!compare(&mut board, "old", at(26)), "it was heard of eleven minutes ago");
        assert!(compare(&mut board, "old", at(27)));
        assert_eq!((board.split, board.policies.len()), (None, 0), "nobody says it any more");
    }

    #[test]
    fn a_policy_that_came_into_force_here_is_no_other_one() {
        let mut board = Board::default();
        note(&mut board, "new", &[], at(0));
        note(&mut board, "new", &[], at(16));
        compare(&mut board, "old", at(16));
        assert_eq!(board.split, Some(at(0)));
        compare(&mut board, "new", at(16));
        assert_eq!((board.split, board.policies.len()), (None, 0));
    }
}
