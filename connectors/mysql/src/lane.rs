//! The atomic batch.

#![allow(dead_code, unused_variables, reason = "its part is being written")]

use std::sync::Arc;

use forgetd_connector::{AtomicLane, Fault, LaneClaim, Step, Transform};

use crate::answer::odd;
use crate::connector::Shared;

/// Opens a lane.
pub(crate) async fn open(
    shared: Arc<Shared>,
    _: &Step,
    _: &LaneClaim,
    _: Arc<dyn Transform>,
) -> Result<Box<dyn AtomicLane>, Fault> {
    Err(odd(shared.database()))
}
