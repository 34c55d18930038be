//! forgetd's own tables: how statements on them are sent. What they say is in the files below.

pub(crate) mod ddl;
mod grants;
mod heartbeats;
mod leases;
mod log;
pub(crate) mod receipts;
mod requests;
mod rulebook;
mod runs;
mod seals;
mod settle;
mod standings;

use std::sync::Arc;

use forgetd_connector::{Commit, Fault};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use crate::connect::{Answer, Ask};
use crate::connector::Shared;
use crate::error;
use crate::query::Sql;
use crate::survey::{get, odd};

/// How long a statement on the control tables waits for a row: nobody holds one for long.
const LOCK_WAIT_MS: u64 = 2_000;

/// How long a transaction on the control tables may wait for its next statement. Whoever holds the fence or the log's head
/// and is frozen would keep everybody else from them.
const IDLE_MS: u64 = 3_000;

/// The control tables of one database.
pub(crate) struct PgControl {
    pub(crate) shared: Arc<Shared>,
}

/// What became of a writing transaction.
pub(crate) enum Written {
    /// Committed, with the answer to each statement.
    Done(Vec<Answer>),
    /// Rolled back because of this.
    Refused {
        fault: Fault,
        /// A unique constraint refused it.
        duplicate: bool,
    },
    /// The answer was lost.
    Lost(Fault),
}

// === impl Written ===

impl Written {
    /// The answers, or the fault: for writes that are safe to repeat.
    pub(crate) fn answers(self) -> Result<Vec<Answer>, Fault> {
        match self {
            Self::Done(answers) => Ok(answers),
            Self::Refused { fault, .. } | Self::Lost(fault) => Err(fault),
        }
    }

    /// The fate of a receipt. Its statement answers with one row: how often the fence held the term, and how many
    /// receipts were inserted.
    fn commit(self, place: &str) -> Commit {
        match self {
            Self::Done(answers) => match answers.last().map(receipts::inserted) {
                Some(1) => Commit::Committed,
                Some(_) => Commit::Fenced,
                None => Commit::Unknown(odd(place)),
            },
            Self::Refused { duplicate: true, .. } => Commit::Fenced,
            Self::Refused { fault, .. } => Commit::RolledBack(fault),
            Self::Lost(fault) => Commit::Unknown(fault),
        }
    }
}

// === impl PgControl ===

impl PgControl {
    fn place(&self) -> String {
        self.shared.control_place()
    }

    fn table(&self, name: &str) -> String {
        self.shared.names.table(name)
    }

    fn instance(&self) -> &str {
        &self.shared.link.context.instance
    }

    /// How a transaction that writes to the control tables begins.
    fn begin(&self) -> String {
        format!(
            "{}; set local lock_timeout = {LOCK_WAIT_MS}; set local idle_in_transaction_session_timeout = {IDLE_MS}",
            self.shared.link.begin()
        )
    }

    /// Reads in one turn.
    async fn read(&self, operation: &'static str, sql: &Sql) -> Result<Vec<Row>, Fault> {
        let held = self.shared.desk.take().await?;
        let answers = held.turn(operation, &[Ask::Query(sql)]).await?;
        let answer = answers.into_iter().next().ok_or_else(|| odd(&self.place()))?;
        match answer {
            Ok(answer) => {
                held.give_back();
                Ok(answer.rows)
            }
            Err(error) => {
                if error::answered(&error) {
                    held.give_back();
                }
                Err(self.shared.control_fault(&error, operation))
            }
        }
    }

    /// Reads one number.
    async fn number(&self, operation: &'static str, sql: &Sql) -> Result<u64, Fault> {
        let rows = self.read(operation, sql).await?;
        let row = rows.first().ok_or_else(|| odd(&self.place()))?;
        Ok(get::<i64>(row, 0, &self.place())?.unsigned_abs())
    }

    /// Writes in one durable transaction and one turn: right for statements that check the fence themselves, because
    /// a failed one dooms the transaction and the COMMIT behind it.
    pub(crate) async fn write(&self, operation: &'static str, statements: &[&Sql]) -> Written {
        let begin = self.begin();
        let held = match self.shared.desk.take().await {
            Ok(held) => held,
            // Nothing was sent.
            Err(fault) => return Written::Refused { fault, duplicate: false },
        };
        let mut asks = vec![Ask::Batch(&begin)];
        asks.extend(statements.iter().map(|sql| Ask::Query(sql)));
        asks.push(Ask::Batch("commit"));
        let results = match held.turn(operation, &asks).await {
            Ok(results) => results,
            Err(fault) => return Written::Lost(fault),
        };
        let mut answers = vec![];
        for result in results {
            match result {
                Ok(answer) => answers.push(answer),
                Err(error) => {
                    let fault = self.shared.control_fault(&error, operation);
                    if !error::answered(&error) {
                        return Written::Lost(fault);
                    }
                    held.give_back();
                    let duplicate = error::is(&error, &SqlState::UNIQUE_VIOLATION);
                    return Written::Refused { fault, duplicate };
                }
            }
        }
        held.give_back();
        answers.pop();
        answers.remove(0);
        Written::Done(answers)
    }
}

/// The fence under a share lock, if it holds this term: the first part of every statement that writes a receipt.
pub(crate) fn fence(fence: &str, instance: &str, term: &str) -> String {
    format!("fence as materialized (select term from {fence} where instance = {instance} and term = {term} for share)")
}
