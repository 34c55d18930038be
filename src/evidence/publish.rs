//! One commit of the log, and what became of it when its answer is lost.

use forgetd_connector::{Append, Cause, Fault, Head, HeadPlace, HeadState, Published, fault_point};

use super::EvidenceFault;
use super::store::Store;

/// How often a head is read again after an answer was lost.
const LOOKS_MAX: u32 = 3;

/// Publishes, and finds out what became of it when the answer is lost.
pub(super) async fn publish(store: &dyn Store, append: &Append, term: u64) -> Result<(), EvidenceFault> {
    let mut published = match fault_point::before("relay.publish") {
        Err(fault) => Published::Failed(fault),
        Ok(()) => store.publish(append, term).await,
    };
    if let Err(fault) = fault_point::after("relay.publish") {
        published = Published::Unknown(fault);
    }
    match published {
        Published::Done => Ok(()),
        Published::Failed(fault) => Err(fault.into()),
        Published::Fenced => {
            Err(EvidenceFault::new(Cause::Fenced, store.place(), "another process writes the evidence log now"))
        }
        Published::Conflict => {
            Err(EvidenceFault::restored(store.place(), "a leaf or a tile of this step exists with other bytes"))
        }
        Published::Moved(head) => Err(moved(store, append, head.as_ref())),
        Published::Unknown(fault) => settled(store, append, fault).await,
    }
}

/// Reads the head again after a lost answer. A transaction that is still under way loses against the next step's
/// compare-and-swap, or wins and is found at the next start.
async fn settled(store: &dyn Store, append: &Append, mut fault: Fault) -> Result<(), EvidenceFault> {
    for _ in 0..LOOKS_MAX {
        match store.head().await {
            // What is missing there may only not have come yet.
            Ok(Some(HeadState { place: HeadPlace::Standby, .. })) => return Err(fault.into()),
            Ok(state) => {
                let head = state.map(|state| state.head);
                return if head.as_ref() == Some(&append.next) {
                    Ok(())
                } else if head == append.expected {
                    Err(fault.into())
                } else {
                    Err(moved(store, append, head.as_ref()))
                };
            }
            Err(again) => fault = Fault { detail: Some(again.found), ..fault },
        }
    }
    Err(fault.into())
}

fn moved(store: &dyn Store, append: &Append, head: Option<&Head>) -> EvidenceFault {
    let (ours, found) = (append.expected.as_ref().map_or(0, |head| head.size), head.map_or(0, |head| head.size));
    if found > ours {
        EvidenceFault::new(Cause::Fenced, store.place(), "another process writes the evidence log now")
    } else {
        EvidenceFault::restored(store.place(), format!("the head went from {ours} entries to {found}"))
    }
}
