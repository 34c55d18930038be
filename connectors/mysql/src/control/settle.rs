//! What became of a batch whose commit was not answered.

use std::time::Duration;

use forgetd_connector::{Fault, FenceKind, ReceiptKey, Settled};
use mysql_async::Row;
use tokio::time::{Instant, sleep};

use super::MyControl;
use super::receipts::BoundKey;
use crate::answer::{Answer, get};
use crate::connect::{Ask, Held};
use crate::query::Sql;

/// How long the old transaction may go on by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait before a server is asked again.
const AGAIN: Duration = Duration::from_millis(200);

/// How often its session is ended before it is given up.
const ENDINGS_MAX: u32 = 4;

/// What one look found.
enum Look {
    Settled(Settled),
    /// A transaction still holds the fence, or the lost session is still there.
    Held,
}

impl MyControl {
    /// Looks the receipt up; where it is not there, takes the fence row exclusively, which no transaction of the old batch
    /// can outlast, and looks once more. Where the fence is no lock, the old session has to be gone instead.
    pub(super) async fn settle_receipt(&self, key: &ReceiptKey) -> Settled {
        let start = Instant::now();
        let deadline = start + PATIENCE + self.shared.link.call_timeout();
        let mut endings = 0;
        while Instant::now() < deadline {
            match self.look(key).await {
                Ok(Look::Settled(settled)) => {
                    if settled != Settled::Unsettled {
                        self.shared.forget_session(&key.lane);
                    }
                    return settled;
                }
                Ok(Look::Held) if start.elapsed() >= PATIENCE || self.ends_at_once() => {
                    match self.end_lost_session(&key.lane).await {
                        Ok(true) if endings < ENDINGS_MAX => endings += 1,
                        // Its session works on the batch behind it.
                        Ok(false) => {}
                        Ok(true) | Err(_) => return Settled::Unsettled,
                    }
                    sleep(AGAIN).await;
                }
                Ok(Look::Held) => {}
                // The server may be coming back.
                Err(_) => sleep(AGAIN).await,
            }
        }
        Settled::Unsettled
    }

    /// No lock tells here when the session is done.
    fn ends_at_once(&self) -> bool {
        self.shared.looked.fence() == FenceKind::Write
    }

    /// Uses the lane's session: the lease is renewed on the other one meanwhile.
    async fn look(&self, key: &ReceiptKey) -> Result<Look, Fault> {
        let mut held = self.shared.slot(&key.lane).take().await?;
        let look = self.look_up(key);
        let found = self.found(&mut held, &[Ask::Query(&look)]).await?;
        // A receipt that can be seen was committed, whoever holds the fence by now: it may be the batch behind it.
        if found == Some(Some(1)) {
            held.give_back();
            return Ok(Look::Settled(Settled::Present));
        }
        if self.ends_at_once() && self.lost_session_is_there(&mut held, &key.lane).await? {
            held.give_back();
            return Ok(Look::Held);
        }
        let take = self.take_fence();
        let asks = [Ask::Begin, Ask::Query(&take), Ask::Query(&look), Ask::Say("commit")];
        let found = self.found(&mut held, &asks).await?;
        held.give_back();
        Ok(match found {
            None => Look::Held,
            Some(Some(1)) => Look::Settled(Settled::Present),
            Some(Some(0)) => Look::Settled(Settled::Absent),
            // No fence, or not the primary: nothing can be concluded.
            Some(_) => Look::Settled(Settled::Unsettled),
        })
    }

    /// How many receipts [`MyControl::look_up`], the last or the last but one of these, saw on a primary. Absent: the fence
    /// was not to be had.
    async fn found(&self, held: &mut Held, asks: &[Ask<'_>]) -> Result<Option<Option<u64>>, Fault> {
        let mut answers = vec![];
        for answer in held.turn("settle", asks).await? {
            match answer {
                Ok(answer) => answers.push(answer),
                Err(error) if error.is_lock_wait() => return Ok(None),
                Err(error) => return Err(self.shared.control_fault(&error, "settle")),
            }
        }
        let at = if asks.len() == 1 { 0 } else { 2 };
        let taken = |answer: &Answer| answer.rows.len() == 1 || answer.affected == 1;
        let fenced = asks.len() == 1 || answers.get(1).is_some_and(taken);
        let row = answers.get(at).and_then(|answer| answer.rows.first());
        Ok(Some(if fenced { row.and_then(|row| count(row, &self.place())) } else { None }))
    }

    /// The statement that no transaction of the old batch can outlast. Where several nodes take writes it has to change the
    /// row: only so does its COMMIT fail while another node's batch is on its way here, and undo what it found.
    fn take_fence(&self) -> Sql {
        let mut sql = Sql::default();
        let instance = sql.bind(self.instance());
        let fence = self.table("fence");
        sql.say(match self.shared.looked.fence() {
            FenceKind::Lock => format!("select term from {fence} where instance = {instance} for update"),
            FenceKind::Write => format!("update {fence} set beat = beat + 1 where instance = {instance}"),
        })
    }

    fn look_up(&self, key: &ReceiptKey) -> Sql {
        let mut sql = Sql::default();
        let key = BoundKey::new(self.instance(), key, &mut sql);
        let text = format!("select count(*), @@read_only from {} where {}", self.table("receipt"), key.is());
        sql.say(text)
    }

    async fn lost_session_is_there(&self, held: &mut Held, lane: &str) -> Result<bool, Fault> {
        // The very session that asks has no transaction open any more.
        // And another server, which may answer in a cluster, has sessions of other people under these numbers.
        let own = held.known();
        let lost = self.shared.lost_session(lane).filter(|lost| lost.server == own.server && lost.id != own.id);
        let Some(lost) = lost else { return Ok(false) };
        let mut sql = Sql::default();
        let id = sql.bind(lost.id);
        let sql = sql.say(format!(
            "select p.id from information_schema.processlist as p where p.id = {id} \
             and p.user = substring_index(user(), '@', 1)"
        ));
        let answers = held.answers("settle", &self.place(), &[Ask::Query(&sql)]).await?;
        Ok(answers.first().is_some_and(|answer| !answer.rows.is_empty()))
    }

    /// Ends the session that runs the lost transaction, and says whether there was one.
    async fn end_lost_session(&self, lane: &str) -> Result<bool, Fault> {
        let Some(lost) = self.shared.lost_session(lane) else { return Ok(false) };
        let mut held = self.shared.slot(lane).take().await?;
        let there = self.lost_session_is_there(&mut held, lane).await?;
        held.give_back();
        if there {
            self.shared.link.end(&lost).await?;
        }
        Ok(there)
    }
}

/// How many receipts were seen, on a primary.
fn count(row: &Row, place: &str) -> Option<u64> {
    let replica: bool = get(row, 1, place).ok()?;
    if replica { None } else { get(row, 0, place).ok() }
}
