//! The rulebook: what is remembered about a rule comes back, and only the holder writes it.

use forgetd_connector::{ApprovedRow, Commit, LastRow, PendingRow, RulebookRow};
use jiff::Timestamp;

use crate::{Arena, Fixture, RULE};

fn at(second: i64) -> Timestamp {
    Timestamp::from_microsecond(1_767_225_600_123_456 + second * 1_000_000).unwrap()
}

/// A row with something in each of its parts.
fn full() -> RulebookRow {
    RulebookRow {
        rule: RULE.into(),
        approved: Some(ApprovedRow {
            digest: "aa".repeat(32),
            definition: r#"{"name":"o'rule","where":{"eq":["word",["text","closé\\"]]}}"#.into(),
            catalog_digest: "bb".repeat(32),
            how: "approved".into(),
            who: "ann@example".into(),
            reason: String::new(),
            at: at(1),
        }),
        pending: Some(PendingRow { digest: "cc".repeat(32), since: at(2) }),
        once: Some(r#"{"causes":["whole_table_due"]}"#.into()),
        last: Some(LastRow { cutoff: at(3), at: at(4) }),
        recent: "[[10,0.25]]".into(),
    }
}

/// Whole rows go in and come back; what a later row lacks is gone.
pub async fn a_rule_comes_back_as_it_was_kept(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let control = arena.connector.control();
    assert_eq!(control.rule(RULE).await.unwrap(), None);
    let bare = RulebookRow { rule: RULE.into(), ..RulebookRow::default() };
    for row in [bare.clone(), full(), full(), bare] {
        assert_eq!(control.keep_rule(&row, arena.term).await, Commit::Committed);
        assert_eq!(control.rule(RULE).await.unwrap(), Some(row));
    }
    let other = RulebookRow { rule: "other".into(), ..full() };
    assert_eq!(control.keep_rule(&other, arena.term).await, Commit::Committed);
    assert_eq!(control.rule(RULE).await.unwrap().unwrap().approved, None, "another rule has a row of its own");
    let neighbour = arena.database.connect("other").await;
    assert_eq!(neighbour.control().rule("other").await.unwrap(), None, "another instance has a rulebook of its own");
}

/// Under an old term nothing is written, whether the rule has a row or not.
pub async fn a_stale_holder_keeps_no_rule(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let control = arena.connector.control();
    assert_eq!(control.keep_rule(&full(), arena.term).await, Commit::Committed);
    let successor = arena.database.connect("conformance").await;
    successor.control().raise_fence(arena.term + 1).await.unwrap();
    let changed = RulebookRow { once: None, ..full() };
    assert_eq!(control.keep_rule(&changed, arena.term).await, Commit::Fenced);
    let new = RulebookRow { rule: "new".into(), ..full() };
    assert_eq!(control.keep_rule(&new, arena.term).await, Commit::Fenced);
    assert_eq!(control.rule(RULE).await.unwrap(), Some(full()));
    assert_eq!(control.rule("new").await.unwrap(), None);
    assert_eq!(successor.control().keep_rule(&changed, arena.term + 1).await, Commit::Committed);
}
