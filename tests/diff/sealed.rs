//! Walking a sealed lane to its end.

use std::sync::Arc;

use forgetd_connector::{Commit, Compare, Lane, LockWait, Next, Order, SealEnd, Step, Untouched};
use forgetd_testkit::Arena;

/// Batches after which a lane that has not ended never will.
const BATCHES_MAX: u64 = 10_000;

/// Picks, seals, changes and ends until nothing is left; how many rows went.
pub(crate) async fn drain(arena: &Arena, step: &Step, rows_max: u32) -> u64 {
    let Lane::Sealed(mut lane) = arena.connector.lane(step, &arena.claim(), Arc::new(Untouched)).await.unwrap() else {
        panic!("a sealed step opened an atomic lane")
    };
    let control = arena.connector.control();
    let (mut from, mut changed) = (None, 0);
    for sequence in 1..BATCHES_MAX {
        let order = Order { from, rows_max, locks: LockWait::Wait, compare: Compare::All, want_keys: false };
        let picked = lane.pick(&order).await.unwrap();
        assert!(picked.keys.len() <= rows_max as usize, "{} keys in a batch of {rows_max}", picked.keys.len());
        if !picked.keys.is_empty() {
            let mut receipt = arena.receipt("0", sequence, picked.next.cursor().cloned());
            receipt.key.rule.clone_from(&step.rule);
            assert_eq!(control.seal(&receipt, &picked.keys).await, Commit::Committed);
            let outcome = lane.finish(&picked.keys).await.unwrap();
            assert_eq!((outcome.gone, outcome.kept), (picked.keys.len() as u64, 0), "picked rows are due");
            changed += outcome.changed;
            assert_eq!(control.unseal(&receipt).await, SealEnd::Done);
        }
        match picked.next {
            Next::End => return changed,
            Next::At(cursor) => from = Some(cursor),
        }
    }
    panic!("the lane does not end");
}
