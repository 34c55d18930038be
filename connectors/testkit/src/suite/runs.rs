//! Runs in the control tables: what crashed is found again.

use forgetd_connector::{Commit, RunRow};

use super::fence::{late, order, ten};
use crate::{Arena, Fixture, RULE};

fn row(run: &str, minute: i64) -> RunRow {
    RunRow {
        run: run.into(),
        rule: RULE.into(),
        cutoff: "2026-01-01T00:00:00.123456Z".parse().unwrap(),
        rule_digest: "aa".repeat(32),
        catalog_digest: "bb".repeat(32),
        started_at: jiff::Timestamp::from_microsecond(1_767_225_600_123_456 + minute * 60_000_000).unwrap(),
        result: None,
    }
}

/// Row and receipt come together, the result closes, the cursors go.
pub async fn a_run_opens_and_closes_with_its_receipts(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let control = arena.connector.control();
    let table = ten();
    arena.create(fixture, &table).await;
    let (first, second) = (row("01RUN", 0), row("02RUN", 1));
    assert_eq!(control.open(&first, &arena.receipt("-", 1, None)).await, Commit::Committed);
    assert_eq!(control.open(&second, &arena.receipt("-", 2, None)).await, Commit::Committed);
    assert_eq!(control.unfinished().await.unwrap(), [first.clone(), second.clone()]);
    assert_eq!(control.last(RULE).await.unwrap(), None);

    let step = arena.step(table.selection(fixture, "at", late())).await;
    assert_eq!(arena.batch(&step, &order(3), &arena.receipt("0", 1, None)).await, 3);
    assert!(control.cursor(RULE, "0").await.unwrap().is_some());

    let closed = RunRow { result: Some(r#"{"verdict":"clean"}"#.into()), ..first };
    assert_eq!(control.close(&closed, &arena.receipt("-", 3, None)).await, Commit::Committed);
    assert_eq!(control.unfinished().await.unwrap(), [second]);
    assert_eq!(control.last(RULE).await.unwrap(), Some(closed));
    assert_eq!(control.cursor(RULE, "0").await.unwrap(), None, "a finished run leaves no cursor");
    assert_eq!(control.pending_count().await.unwrap(), 4);
}

/// Under an old term neither row nor receipt is written.
pub async fn a_stale_holder_opens_and_closes_no_run(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let control = arena.connector.control();
    let open = row("01RUN", 0);
    assert_eq!(control.open(&open, &arena.receipt("-", 1, None)).await, Commit::Committed);
    control.raise_fence(arena.term + 1).await.unwrap();
    assert_eq!(control.open(&row("02RUN", 1), &arena.receipt("-", 2, None)).await, Commit::Fenced);
    let closed = RunRow { result: Some("{}".into()), ..open.clone() };
    assert_eq!(control.close(&closed, &arena.receipt("-", 2, None)).await, Commit::Fenced);
    assert_eq!(control.unfinished().await.unwrap(), [open]);
    assert_eq!(control.pending_count().await.unwrap(), 1);
}

/// Entries that are no batch, and batches of other runs, do not count.
pub async fn batches_of_a_run_are_its_batches_alone(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let control = arena.connector.control();
    let table = ten();
    arena.create(fixture, &table).await;
    assert_eq!(control.open(&row("01RUN", 0), &arena.receipt("-", 1, None)).await, Commit::Committed);
    let step = arena.step(table.selection(fixture, "at", late())).await;
    let mut bodies = vec![];
    for sequence in 1..=3 {
        let mut receipt = arena.receipt("0", sequence, None);
        if sequence == 3 {
            receipt.run = "02RUN".into();
        } else {
            bodies.push(receipt.body.clone());
        }
        assert_eq!(arena.batch(&step, &order(2), &receipt).await, 2);
    }
    assert_eq!(control.batches("01RUN").await.unwrap(), bodies);
}
