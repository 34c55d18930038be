//! forgetd's own tables: how statements on them are sent. What they say is in the files below.

pub(crate) mod ddl;
mod fence;
mod grants;
mod heartbeats;
mod leases;
mod log;
pub(crate) mod receipts;
mod requests;
mod rulebook;
mod runs;
mod seals;
mod sessions;
mod settle;
mod standings;

use std::sync::Arc;

use forgetd_connector::{Commit, Fault, FaultClass};
use mysql_async::Row;

use crate::answer::{Answer, get, odd};
use crate::connect::Ask;
use crate::connector::Shared;
use crate::query::Sql;

/// The control tables of one database.
pub(crate) struct MyControl {
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

    /// The fate of a receipt, or of another row, that the statement at `at` inserts.
    fn commit(self, at: usize, place: &str) -> Commit {
        match self {
            Self::Done(answers) => match answers.get(at).map(|answer| answer.affected) {
                Some(0) => Commit::Fenced,
                Some(_) => Commit::Committed,
                None => Commit::Unknown(odd(place)),
            },
            Self::Refused { duplicate: true, .. } => Commit::Fenced,
            Self::Refused { fault, .. } => Commit::RolledBack(fault),
            Self::Lost(fault) => Commit::Unknown(fault),
        }
    }
}

// === impl MyControl ===

impl MyControl {
    fn place(&self) -> String {
        self.shared.control_place()
    }

    fn table(&self, name: &str) -> String {
        self.shared.names.table(name)
    }

    fn instance(&self) -> &str {
        &self.shared.link.context.instance
    }

    /// Reads in one turn.
    async fn read(&self, operation: &'static str, sql: &Sql) -> Result<Vec<Row>, Fault> {
        let mut held = self.shared.desk.take().await?;
        let answers = held.turn(operation, &[Ask::Query(sql)]).await?;
        held.give_back();
        match answers.into_iter().next() {
            Some(Ok(answer)) => Ok(answer.rows),
            Some(Err(error)) => Err(self.shared.control_fault(&error, operation)),
            None => Err(odd(&self.place())),
        }
    }

    /// Reads one number.
    async fn number(&self, operation: &'static str, sql: &Sql) -> Result<u64, Fault> {
        let rows = self.read(operation, sql).await?;
        get(rows.first().ok_or_else(|| odd(&self.place()))?, 0, &self.place())
    }

    /// Writes in one transaction and one turn: right for statements that check the fence themselves. The server stops at
    /// the first that fails, so the COMMIT behind it is not run.
    pub(crate) async fn write(&self, operation: &'static str, statements: &[&Sql]) -> Written {
        let mut held = match self.shared.desk.take().await {
            Ok(held) => held,
            // Nothing was sent.
            Err(fault) => return Written::Refused { fault, duplicate: false },
        };
        let mut asks = vec![Ask::Begin];
        asks.extend(statements.iter().map(|sql| Ask::Query(sql)));
        asks.push(Ask::Say("commit"));
        let results = match held.turn(operation, &asks).await {
            Ok(results) => results,
            // Too large to be sent.
            Err(fault) if matches!(fault.class, FaultClass::Row(_)) => {
                held.give_back();
                return Written::Refused { fault: self.shared.of_control(fault), duplicate: false };
            }
            Err(fault) => return Written::Lost(fault),
        };
        held.give_back();
        let last = results.len() == asks.len();
        let mut answers = vec![];
        for result in results {
            match result {
                Ok(answer) => answers.push(answer),
                Err(error) => {
                    let fault = self.shared.control_fault(&error, operation);
                    // What a COMMIT that failed left behind is known only where the server says so.
                    if last && !error.is_rolled_back() {
                        return Written::Lost(fault);
                    }
                    return Written::Refused { fault, duplicate: error.is_duplicate() };
                }
            }
        }
        answers.pop();
        answers.remove(0);
        Written::Done(answers)
    }
}
