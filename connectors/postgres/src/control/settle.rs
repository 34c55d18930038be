//! What became of a batch whose commit was not answered.

use std::time::Duration;

use forgetd_connector::{Fault, ReceiptKey, Settled};
use tokio::time::{Instant, sleep};

use super::PgControl;
use crate::connect::{Answer, Ask, Held};
use crate::query::Sql;

/// How long the old transaction may go on by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long one attempt waits for the fence.
const ATTEMPT_MS: u64 = 500;

/// How often its session is ended before it is given up.
const ENDINGS_MAX: u32 = 4;

/// What one look found.
enum Look {
    Settled(Settled),
    /// A transaction still holds the fence.
    Held,
}

impl PgControl {
    /// Looks the receipt up; where it is not there, takes the fence row exclusively, which no transaction of the old batch
    /// can outlast, and looks once more.
    pub(super) async fn settle_receipt(&self, key: &ReceiptKey) -> Settled {
        let deadline = Instant::now() + PATIENCE + self.shared.link.call_timeout();
        let patient_until = Instant::now() + PATIENCE;
        let mut endings = 0;
        while Instant::now() < deadline {
            match self.look(key).await {
                Ok(Look::Settled(settled)) => {
                    if settled != Settled::Unsettled {
                        self.shared.forget_transaction(&key.lane);
                    }
                    return settled;
                }
                Ok(Look::Held) if Instant::now() >= patient_until => match self.end_lost_session(&key.lane).await {
                    Ok(true) if endings < ENDINGS_MAX => endings += 1,
                    // Its session works on the batch behind it, which the server ends when it has been idle too long.
                    Ok(false) => {}
                    Ok(true) | Err(_) => return Settled::Unsettled,
                },
                Ok(Look::Held) => {}
                // The server may be coming back.
                Err(_) => sleep(Duration::from_millis(ATTEMPT_MS)).await,
            }
        }
        Settled::Unsettled
    }

    /// Uses the lane's session: the lease is renewed on the other one meanwhile.
    async fn look(&self, key: &ReceiptKey) -> Result<Look, Fault> {
        let wait = ATTEMPT_MS.min(self.shared.link.context.call_timeout_ms / 2).max(1);
        let begin = format!("{}; set local lock_timeout = {wait}", self.shared.link.begin());
        let take = Sql::new(
            format!("select term from {} where instance = $1 for update", self.table("fence")),
            vec![self.instance().into()],
        );
        let look = Sql::new(
            format!(
                "select count(*), pg_is_in_recovery() from {} where instance = $1 and generation = $2 and rule = $3 \
                 and lane = $4 and sequence = $5",
                self.table("receipt")
            ),
            vec![
                self.instance().into(),
                key.generation.0.as_str().into(),
                key.rule.as_str().into(),
                key.lane.as_str().into(),
                key.sequence.into(),
            ],
        );
        let held = self.shared.slot(&key.lane).take().await?;
        if let Some(settled) = self.committed(&held, &look).await? {
            held.give_back();
            return Ok(Look::Settled(settled));
        }
        let asks = [Ask::Batch(&begin), Ask::Query(&take), Ask::Query(&look), Ask::Batch("commit")];
        let mut answers = vec![];
        for answer in held.turn("settle", &asks).await? {
            match answer {
                Ok(answer) => answers.push(answer),
                Err(error) => {
                    let fault = self.shared.control_fault(&error, "settle");
                    if fault.code.as_deref() == Some("55P03") {
                        held.give_back();
                        return Ok(Look::Held);
                    }
                    return Err(fault);
                }
            }
        }
        held.give_back();
        let fenced = answers.get(1).is_some_and(|answer| answer.rows.len() == 1);
        Ok(Look::Settled(match (fenced, found(answers.get(2))) {
            (true, Some(1)) => Settled::Present,
            (true, Some(0)) => Settled::Absent,
            // No fence, or not the primary: nothing can be concluded.
            _ => Settled::Unsettled,
        }))
    }

    /// A receipt that can be seen was committed, whoever holds the fence by now: it may be the batch behind it.
    async fn committed(&self, held: &Held, look: &Sql) -> Result<Option<Settled>, Fault> {
        let mut answers = held.turn("settle", &[Ask::Query(look)]).await?.into_iter();
        let answer = answers.next().transpose().map_err(|error| self.shared.control_fault(&error, "settle"))?;
        Ok((found(answer.as_ref()) == Some(1)).then_some(Settled::Present))
    }

    /// Ends the session that runs the lost transaction, and says whether there was one. It is found by the transaction's
    /// own number: a session's process may long run somebody else's behind a pooler.
    async fn end_lost_session(&self, lane: &str) -> Result<bool, Fault> {
        let Some(xid) = self.shared.lost_transaction(lane) else { return Ok(false) };
        // Sessions show 32 bits of it.
        let short = xid.parse::<u64>().unwrap_or_default() & 0xffff_ffff;
        let sql = Sql::new(
            "select pg_terminate_backend(pid) from pg_stat_activity where backend_xid::text = $1",
            vec![short.to_string().as_str().into()],
        );
        Ok(!self.read("end session", &sql).await?.is_empty())
    }
}

/// How many receipts were seen, on a primary.
fn found(answer: Option<&Answer>) -> Option<i64> {
    let row = answer?.rows.first()?;
    let replica: bool = row.try_get(1).ok()?;
    if replica { None } else { row.try_get(0).ok() }
}
