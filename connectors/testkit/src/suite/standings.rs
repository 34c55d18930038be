//! Standings: what is remembered about how rules go comes back, and only the holder writes it.

use forgetd_connector::{Commit, StandingRow};

use crate::{Arena, Fixture};

fn row(rule: &str, body: &str) -> StandingRow {
    StandingRow { rule: rule.into(), body: body.into() }
}

/// Rows go in and come back whole, in the order of code points; of a rule that left the policy nothing stays.
pub async fn standings_come_back_as_they_were_kept(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let control = arena.connector.control();
    assert_eq!(control.standings().await.unwrap(), []);
    let body = r#"{"last":{"detail":"o'rule, closé \\ \"\u0001\" %s \ud83d\ude00 😀"},"due":12}"#;
    let mut rows = ["b", "\u{1f600}", "a-b", "B", "\u{fffd}", "é", "a"].map(|rule| row(rule, body));
    for row in &rows {
        assert_eq!(control.keep_standing(row, arena.term).await, Commit::Committed);
    }
    rows.sort_by(|a, b| a.rule.cmp(&b.rule));
    assert_eq!(control.standings().await.unwrap(), rows);

    rows[3].body = "{}".into();
    for _ in 0..2 {
        assert_eq!(control.keep_standing(&rows[3], arena.term).await, Commit::Committed);
        assert_eq!(control.standings().await.unwrap(), rows);
    }
    for _ in 0..2 {
        assert_eq!(control.drop_standing(&rows[0].rule, arena.term).await, Commit::Committed);
        assert_eq!(control.standings().await.unwrap(), rows[1..]);
    }
    let neighbour = arena.database.connect("other").await;
    assert_eq!(neighbour.control().standings().await.unwrap(), [], "another instance has standings of its own");
}

/// Under an old term nothing is written and nothing removed, whether the rule has a row or not.
pub async fn a_stale_holder_keeps_and_drops_no_standing(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let control = arena.connector.control();
    let old = row("rule", "[1]");
    assert_eq!(control.keep_standing(&old, arena.term).await, Commit::Committed);
    let successor = arena.database.connect("conformance").await;
    successor.control().raise_fence(arena.term + 1).await.unwrap();
    assert_eq!(control.keep_standing(&row("rule", "[2]"), arena.term).await, Commit::Fenced);
    assert_eq!(control.keep_standing(&row("new", "[2]"), arena.term).await, Commit::Fenced);
    assert_eq!(control.drop_standing("rule", arena.term).await, Commit::Fenced);
    assert_eq!(control.drop_standing("new", arena.term).await, Commit::Fenced);
    assert_eq!(control.standings().await.unwrap(), [old]);
    let next = row("rule", "[3]");
    assert_eq!(successor.control().keep_standing(&next, arena.term + 1).await, Commit::Committed);
    assert_eq!(control.standings().await.unwrap(), [next]);
    assert_eq!(successor.control().drop_standing("rule", arena.term + 1).await, Commit::Committed);
    assert_eq!(control.standings().await.unwrap(), []);
}
