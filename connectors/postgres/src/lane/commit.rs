//! Turn 2 of a batch: the receipt, the cursor and COMMIT in one flush, and behind them turn 1 of the next.

use forgetd_connector::{Commit, Fault, FaultClass, Receipt, fault_point};
use futures_util::future::join;
use tokio::time::Instant;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use super::turn::Turn;
use crate::connect::{Answer, Ask, Held};
use crate::connector::Shared;
use crate::control::receipts;
use crate::error;

/// What came of it.
pub(super) struct Done {
    pub(super) commit: Commit,
    /// The session, while it is one whose state is known.
    pub(super) held: Option<Held>,
    /// When the COMMIT was answered.
    pub(super) at: Instant,
    /// The answers to what was sent behind the COMMIT; a fault: none came in time.
    pub(super) ahead: Option<Result<Vec<Result<Answer, Error>>, Fault>>,
}

/// Inserts the receipt in the open transaction `xid` and commits; sends `next` behind it. COMMIT answers ROLLBACK without
/// an error when the transaction is doomed, so its own answer is never believed alone.
pub(super) async fn commit(
    shared: &Shared,
    held: Held,
    xid: &str,
    receipt: &Receipt,
    next: Option<&Turn>,
    place: &str,
) -> Done {
    let lost = |fault| Done { commit: Commit::Unknown(fault), held: None, at: Instant::now(), ahead: None };
    let committing = match held.committing(place) {
        Ok(committing) => committing,
        // The session ends, and its transaction with it.
        Err(fault) => return Done { commit: Commit::RolledBack(fault), held: None, at: Instant::now(), ahead: None },
    };
    let lane = receipt.key.lane.as_str();
    shared.remember_transaction(lane, xid);
    // Whatever a fault point says, the session is not given back: its transaction ends with it.
    for point in ["receipt", "commit"] {
        if let Err(fault) = fault_point::before(point) {
            return lost(fault);
        }
    }
    let insert = receipts::insert_in(&shared.names, &shared.link.context.instance, receipt, xid);
    let asks = [Ask::Query(&insert), Ask::Batch("commit")];
    let ahead = async {
        match next {
            Some(turn) => Some(held.turn("change", &turn.asks()).await),
            None => None,
        }
    };
    let answered = async {
        let answers = held.turn("commit", &asks).await;
        // What goes on behind it may be stopped.
        drop(committing);
        answers
    };
    // Polled in this order, so that all of it leaves in one flush.
    let (answers, ahead) = join(answered, ahead).await;
    let answers = match answers {
        Ok(answers) => answers,
        Err(fault) => return lost(fault),
    };
    for point in ["receipt", "commit"] {
        if let Err(fault) = fault_point::after(point) {
            return lost(fault);
        }
    }
    let mut answers = answers.into_iter();
    let (Some(inserted), Some(committed)) = (answers.next(), answers.next()) else {
        return lost(Fault::new(FaultClass::Internal, "commit", place));
    };
    let at = committed.as_ref().map_or_else(|_| Instant::now(), |answer| answer.at);
    let commit = judge(shared, inserted, committed, place);
    if commit == Commit::Committed {
        shared.forget_transaction(lane);
    }
    let held = (!matches!(commit, Commit::Unknown(_))).then_some(held);
    Done { commit, held, at, ahead }
}

/// What the two answers say together.
fn judge(shared: &Shared, inserted: Result<Answer, Error>, committed: Result<Answer, Error>, place: &str) -> Commit {
    let inserted = match inserted {
        Ok(answer) => answer.affected,
        Err(error) if !error::answered(&error) => {
            return Commit::Unknown(error::fault(&error, "insert receipt", place));
        }
        // The COMMIT behind it rolled everything back.
        Err(error) if error::is(&error, &SqlState::UNIQUE_VIOLATION) => return Commit::Fenced,
        Err(error) => return Commit::RolledBack(shared.control_fault(&error, "insert receipt")),
    };
    match committed {
        Err(error) if error::answered(&error) => Commit::RolledBack(error::fault(&error, "commit", place)),
        Err(error) => Commit::Unknown(error::fault(&error, "commit", place)),
        Ok(_) if inserted == 1 => Commit::Committed,
        // The transaction was not the one that changed the rows: somebody between us and the server replaced it.
        Ok(_) => Commit::Unknown(
            Fault::new(FaultClass::Disconnected, "insert receipt", place).with_detail("another transaction"),
        ),
    }
}
