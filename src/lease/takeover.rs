//! Taking the lease, once or for as long as somebody is willing to wait.

use std::time::Duration;

use forgetd_connector::{Acquired, Control, Fault, Lease, LeaseClaim};
use tokio::time::{Instant, sleep};

use super::Claim;
use crate::config::Coordination;

/// The shortest and longest pause between two looks at a lease that somebody else holds.
const LOOK_MS: std::ops::RangeInclusive<u64> = 100..=5_000;

/// Why the lease was not taken.
#[derive(Debug)]
pub enum Refusal {
    /// Its holder is alive.
    Taken(Lease),
    /// The home database did not answer.
    Fault(Fault),
}

/// Takes the instance's lease, waiting up to `wait` for a living holder. Without coordination it is taken by force.
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
        match home.acquire(&wish, force).await.map_err(Refusal::Fault)? {
            Acquired::Held { term } => return Ok(Claim::new(holder.into(), term, lasts, asked)),
            Acquired::Taken(lease) => {
                let left = give_up.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(Refusal::Taken(lease));
                }
                let pause = lease.left_ms.clamp(*LOOK_MS.start(), *LOOK_MS.end());
                sleep(Duration::from_millis(pause).min(left)).await;
            }
        }
    }
}
