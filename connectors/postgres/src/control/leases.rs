//! Lease and fence, on the database's clock as it is when the statement runs.

use std::time::Duration;

use async_trait::async_trait;
use forgetd_connector::{Acquired, Fault, FaultClass, FenceRaise, Lease, LeaseClaim, Leases, fault_point};
use tokio::time::Instant;

use super::PgControl;
use crate::connect::Ask;
use crate::error;
use crate::query::{Param, Sql};
use crate::survey::{get, odd};

/// How long one attempt waits for transactions that hold the fence.
const FENCE_WAIT_MS: u64 = 1_000;

/// How long all attempts wait together, at the least: longer than an idle transaction may last under usual leases.
const FENCE_WAIT_MIN: Duration = Duration::from_secs(30);

#[async_trait]
impl Leases for PgControl {
    async fn lease(&self) -> Result<Option<Lease>, Fault> {
        let sql = Sql::new(
            format!(
                "select holder, term, expires_at > clock_timestamp(), \
                 greatest(0, extract(epoch from expires_at - clock_timestamp()) * 1000)::int8 \
                 from {} where instance = $1",
                self.table("lease")
            ),
            vec![self.instance().into()],
        );
        let rows = self.read("read lease", &sql).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let place = self.place();
        Ok(Some(Lease {
            holder: get(row, 0, &place)?,
            term: get::<i64>(row, 1, &place)?.unsigned_abs(),
            alive: get(row, 2, &place)?,
            left_ms: get::<i64>(row, 3, &place)?.unsigned_abs(),
        }))
    }

    async fn acquire(&self, claim: &LeaseClaim, force: bool) -> Result<Acquired, Fault> {
        fault_point::before("lease.acquire")?;
        // The term also passes every fence here: a lease row that was lost must not bring old numbers back. The same
        // holder may ask again, because the answer to its first try may have been lost.
        let sql = Sql::new(
            format!(
                "insert into {lease} as l (instance, holder, term, expires_at) \
                 select $1, $2, coalesce((select max(term) from {fence} where instance = $1), 0) + 1, \
                   clock_timestamp() + $3 * interval '1 millisecond' \
                 on conflict (instance) do update set holder = excluded.holder, \
                   term = greatest(l.term + 1, excluded.term), expires_at = excluded.expires_at \
                 where l.expires_at <= clock_timestamp() or l.holder = excluded.holder or $4 \
                 returning term",
                lease = self.table("lease"),
                fence = self.table("fence"),
            ),
            vec![self.instance().into(), claim.holder.as_str().into(), claim.duration_ms.into(), Param::Bool(force)],
        );
        let answers = self.write("acquire lease", &[&sql]).await.answers()?;
        fault_point::after("lease.acquire")?;
        if let Some(row) = answers.first().and_then(|answer| answer.rows.first()) {
            return Ok(Acquired::Held { term: get::<i64>(row, 0, &self.place())?.unsigned_abs() });
        }
        match self.lease().await? {
            Some(lease) => Ok(Acquired::Taken(lease)),
            None => Err(Fault::new(FaultClass::Transient, "acquire lease", self.place())),
        }
    }

    async fn renew(&self, claim: &LeaseClaim, term: u64) -> Result<bool, Fault> {
        let sql = Sql::new(
            format!(
                "update {} set expires_at = clock_timestamp() + $4 * interval '1 millisecond' \
                 where instance = $1 and holder = $2 and term = $3 returning 1",
                self.table("lease")
            ),
            vec![self.instance().into(), claim.holder.as_str().into(), term.into(), claim.duration_ms.into()],
        );
        let answers = self.write("renew lease", &[&sql]).await.answers()?;
        Ok(answers.first().is_some_and(|answer| !answer.rows.is_empty()))
    }

    async fn release(&self, holder: &str, term: u64) -> Result<(), Fault> {
        let sql = Sql::new(
            format!(
                "update {} set expires_at = clock_timestamp() where instance = $1 and holder = $2 and term = $3 \
                 and expires_at > clock_timestamp()",
                self.table("lease")
            ),
            vec![self.instance().into(), holder.into(), term.into()],
        );
        self.write("release lease", &[&sql]).await.answers()?;
        Ok(())
    }

    async fn raise_fence(&self, term: u64) -> Result<FenceRaise, Fault> {
        fault_point::before("fence.raise")?;
        let deadline = Instant::now() + self.shared.link.call_timeout().max(FENCE_WAIT_MIN);
        let raised = loop {
            match self.try_raise(term).await {
                Err(fault) if fault.class == FaultClass::Locked && Instant::now() < deadline => {}
                other => break other?,
            }
        };
        fault_point::after("fence.raise")?;
        Ok(raised)
    }
}

impl PgControl {
    /// One attempt. Uses the lanes' session, so that the lease can be renewed meanwhile.
    async fn try_raise(&self, term: u64) -> Result<FenceRaise, Fault> {
        // Below the client's own timeout, so that the server gives the lock up first.
        let wait = FENCE_WAIT_MS.min(self.shared.link.context.call_timeout_ms / 2).max(1);
        let begin = format!("{}; set local lock_timeout = {wait}", self.shared.link.begin());
        let fence = self.table("fence");
        let raise = Sql::new(
            format!(
                "insert into {fence} as f (instance, term) values ($1, $2) \
                 on conflict (instance) do update set term = excluded.term where f.term < excluded.term"
            ),
            vec![self.instance().into(), term.into()],
        );
        let look = Sql::new(format!("select term from {fence} where instance = $1"), vec![self.instance().into()]);
        let held = self.shared.lanes.take().await?;
        let asks = [Ask::Batch(&begin), Ask::Query(&raise), Ask::Query(&look), Ask::Batch("commit")];
        let mut rows = vec![];
        for answer in held.turn("raise fence", &asks).await? {
            match answer {
                Ok(answer) => rows.extend(answer.rows),
                Err(error) => {
                    let answered = error::answered(&error);
                    let mut fault = self.shared.control_fault(&error, "raise fence");
                    if fault.code.as_deref() == Some("55P03") {
                        fault.class = FaultClass::Locked;
                    }
                    if answered {
                        held.give_back();
                    }
                    return Err(fault);
                }
            }
        }
        held.give_back();
        let row = rows.first().ok_or_else(|| odd(&self.place()))?;
        let found = get::<i64>(row, 0, &self.place())?.unsigned_abs();
        Ok(if found == term { FenceRaise::Raised } else { FenceRaise::Later(found) })
    }
}
