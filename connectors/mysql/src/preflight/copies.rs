//! Where rows come from, and who keeps what was deleted. Pure.

use forgetd_connector::{Finding, Notice};

/// The server copies the changes of another one: what is deleted here stays there.
pub(super) fn subscribed(database: &str) -> Finding {
    let message = "the server takes over the changes of another one: what is deleted here stays there, and a copy made anew \
                   brings it back";
    Finding::warns(Notice::RowsSubscribed, database, message, "let forgetd delete at the source")
}

/// A transaction that is open for long: what was deleted is kept for it.
pub(super) fn held_back(session: u64, database: &str) -> Finding {
    let message = format!(
        "a transaction of the session {session}, open for more than an hour, keeps the space of deleted rows from being \
         used again"
    );
    Finding::warns(Notice::VacuumHeldBack, database, message, format!("end it, or run `kill {session}`"))
}
