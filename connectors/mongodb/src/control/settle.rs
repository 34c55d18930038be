//! What became of a receipt whose answer was lost. Only what a majority has can be built on: a primary that steps down takes
//! the rest with it.

use std::time::Duration;

use forgetd_connector::Settled;
use tokio::time::{Instant, sleep};

/// The pauses between looks while a majority lags, or nobody answers: together as long as a lost answer is worth.
const PAUSES_MS: [u64; 8] = [20, 50, 100, 200, 400, 800, 1_400, 2_000];

/// No look begins behind this: one may have taken as long as a call may.
const GIVE_UP: Duration = Duration::from_secs(5);

/// Looks again until it is known, or for long enough.
pub(super) async fn settled<F: Future<Output = Settled>>(mut look: impl FnMut() -> F) -> Settled {
    let since = Instant::now();
    for pause in PAUSES_MS {
        match look().await {
            Settled::Unsettled if since.elapsed() < GIVE_UP => sleep(Duration::from_millis(pause)).await,
            settled => return settled,
        }
    }
    look().await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use forgetd_connector::Settled;
    use tokio::time::Duration;

    use super::{PAUSES_MS, settled};

    #[tokio::test(start_paused = true)]
    async fn a_majority_that_lags_is_waited_for() {
        use Settled::{Absent, Foreign, Present, Unsettled};
        for (after, then, told, looks) in [
            (0, Present, Present, 1),
            (0, Absent, Absent, 1),
            (0, Foreign, Foreign, 1),
            (3, Present, Present, 4),
            (5, Absent, Absent, 6),
            (100, Present, Unsettled, PAUSES_MS.len() + 1),
        ] {
            let looked = Cell::new(0);
            let look = || {
                looked.set(looked.get() + 1);
                std::future::ready(if looked.get() > after { then } else { Unsettled })
            };
            assert_eq!((settled(look).await, looked.get()), (told, looks), "{after} {then:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn looks_that_take_long_are_few() {
        let looked = Cell::new(0);
        let look = || async {
            looked.set(looked.get() + 1);
            tokio::time::sleep(Duration::from_secs(3)).await;
            Settled::Unsettled
        };
        assert_eq!((settled(look).await, looked.get()), (Settled::Unsettled, 2));
    }
}
