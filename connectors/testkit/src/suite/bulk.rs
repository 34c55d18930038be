//! Wide rows: a transform holds few of them in memory, and a row too large for it is said.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use forgetd_connector::bulk::{READ_BYTES_MAX, ROW_BYTES_MAX};
use forgetd_connector::{
    Action, Atomicity, Count, Lane, LaneClaim, NewRow, OldRow, Path, Place, Put, Rewrite, RowCap, Selection, Step,
    Transform, Undone, Value,
};

use super::fence::{day, late};
use crate::{Arena, Cell, Fixture, Kind, TAG, TableSpec, Tagger, Wanted};

/// A tagger that remembers how many bytes it was given at once.
struct Weigher {
    tagger: Tagger,
    most: Arc<AtomicU64>,
}

impl Transform for Weigher {
    fn compute(&self, rows: &[OldRow]) -> Vec<NewRow> {
        let bytes = |value: &Value| if let Value::Text(text) = value { text.len() as u64 } else { 0 };
        self.most.fetch_max(rows.iter().flat_map(|row| &row.values).map(bytes).sum(), Ordering::Relaxed);
        self.tagger.compute(rows)
    }
}

const WIDE: usize = 1_000_000;

/// So many wide rows with small ones between them.
fn wide(rows: i64) -> TableSpec {
    let text = |n: i64| if n % 4 == 3 { format!("{n}") } else { format!("{n}{}", "x".repeat(WIDE)) };
    let rows = (0..rows).map(|n| vec![day(n), Cell::Text(text(n))]);
    TableSpec::new("item").column("at", Kind::Instant).nullable("email", Kind::LongText).rows(rows)
}

async fn tagging(arena: &Arena, selection: Selection) -> (Step, Rewrite) {
    let path = Path::parse("email").unwrap();
    let place = Place { path: path.clone(), put: Put::Computed, samples: vec![] };
    let rewrite = Rewrite { marker: None, version: None, places: vec![place], follows: vec![] };
    let undone = vec![Undone::Other { path, shape: Tagger::shape() }];
    let step = arena.step(Selection { undone, ..selection }).await;
    (Step { action: Action::Transform(rewrite.clone()), ..step }, rewrite)
}

async fn tagged(arena: &Arena) -> i64 {
    arena.database.count("item", &[("email", Wanted::Begins(TAG))]).await
}

/// Every row is written, and never more of them are in memory than is read at once, and one.
pub async fn wide_rows_are_written_few_at_a_time(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let table = wide(16);
    arena.create(fixture, &table).await;
    let (step, rewrite) = tagging(&arena, table.selection(fixture, "at", late())).await;
    let most = Arc::new(AtomicU64::new(0));
    let weigher = Weigher { tagger: Tagger::new(&rewrite), most: Arc::clone(&most) };
    let done = arena.drain_by(&step, 1_000, Arc::new(weigher)).await;
    assert_eq!((done.changed, done.unfit, done.passed, tagged(&arena).await), (16, 0, 0, 16));
    let most = most.load(Ordering::Relaxed);
    assert!((WIDE as u64..=READ_BYTES_MAX + WIDE as u64 + 2).contains(&most), "{most} bytes at once");
    assert_eq!(arena.connector.survivors(&step).await.unwrap(), Count::Exact(0));
}

/// The same in a lane whose receipts are sealed first, where a list of keys is to be finished whole.
pub async fn wide_rows_of_a_seal_are_written_few_at_a_time(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let table = wide(12);
    arena.create(fixture, &table).await;
    let (step, rewrite) = tagging(&arena, table.selection(fixture, "at", late())).await;
    let step = Step { atomicity: Atomicity::Sealed, ..step };
    let most = Arc::new(AtomicU64::new(0));
    let weigher = Weigher { tagger: Tagger::new(&rewrite), most: Arc::clone(&most) };
    let claim = LaneClaim { lane: "1".into(), ..arena.claim() };
    let Lane::Sealed(mut lane) = arena.connector.lane(&step, &claim, Arc::new(weigher)).await.unwrap() else {
        panic!("a sealed step opened an atomic lane")
    };
    let picked = lane.pick(&super::fence::order(1_000)).await.unwrap();
    assert_eq!(picked.keys.len(), 12);
    let outcome = lane.finish(&picked.keys).await.unwrap();
    assert_eq!((outcome.changed, outcome.gone, outcome.kept, tagged(&arena).await), (12, 12, 0, 12));
    let most = most.load(Ordering::Relaxed);
    assert!((WIDE as u64..=READ_BYTES_MAX + WIDE as u64 + 2).contains(&most), "{most} bytes at once");
}

/// A row larger than what is read of one stays as it is, is counted, and stops no other.
pub async fn a_row_too_large_is_passed_and_counted(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let table = wide(4);
    arena.create(fixture, &table).await;
    let large = "y".repeat(usize::try_from(ROW_BYTES_MAX).unwrap() + 1);
    arena.database.change("item", &[2], "email", Cell::Text(large)).await;
    let (step, _) = tagging(&arena, table.selection(fixture, "at", late())).await;
    let done = arena.drain(&step, 1_000).await;
    assert_eq!((done.changed, done.unfit, done.passed, tagged(&arena).await), (3, 1, 0, 3));
    assert_eq!(arena.connector.measure(&step, RowCap(None)).await.unwrap().due, Count::Exact(1));
    assert_eq!(arena.database.count("item", &[("email", Wanted::Begins("yyy"))]).await, 1);
}
