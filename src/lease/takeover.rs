//! Taking the lease, once or for as long as somebody is willing to wait.

use std::time::Duration;

use forgetd_connector::{Acquired, Control, Fault, FaultClass, Lease, LeaseClaim};
use tokio::time::{Instant, sleep};

use super::{Claim, serves};
use crate::config::Coordination;

/// The shortest and longest pause between two looks at a lease that somebody else holds.
const LOOK_MS: std::ops::RangeInclusive<u64> = 100..=5_000;

/// Why the lease was not taken.
#[derive(Debug)]
pub enum Refusal {
    /// Its holder is alive.
    Taken(Lease),
    /// Nobody alive has it, but the database is locked: on SQLite by a process that froze inside a transaction, and no
    /// lease is taken past that.
    Locked(Fault),
    /// The home database did not answer.
    Fault(Fault),
}

/// Takes the instance's lease, waiting up to `wait` for a living holder, unless that one serves: it can be asked. Without coordination it is taken by force.
pub async fn take(
    home: &dyn Control,
    holder: &str,
    coordination: &Coordination,
    wait: Duration,
) -> Result<Claim, Refusal> {
    let (lasts, force) = match coordination {
        Coordination::Lease(lasts) => (Some(*lasts), false),
        Coordination::None => (None, true),
    };
    // Without coordination nobody renews, but a successor that does coordinate must not wait for ever.
    let duration_ms = lasts.map_or(1, |lasts| u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX));
    let wish = LeaseClaim { holder: holder.into(), duration_ms };
    let give_up = Instant::now() + wait;
    loop {
        let asked = Instant::now();
        let (refusal, pause) = match acquire(home, &wish, force).await {
            Ok(Acquired::Held { term }) => {
                let claim = Claim::new(holder.into(), term, lasts, asked);
                return fresh(home, &wish, claim).await;
            }
            Ok(Acquired::Taken(lease)) => {
                let pause = lease.left_ms.clamp(*LOOK_MS.start(), *LOOK_MS.end());
                (Refusal::Taken(lease), pause)
            }
            Err(fault) if fault.class == FaultClass::Locked => (Refusal::Locked(fault), *LOOK_MS.start()),
            Err(fault) => return Err(Refusal::Fault(fault)),
        };
        let left = give_up.saturating_duration_since(Instant::now());
        if left.is_zero() || matches!(&refusal, Refusal::Taken(lease) if serves(&lease.holder)) {
            return Err(refusal);
        }
        sleep(Duration::from_millis(pause).min(left)).await;
    }
}

/// A lease that was granted only after a long wait for a lock has run out by our own clock: it is renewed once.
async fn fresh(home: &dyn Control, wish: &LeaseClaim, claim: Claim) -> Result<Claim, Refusal> {
    if !claim.alive() {
        let asked = Instant::now();
        if home.renew(wish, claim.term()).await.map_err(Refusal::Fault)? {
            claim.renewed(asked);
        }
    }
    Ok(claim)
}

/// Looks before it asks: a living holder's batch may keep the database locked, and reading waits for nobody.
async fn acquire(home: &dyn Control, wish: &LeaseClaim, force: bool) -> Result<Acquired, Fault> {
    if !force && let Some(lease) = home.lease().await?.filter(|lease| lease.alive && lease.holder != wish.holder) {
        return Ok(Acquired::Taken(lease));
    }
    home.acquire(wish, force).await
}
