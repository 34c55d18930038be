//! Turn 2 of a batch: the receipt, the cursor and COMMIT in one packet, and behind them turn 1 of the next.
//!
//! The server stops at the first error of a packet, so there is no COMMIT behind a receipt that failed.

use forgetd_connector::{Commit, Fault, FaultClass, Receipt, fault_point};
use tokio::time::Instant;

use super::packet::Packet;
use crate::answer::Answer;
use crate::connect::{Ask, Held};
use crate::connector::Shared;
use crate::error::{Error, gone};

/// What came of it.
pub(super) struct Done {
    pub(super) commit: Commit,
    /// The session, while it is one whose state is known.
    pub(super) held: Option<Held>,
    /// When the COMMIT was answered.
    pub(super) at: Instant,
    /// The answers to what was sent behind the COMMIT, if anything was.
    pub(super) ahead: Option<Vec<Result<Answer, Error>>>,
}

/// Inserts the receipt in the open transaction and commits; sends `next` behind it.
pub(super) async fn commit(
    shared: &Shared,
    mut held: Held,
    receipt: &Receipt,
    next: Option<&Packet>,
    place: &str,
) -> Done {
    let lost = |fault| Done { commit: Commit::Unknown(fault), held: None, at: Instant::now(), ahead: None };
    let lane = receipt.key.lane.as_str();
    shared.remember_session(lane, held.known());
    // Whatever a fault point says, the session is not given back: its transaction ends with it.
    for point in ["receipt", "commit"] {
        if let Err(fault) = fault_point::before(point) {
            return lost(fault);
        }
    }
    let inserts = shared.receipt_of_batch(receipt);
    let mut asks = vec![Ask::Still];
    asks.extend(inserts.iter().map(Ask::Query));
    asks.push(Ask::Say("commit"));
    let alone = asks.len();
    asks.extend(next.into_iter().flat_map(Packet::asks));
    // A receipt can be large; the next turn can go by itself.
    if asks.len() > alone && !held.fits(&asks) {
        asks.truncate(alone);
    }
    let sent_ahead = asks.len() > alone;
    let stoppable = held.stoppable();
    // What is sent ahead may wait long, and cannot be told from the COMMIT before it.
    let _committing = match (sent_ahead, stoppable.committing()) {
        (false, Some(committing)) => committing,
        (true, Some(committing)) => {
            drop(committing);
            stoppable.under_way()
        }
        (_, None) => {
            let fault = Fault::new(FaultClass::Transient, "commit", place).with_detail("the process is to end");
            shared.forget_session(lane);
            return Done { commit: Commit::RolledBack(fault), held: None, at: Instant::now(), ahead: None };
        }
    };
    let mut answers = match held.turn("commit", &asks).await {
        Ok(answers) => answers,
        // Too large to be sent: a smaller batch has a smaller receipt.
        Err(fault) if matches!(fault.class, FaultClass::Row(_)) => {
            shared.forget_session(lane);
            return Done { commit: Commit::RolledBack(fault), held: Some(held), at: Instant::now(), ahead: None };
        }
        Err(fault) => return lost(fault),
    };
    for point in ["receipt", "commit"] {
        if let Err(fault) = fault_point::after(point) {
            return lost(fault);
        }
    }
    let ahead = answers.split_off(answers.len().min(inserts.len() + 2));
    let at = match answers.last() {
        Some(Ok(answer)) => answer.at,
        _ => Instant::now(),
    };
    let commit = judge(shared, answers, inserts.len(), place);
    let known = !matches!(commit, Commit::Unknown(_));
    if known {
        shared.forget_session(lane);
    }
    let held = known.then_some(held);
    Done { commit, held, at, ahead: sent_ahead.then_some(ahead) }
}

/// What the answers say together: the first insert is the receipt's.
fn judge(shared: &Shared, answers: Vec<Result<Answer, Error>>, inserts: usize, place: &str) -> Commit {
    let mut answers = answers.into_iter();
    if let Some(Err(error)) = answers.next() {
        return Commit::RolledBack(gone(&error, "commit", place));
    }
    for (n, answer) in answers.enumerate() {
        match answer {
            // Whoever else has this sequence was here first.
            Err(error) if n == 0 && error.is_duplicate() => return Commit::Fenced,
            Err(error) if n < inserts => return Commit::RolledBack(shared.control_fault(&error, "insert receipt")),
            Err(error) if error.is_rolled_back() => return Commit::RolledBack(error.fault("commit", place)),
            Err(error) => return Commit::Unknown(error.fault("commit", place)),
            Ok(answer) if n == 0 && answer.affected != 1 => {
                let fault = Fault::new(FaultClass::Disconnected, "insert receipt", place);
                return Commit::Unknown(fault.with_detail("another number of rows"));
            }
            Ok(_) if n == inserts => return Commit::Committed,
            Ok(_) => {}
        }
    }
    Commit::Unknown(Fault::new(FaultClass::Internal, "commit", place))
}
