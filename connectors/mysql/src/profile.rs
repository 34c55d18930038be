//! How rows are spread, and why one goes or stays.

#![allow(dead_code, unused_variables, reason = "its part is being written")]

use forgetd_connector::{Fault, Judged, Key, Profile, RowCap, Step};
use jiff::Timestamp;

use crate::answer::odd;
use crate::connector::Shared;

/// How rows are spread and which are kept.
pub(crate) async fn profile(shared: &Shared, _: &Step, _: Timestamp, _: RowCap) -> Result<Profile, Fault> {
    Err(odd(shared.database()))
}

/// Why the row with this key goes or stays.
pub(crate) async fn judge(shared: &Shared, _: &Step, _: &Key) -> Result<Option<Judged>, Fault> {
    Err(odd(shared.database()))
}
