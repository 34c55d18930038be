//! Entries of their own for what was changed of a sealed batch that another holder brings to its end.

use forgetd_connector::{Commit, Control, FIRST_LANE, Fault, FaultClass};

use super::clerk::{Clerk, NO_LANE, Subject};
use crate::evidence::entry::EntryBody;

/// How often the entry is tried: each loss means that the other holder wrote an entry meanwhile.
const TRIES_MAX: u32 = 16;

/// A sealed batch and how much of it this holder changed.
pub(super) struct Late<'a> {
    pub(super) rule: &'a str,
    pub(super) run: &'a str,
    pub(super) sealed_sequence: u64,
    pub(super) changed: u64,
}

// === impl Late ===

impl Late<'_> {
    /// Writes the entry. Whoever does so acts no more, so what keeps it from being written is only logged: the batch's own
    /// entry allows for all that was announced.
    pub(super) async fn say(&self, control: &dyn Control, clerk: &Clerk<'_>) {
        let Self { rule, changed, .. } = *self;
        tracing::warn!(rule, lane = FIRST_LANE, changed, "a sealed batch is another holder's by now");
        if let Err(fault) = self.write(control, clerk).await {
            tracing::error!(rule, error = %fault, changed, "the late entry could not be written");
        }
    }

    async fn write(&self, control: &dyn Control, clerk: &Clerk<'_>) -> Result<(), Fault> {
        let Self { rule, run, sealed_sequence, changed } = *self;
        // The other holder writes into the same lane: whoever comes second with a sequence takes the next.
        for _ in 0..TRIES_MAX {
            let sequence = control.next_sequence(rule, NO_LANE).await?;
            let subject = Subject { rule, lane: NO_LANE, sequence, run };
            let receipt = clerk.receipt(&subject, &EntryBody::Late { sealed_sequence, changed });
            let receipt = receipt.map_err(|error| {
                Fault::new(FaultClass::Internal, "make receipt", clerk.database).with_detail(error.to_string())
            })?;
            match control.append_late(&receipt).await {
                Commit::Committed => return Ok(()),
                Commit::Fenced => {}
                Commit::RolledBack(fault) | Commit::Unknown(fault) => return Err(fault),
            }
        }
        let fault = Fault::new(FaultClass::Transient, "append late receipt", clerk.database);
        Err(fault.with_detail("others wrote entries meanwhile"))
    }
}
