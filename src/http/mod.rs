//! What the daemon serves over HTTP. By GET alone: nothing here changes anything.
//!
//! | path | answers |
//! |---|---|
//! | `/livez` | 200 while the loop turns, else 503 |
//! | `/startupz` | 200 once a configuration was loaded or refused |
//! | `/readyz` | 200 while the configuration is valid and it is known who acts |
//! | `/metrics` | for Prometheus |
//! | `/status` | the board, for people; as JSON for who asks for `application/json` |
//! | `/checkpoint`, `/tile/..`, `/log.vkey`, `/policy/<sha256>.yaml` | the evidence log, as in C2SP tlog-tiles |

mod answer;
mod connections;
mod health;
mod objects;
mod status;

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::board::Board;
use crate::telemetry::metrics::Metrics;

pub use objects::Evidence;

/// What answers are made from.
struct Site<'a> {
    board: watch::Receiver<Board>,
    metrics: &'a Metrics,
    evidence: &'a dyn Evidence,
}

/// Serves until `stop` turns true, and ends when the answers under way are sent, or a little later without them.
///
/// No client can hold it: what it reads, how long it waits and how many it serves at once is limited. It spawns nothing:
/// all its work is done by whoever polls it.
pub async fn serve(
    listener: TcpListener,
    board: watch::Receiver<Board>,
    metrics: &Metrics,
    evidence: &dyn Evidence,
    stop: watch::Receiver<bool>,
) {
    connections::serve(listener, &Site { board, metrics, evidence }, stop).await;
}
