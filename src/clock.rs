//! The only home of wall time. Everything else is handed a moment; durations are measured on tokio's monotonic clock.

use jiff::Timestamp;

/// Our own wall clock, in UTC. Used for what we stamp; cutoffs come from the database's clock.
#[allow(clippy::disallowed_methods, reason = "this is the one place")]
pub fn now() -> Timestamp {
    // Microseconds are what every engine keeps; more would not survive a round trip.
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}
