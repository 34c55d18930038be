//! Turn 2 of a batch: the receipt, the cursor and COMMIT in one flush.

use forgetd_connector::{Commit, Fault, FaultClass, Receipt, fault_point};

use super::Open;
use crate::connect::Ask;
use crate::connector::Shared;
use crate::control::receipts;
use crate::error;
use tokio_postgres::error::SqlState;

/// Inserts the receipt in the open transaction and commits. COMMIT answers ROLLBACK without an error when the
/// transaction is doomed, so its own answer is never believed alone.
pub(super) async fn commit(shared: &Shared, open: Open, receipt: &Receipt, place: &str) -> Commit {
    let Open { held, xid } = open;
    shared.remember_transaction(&xid);
    // Whatever a fault point says, the session is not given back: its transaction ends with it.
    for point in ["receipt", "commit"] {
        if let Err(fault) = fault_point::before(point) {
            return Commit::Unknown(fault);
        }
    }
    let insert = receipts::insert_in(&shared.names, &shared.link.context.instance, receipt, &xid);
    let answers = match held.turn("commit", &[Ask::Query(&insert), Ask::Batch("commit")]).await {
        Ok(answers) => answers,
        Err(fault) => return Commit::Unknown(fault),
    };
    for point in ["receipt", "commit"] {
        if let Err(fault) = fault_point::after(point) {
            return Commit::Unknown(fault);
        }
    }
    let mut answers = answers.into_iter();
    let (Some(inserted), Some(committed)) = (answers.next(), answers.next()) else {
        return Commit::Unknown(Fault::new(FaultClass::Internal, "commit", place));
    };
    let inserted = match inserted {
        Ok(answer) => answer.affected,
        Err(error) if !error::answered(&error) => {
            return Commit::Unknown(error::fault(&error, "insert receipt", place));
        }
        Err(error) => {
            // The COMMIT behind it rolled everything back.
            held.give_back();
            return if error::is(&error, &SqlState::UNIQUE_VIOLATION) {
                Commit::Fenced
            } else {
                Commit::RolledBack(shared.control_fault(&error, "insert receipt"))
            };
        }
    };
    match committed {
        Err(error) if error::answered(&error) => {
            held.give_back();
            Commit::RolledBack(error::fault(&error, "commit", place))
        }
        Err(error) => Commit::Unknown(error::fault(&error, "commit", place)),
        Ok(_) if inserted == 1 => {
            held.give_back();
            shared.forget_transaction();
            Commit::Committed
        }
        // The transaction was not the one that changed the rows: somebody between us and the server replaced it.
        Ok(_) => Commit::Unknown(
            Fault::new(FaultClass::Disconnected, "insert receipt", place).with_detail("another transaction"),
        ),
    }
}
