//! Lease and fence, on the database's clock as it is when the statement begins.

use std::time::Duration;

use async_trait::async_trait;
use forgetd_connector::{Acquired, Fault, FaultClass, FenceRaise, Lease, LeaseClaim, Leases, fault_point};
use mysql_async::Row;
use tokio::time::Instant;

use super::MyControl;
use crate::answer::{get, odd};
use crate::connect::Ask;
use crate::query::{Param, Sql};

/// How long all attempts to raise a fence take together, at the least.
const FENCE_WAIT_MIN: Duration = Duration::from_secs(30);

/// How many attempts, each of which waits for a second, are made before sessions that hold the fence are ended: a batch
/// takes far less.
const PATIENT_ATTEMPTS: u32 = 3;

/// A lease row as it is read: holder, term, whether it is alive, and for how many milliseconds.
const LEASE: &str = "holder, term, expires_at > utc_timestamp(6), \
                     greatest(0, timestampdiff(microsecond, utc_timestamp(6), expires_at)) div 1000";

#[async_trait]
impl Leases for MyControl {
    async fn lease(&self) -> Result<Option<Lease>, Fault> {
        let rows = self.read("read lease", &self.look_at_lease()).await?;
        rows.first().map(|row| read_lease(row, &self.place())).transpose()
    }

    async fn acquire(&self, claim: &LeaseClaim, force: bool) -> Result<Acquired, Fault> {
        fault_point::before("lease.acquire")?;
        let (take, look) = (self.take_lease(claim, force), self.look_at_lease());
        let answers = self.write("acquire lease", &[&take, &look]).await.answers()?;
        fault_point::after("lease.acquire")?;
        let row = answers.get(1).and_then(|answer| answer.rows.first()).ok_or_else(|| odd(&self.place()))?;
        let lease = read_lease(row, &self.place())?;
        let ours = lease.holder == claim.holder;
        Ok(if ours { Acquired::Held { term: lease.term } } else { Acquired::Taken(lease) })
    }

    async fn renew(&self, claim: &LeaseClaim, term: u64) -> Result<bool, Fault> {
        let mut sql = Sql::default();
        let (instance, holder) = (sql.bind(self.instance()), sql.bind(claim.holder.as_str()));
        let (term, until) = (sql.bind(term), until(claim, &mut sql));
        let text = format!(
            "update {} set expires_at = {until} where instance = {instance} and holder = {holder} and term = {term}",
            self.table("lease")
        );
        let answers = self.write("renew lease", &[&sql.say(text)]).await.answers()?;
        Ok(answers.first().is_some_and(|answer| answer.affected == 1))
    }

    async fn release(&self, holder: &str, term: u64) -> Result<(), Fault> {
        let mut sql = Sql::default();
        let (instance, holder, term) = (sql.bind(self.instance()), sql.bind(holder), sql.bind(term));
        let text = format!(
            "update {} set expires_at = utc_timestamp(6) where instance = {instance} and holder = {holder} \
             and term = {term} and expires_at > utc_timestamp(6)",
            self.table("lease")
        );
        self.write("release lease", &[&sql.say(text)]).await.answers()?;
        Ok(())
    }

    async fn raise_fence(&self, term: u64) -> Result<FenceRaise, Fault> {
        fault_point::before("fence.raise")?;
        let deadline = Instant::now() + self.shared.link.call_timeout().max(FENCE_WAIT_MIN);
        let mut attempts = 0;
        let raised = loop {
            match self.try_raise(term).await {
                Err(fault) if fault.class == FaultClass::Locked && Instant::now() < deadline => {
                    attempts += 1;
                    if attempts >= PATIENT_ATTEMPTS {
                        self.end_others().await?;
                    }
                }
                other => break other?,
            }
        };
        fault_point::after("fence.raise")?;
        Ok(raised)
    }
}

impl MyControl {
    fn look_at_lease(&self) -> Sql {
        let mut sql = Sql::default();
        let instance = sql.bind(self.instance());
        let text = format!("select {LEASE} from {} where instance = {instance}", self.table("lease"));
        sql.say(text)
    }

    /// The term also passes every fence here: a lease row that was lost must not bring old numbers back. The same holder may
    /// ask again, because the answer to its first try may have been lost.
    fn take_lease(&self, claim: &LeaseClaim, force: bool) -> Sql {
        let mut sql = Sql::default();
        let (instance, holder) = (sql.bind(self.instance()), sql.bind(claim.holder.as_str()));
        let (until, force) = (until(claim, &mut sql), sql.bind(Param::Bool(force)));
        let fence = format!(
            "coalesce((select max(f.term) from {} as f where f.instance = {instance}), 0)",
            self.table("fence")
        );
        // Assignments see what those before them left: the expiry, on which the others depend, comes last.
        let free = format!("(expires_at <= utc_timestamp(6) or holder = {holder} or {force})");
        let text = format!(
            "insert into {lease} (instance, holder, term, expires_at) \
             values ({instance}, {holder}, {fence} + 1, {until}) on duplicate key update \
             term = if({free}, greatest(term, {fence}) + 1, term), holder = if({free}, {holder}, holder), \
             expires_at = if(holder = {holder}, {until}, expires_at)",
            lease = self.table("lease"),
        );
        sql.say(text)
    }

    /// One attempt. Uses the lanes' session, so that the lease can be renewed meanwhile.
    async fn try_raise(&self, term: u64) -> Result<FenceRaise, Fault> {
        let fence = self.table("fence");
        let mut sql = Sql::default();
        let (instance, bound) = (sql.bind(self.instance()), sql.bind(term));
        let look = sql.clone().say(format!("select term from {fence} where instance = {instance}"));
        let raise = sql.say(format!(
            "insert into {fence} (instance, term, beat) values ({instance}, {bound}, 0) \
             on duplicate key update term = greatest(term, {bound})"
        ));
        let mut held = self.shared.lanes.take().await?;
        let forget = self.forget_sessions(&held.variables().server());
        let asks = [Ask::Begin, Ask::Query(&raise), Ask::Query(&look), Ask::Query(&forget), Ask::Say("commit")];
        let answers = held.turn("raise fence", &asks).await?;
        held.give_back();
        let mut rows = vec![];
        for answer in answers {
            match answer {
                Ok(answer) => rows.extend(answer.rows),
                Err(error) => {
                    let mut fault = self.shared.control_fault(&error, "raise fence");
                    if error.is_lock_wait() {
                        fault.class = FaultClass::Locked;
                    }
                    return Err(fault);
                }
            }
        }
        let found: u64 = get(rows.first().ok_or_else(|| odd(&self.place()))?, 0, &self.place())?;
        Ok(if found == term { FenceRaise::Raised } else { FenceRaise::Later(found) })
    }
}

/// When a lease that is taken now ends.
fn until(claim: &LeaseClaim, sql: &mut Sql) -> String {
    let micros = sql.bind(claim.duration_ms.saturating_mul(1_000));
    format!("(utc_timestamp(6) + interval {micros} microsecond)")
}

fn read_lease(row: &Row, place: &str) -> Result<Lease, Fault> {
    Ok(Lease {
        holder: get(row, 0, place)?,
        term: get(row, 1, place)?,
        alive: get(row, 2, place)?,
        left_ms: get(row, 3, place)?,
    })
}
