//! The log store: one history, moved by compare-and-swap, never rewritten.

use forgetd_connector::{Append, Head, HeadPlace, LeafRow, Published};

use crate::{Arena, Fixture};

const ORIGIN: &str = "example.org/forgetd/conformance";

fn head(size: u64, mark: u8) -> Head {
    Head { origin: ORIGIN.into(), size, root: [mark; 32] }
}

fn leaf(arena: &Arena, sequence: u64, index: u64, mark: u8) -> LeafRow {
    LeafRow { key: arena.receipt("0", sequence, None).key, index, hash: [mark; 32] }
}

fn append(expected: Option<Head>, next: Head) -> Append {
    Append { expected, next, objects: vec![], superseded: vec![], leaves: vec![] }
}

async fn publish(arena: &Arena, append: &Append) -> Published {
    arena.connector.control().publish(append, arena.term).await
}

/// Only who names the head that stands moves it; a log that was begun is never begun again.
pub async fn a_log_begins_once_and_moves_by_compare_and_swap(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let control = arena.connector.control();
    assert_eq!(control.head(ORIGIN).await.unwrap(), None);
    let (one, two) = (head(1, 1), head(2, 2));
    assert_eq!(publish(&arena, &append(Some(head(9, 9)), one.clone())).await, Published::Moved(None));
    assert_eq!(publish(&arena, &append(None, one.clone())).await, Published::Done);
    assert_eq!(publish(&arena, &append(None, head(1, 7))).await, Published::Moved(Some(one.clone())), "second genesis");
    assert_eq!(publish(&arena, &append(Some(head(1, 7)), two.clone())).await, Published::Moved(Some(one.clone())));
    assert_eq!(publish(&arena, &append(Some(one), two.clone())).await, Published::Done);
    let state = control.head(ORIGIN).await.unwrap().expect("the log was begun");
    assert_eq!((state.head, state.place), (two, HeadPlace::Same));
    assert_eq!(control.head("example.org/other").await.unwrap(), None);
}

/// A tile that exists with other bytes fails the whole step.
pub async fn what_is_published_never_changes(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let control = arena.connector.control();
    let mut first = append(None, head(1, 1));
    first.objects = vec![("tile/0/000.p/1".into(), vec![1, 0, 255]), ("tile/entries/000.p/1".into(), vec![2])];
    assert_eq!(publish(&arena, &first).await, Published::Done);
    let mut second = append(Some(head(1, 1)), head(2, 2));
    second.objects = vec![("tile/0/000.p/2".into(), vec![3]), ("tile/0/000.p/1".into(), vec![9])];
    second.leaves = vec![leaf(&arena, 1, 1, 4)];
    assert_eq!(publish(&arena, &second).await, Published::Conflict);
    assert_eq!(control.object(ORIGIN, "tile/0/000.p/2").await.unwrap(), None, "nothing of a refused step remains");
    assert_eq!(control.newest_leaves().await.unwrap(), []);
    assert_eq!(control.head(ORIGIN).await.unwrap().expect("the log was begun").head, head(1, 1));

    second.objects = vec![("tile/0/000.p/2".into(), vec![3]), ("tile/entries/000.p/1".into(), vec![2])];
    second.superseded = vec!["tile/0/000.p/1".into()];
    assert_eq!(publish(&arena, &second).await, Published::Done, "the same bytes are no conflict");
    assert_eq!(control.object(ORIGIN, "tile/0/000.p/2").await.unwrap(), Some(vec![3]));
    assert_eq!(control.object(ORIGIN, "tile/0/000.p/1").await.unwrap(), None, "superseded");
}

/// A receipt that is in the log already cannot become a second leaf.
pub async fn a_receipt_has_one_leaf(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let control = arena.connector.control();
    let mut step = append(None, head(2, 1));
    step.leaves = vec![leaf(&arena, 1, 0, 1), leaf(&arena, 2, 1, 2)];
    assert_eq!(publish(&arena, &step).await, Published::Done);
    let mut step = append(Some(head(2, 1)), head(3, 2));
    step.leaves = vec![leaf(&arena, 2, 2, 9)];
    assert_eq!(publish(&arena, &step).await, Published::Conflict);
    let keys: Vec<_> = (1..=3).map(|sequence| leaf(&arena, sequence, 0, 0).key).collect();
    let mut found = control.leaves(&keys).await.unwrap();
    found.sort_by_key(|leaf| leaf.index);
    assert_eq!(found, [leaf(&arena, 1, 0, 1), leaf(&arena, 2, 1, 2)]);
    assert_eq!(control.newest_leaves().await.unwrap(), [keys[1].clone()]);
    assert_eq!(control.head(ORIGIN).await.unwrap().expect("the log was begun").head, head(2, 1));
}

/// Mutable files can be replaced, and every path is listed.
pub async fn files_of_the_log_are_kept(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let control = arena.connector.control();
    assert_eq!(control.object(ORIGIN, "checkpoint").await.unwrap(), None);
    for bytes in [&b"one"[..], b"two"] {
        control.put_object(ORIGIN, "checkpoint", bytes).await.unwrap();
        assert_eq!(control.object(ORIGIN, "checkpoint").await.unwrap().as_deref(), Some(bytes));
    }
    let mut step = append(None, head(1, 1));
    step.objects = vec![("tile/0/000.p/1".into(), vec![1])];
    assert_eq!(publish(&arena, &step).await, Published::Done);
    let mut paths = control.paths(ORIGIN).await.unwrap();
    paths.sort();
    assert_eq!(paths, ["checkpoint", "tile/0/000.p/1"]);
    assert_eq!(control.paths("example.org/other").await.unwrap(), Vec::<String>::new());
}

/// A smaller head is ignored.
pub async fn copies_of_a_head_move_only_forward(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let control = arena.connector.control();
    assert_eq!(control.remembered(ORIGIN).await.unwrap(), None);
    control.remember(&head(5, 5)).await.unwrap();
    control.remember(&head(4, 4)).await.unwrap();
    assert_eq!(control.remembered(ORIGIN).await.unwrap(), Some(head(5, 5)));
    control.remember(&head(6, 6)).await.unwrap();
    assert_eq!(control.remembered(ORIGIN).await.unwrap(), Some(head(6, 6)));
}

/// Under an old term the log does not move.
pub async fn a_stale_holder_publishes_nothing(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let control = arena.connector.control();
    control.raise_fence(arena.term + 1).await.unwrap();
    assert_eq!(publish(&arena, &append(None, head(1, 1))).await, Published::Fenced);
    assert_eq!(control.head(ORIGIN).await.unwrap(), None);
}
