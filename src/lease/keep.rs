//! Renewal while work goes on.

use std::time::Duration;

use forgetd_connector::{Control, LeaseClaim};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::Claim;

/// Renews the lease every third of its time until `stop` turns true or the lease is lost. An error of the database is
/// not a loss: the claim's own deadline ends it if no renewal succeeds in time.
pub async fn keep(home: &dyn Control, claim: &Claim, mut stop: watch::Receiver<bool>) {
    let Some(lasts) = claim.lasts() else {
        return;
    };
    let wish = LeaseClaim { holder: claim.holder().into(), duration_ms: millis(lasts) };
    let pause = lasts / 3;
    loop {
        if timeout(pause, stop.wait_for(|stopped| *stopped)).await.is_ok() {
            return;
        }
        let asked = Instant::now();
        match home.renew(&wish, claim.term()).await {
            Ok(true) => claim.renewed(asked),
            Ok(false) => {
                tracing::warn!(term = claim.term(), "the lease names another holder");
                claim.lose();
                return;
            }
            Err(fault) => tracing::warn!(error = %fault, "the lease could not be renewed"),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
