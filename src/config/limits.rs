//! Defaults and bounds of settings, in one place.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::rules::Period;

/// The version of the format this binary reads.
pub(super) const VERSION: u32 = 1;

/// Settings that hold where no layer says otherwise, as they would be written.
pub(super) const DEFAULTS: [(&str, &str); 4] = [
    // Long enough for a pause of some seconds, short enough that a successor is soon there.
    ("coordination.lease", "15s"),
    ("evidence.receipt_keep", "30d"),
    ("evidence.receipts_pending_max", "10000"),
    ("http.listen", "0.0.0.0:9878"),
];

/// Seconds of a lease: renewals every third of it must be possible, and a dead holder must not be missed for long.
pub(super) const LEASE_SECS: RangeInclusive<u64> = 1..=600;

/// Connections to one database: one works, one renews the lease, and a third works where a second lane does.
pub(super) const MAX_CONNECTIONS: u32 = 3;
/// More is never of use: lanes are few.
pub(super) const MAX_CONNECTIONS_RANGE: RangeInclusive<u32> = 1..=64;

/// Below the second after which PostgreSQL looks for deadlocks, so that we never make the application its victim.
pub(super) const LOCK_WAIT_MS: u64 = 200;
/// Zero would mean "for ever" to some servers.
pub(super) const LOCK_WAIT_MS_RANGE: RangeInclusive<u64> = 1..=60_000;

/// Rows of a batch that deletes, where the target's time allows as many.
pub(super) const DELETE_ROWS_MAX: u32 = 10_000;
/// Rows of a batch that transforms: they are held in memory, old values and new.
pub(super) const TRANSFORM_ROWS_MAX: u32 = 4_000;
/// Memory stays bounded.
pub(super) const BATCH_ROWS_MAX_RANGE: RangeInclusive<u32> = 1..=100_000;

/// How long a batch shall last, in milliseconds: nobody waits for its locks longer than for a slow disk.
pub(super) const BATCH_MS_TARGET: u64 = 25;
/// Longer transactions are what forgetd is there to avoid.
pub(super) const BATCH_MS_TARGET_RANGE: RangeInclusive<u64> = 1..=10_000;

/// How far a replica may be behind, in seconds: who reads there notices more.
pub(super) const REPLICA_LAG_SECS_MAX: u64 = 5;
/// A replica is looked at once a second, and nobody waits for hours.
pub(super) const REPLICA_LAG_SECS_MAX_RANGE: RangeInclusive<u64> = 1..=3_600;

/// Rows in a second, where they are limited.
pub(super) const ROWS_PER_SECOND_MAX_RANGE: RangeInclusive<u32> = 1..=10_000_000;

/// The share of the time in which batches are under way beside others; each engine has its own where none is written. Less
/// would never come to an end.
pub(super) const SHARE_BESIDE_OTHERS_RANGE: RangeInclusive<f64> = 0.01..=1.0;

/// The server's log that may be kept for slots, in MiB: many disks have room for as much, and a purge makes it grow.
pub(super) const LOG_KEPT_MIB_MAX: u64 = 10_240;
/// From one segment up.
pub(super) const LOG_KEPT_MIB_MAX_RANGE: RangeInclusive<u64> = 16..=100_000_000;

/// Sessions at work, where they are limited.
pub(super) const ACTIVE_SESSIONS_MAX_RANGE: RangeInclusive<u64> = 1..=100_000;

/// Seconds that batches wait before their run stands back for others.
pub(super) const PAUSE_SECS_MAX: u64 = 300;
/// Others of the same database wait as long.
pub(super) const PAUSE_SECS_MAX_RANGE: RangeInclusive<u64> = 1..=3_600;

/// Replicas that one database names.
pub(super) const REPLICAS_MAX: usize = 16;

/// Bytes of a veto's statement or address.
pub(super) const VETO_BYTES_MAX: usize = 10_000;

/// The name of control tables.
pub(super) const CONTROL_NAME: &str = "forgetd";

/// Names of instances, databases and rules; they become labels and keys.
pub(super) const NAME_BYTES_MAX: usize = 63;

/// Values of one `where`: they travel with every statement.
pub(super) const VALUES_MAX: usize = 1000;
/// Tests of one `where`.
pub(super) const TESTS_MAX: usize = 200;
/// How deep `any`, `all` and `not` are nested in one `where`, and how many steps a path has.
pub(super) const NESTING_MAX: usize = 16;
/// Columns of `greatest` and of `on`.
pub(super) const COLUMNS_MAX: usize = 16;
/// Bytes of `where_native`: it travels with every statement.
pub(super) const NATIVE_BYTES_MAX: usize = 10_000;

/// Entries of `pseudonym_keys`: every epoch is looked for in every sweep.
pub(super) const PSEUDONYM_KEYS_MAX: usize = 200;

/// Entries of `approvers`.
pub(super) const APPROVERS_MAX: usize = 50;

/// Files in `conf.d`.
pub(super) const FILES_MAX: usize = 1000;

/// Columns and places of one transform: they travel with every statement.
pub(super) const PLACES_MAX: usize = 64;
/// Between two sweeps.
pub(super) const SWEEP_MIN: Duration = Duration::from_hours(24);
/// The least that the largest integer token may be: guessing would need no computer below it.
pub(super) const TOKEN_MAX_MIN: i64 = 1000;
/// Characters that stay of a text.
pub(super) const PREFIX_CHARS: RangeInclusive<u32> = 1..=1000;
/// Lengths of networks: neither everything nor single addresses.
pub(super) const V4_PREFIX: RangeInclusive<u8> = 1..=31;
/// The same for IPv6.
pub(super) const V6_PREFIX: RangeInclusive<u8> = 1..=127;
/// As web analytics usually cut addresses.
pub(super) const V4_PREFIX_DEFAULT: u8 = 24;
/// The usual size of a site.
pub(super) const V6_PREFIX_DEFAULT: u8 = 48;

/// Shorter than waits that are spread, a deadline would skip what somebody was there for.
pub(super) const STARTING_DEADLINE_MIN: Duration = Duration::from_secs(60);

/// The longest time between two sweeps, with the days that calendars differ by.
pub(super) fn sweep_max() -> Period {
    Period::hours(370 * 24)
}

/// How often all rows are looked at again.
pub(super) fn sweep() -> Period {
    Period::hours(30 * 24)
}
