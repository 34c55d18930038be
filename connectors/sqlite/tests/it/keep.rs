//! Rows that stay whatever the rule's own terms say.

use forgetd_connector::{
    Check, Comparison, Except, Joined, Latest, Path, PathStep, Predicate, Selection, Since, SinceColumn, SinceForm,
    Stays, TableRef, Terms, Value, WhenNull,
};

use crate::fixture::{arena, due, selection};
use crate::truth::at;

/// Everything before 2024 by `at`.
fn all() -> Selection {
    selection("item", "at", Some(SinceForm::UnixS), "2024-01-01T00:00:00Z")
}

/// Terms that count from the date in `until`.
fn terms(cutoff: &str, predicate: Predicate, when_null: WhenNull) -> Terms {
    let mut terms = selection("item", "until", Some(SinceForm::Date), cutoff).terms;
    terms.predicate = predicate;
    terms.when_null = when_null;
    terms
}

fn kept(terms: Terms) -> Except {
    Except::Kept { rule: "keeper".into(), terms }
}

fn state(value: &str) -> Predicate {
    Predicate::equal("state", Value::Text(value.into()))
}

const ITEMS: &str = "create table item (id integer primary key, at int not null default 0, state text, until date);
    insert into item (id, state, until) values (1, 'a', '2020-01-01'), (2, 'a', '2030-01-01'), (3, 'a', null),
      (4, 'a', 'soon'), (5, 'b', '2030-01-01'), (6, null, '2030-01-01'), (7, 'A', '2020-01-01')";

#[tokio::test]
async fn another_rule_keeps_what_is_not_known_to_be_over() {
    let (arena, _file) = arena(ITEMS).await;
    let cutoff = "2024-06-01T00:00:00Z";
    let always = Predicate::always;
    let not_b = || at(Path::column("state"), Check::Compare(Comparison::NotEqual, Value::Text("b".into())));
    for (terms, expected) in [
        (terms(cutoff, always(), WhenNull::Keep), &[1, 7][..]),
        (terms(cutoff, always(), WhenNull::Delete), &[1, 3, 7]),
        (terms(cutoff, always(), WhenNull::Use("until".into())), &[1, 7]),
        (terms(cutoff, state("a"), WhenNull::Keep), &[1, 5, 6, 7]),
        (terms(cutoff, state("a"), WhenNull::Delete), &[1, 3, 5, 6, 7]),
        // Unknown in its predicate keeps nothing.
        (terms(cutoff, not_b(), WhenNull::Keep), &[1, 5, 6, 7]),
        (
            Terms { native: Some("id > 3 or id = 2".into()), ..terms(cutoff, state("a"), WhenNull::Keep) },
            &[1, 3, 5, 6, 7],
        ),
        (Terms { native: Some("null".into()), ..terms(cutoff, state("a"), WhenNull::Keep) }, &[1, 2, 3, 4, 5, 6, 7]),
        (terms("2031-01-01T00:00:00Z", always(), WhenNull::Keep), &[1, 2, 5, 6, 7]),
    ] {
        let mut selection = all();
        selection.except.push(kept(terms.clone()));
        assert_eq!(due(&arena, selection).await, expected, "{terms:?}");
    }
}

#[tokio::test]
async fn several_rules_keep_each_their_own() {
    let (arena, _file) = arena(ITEMS).await;
    let mut selection = all();
    let cutoff = "2024-06-01T00:00:00Z";
    selection.except.push(kept(terms(cutoff, state("b"), WhenNull::Keep)));
    selection.except.push(kept(terms(cutoff, state("A"), WhenNull::Keep)));
    selection.except.push(kept(Terms {
        native: Some("id = 1".into()),
        ..terms("2000-01-01T00:00:00Z", state("a"), WhenNull::Keep)
    }));
    selection.terms.native = Some("id <> 6".into());
    assert_eq!(due(&arena, selection).await, [2, 3, 4, 7]);
}

#[tokio::test]
async fn activity_elsewhere_keeps_for_another_rule() {
    let (arena, _file) = arena(&format!(
        "{ITEMS}; create table bill (item int, at date); create index bill_item on bill (item);
         insert into bill values (1, '2020-01-01'), (2, '2030-01-01'), (3, null), (4, 'soon')"
    ))
    .await;
    let zone = Some(jiff::tz::TimeZone::UTC);
    let latest = |or: Option<&str>| {
        let date =
            |column: &str| SinceColumn { column: column.into(), zone: zone.clone(), form: Some(SinceForm::Date) };
        let on = vec![Joined { other: "item".into(), own: "id".into() }];
        Since::Latest(Box::new(Latest { table: TableRef::parse("bill"), at: date("at"), on, or: or.map(date) }))
    };
    let cutoff = "2024-06-01T00:00:00Z";
    for (since, when_null, expected) in [
        (latest(None), WhenNull::Keep, &[1][..]),
        (latest(None), WhenNull::Delete, &[1, 3, 5, 6, 7]),
        (latest(Some("until")), WhenNull::Keep, &[1, 7]),
        (latest(Some("until")), WhenNull::Delete, &[1, 3, 7]),
    ] {
        let mut selection = all();
        let terms = Terms { since, ..terms(cutoff, Predicate::always(), when_null.clone()) };
        selection.except.push(kept(terms));
        assert_eq!(due(&arena, selection).await, expected, "{when_null:?}");
    }
}

#[tokio::test]
async fn what_another_selection_means_is_left_out() {
    let (arena, _file) = arena(ITEMS).await;
    let cutoff = "2024-06-01T00:00:00Z";
    let mut inner = Selection::new(TableRef::parse("item"), terms(cutoff, Predicate::always(), WhenNull::Keep));
    let mut outer = all();
    outer.except.push(Except::Due(Box::new(inner.clone())));
    assert_eq!(due(&arena, outer).await, [2, 3, 4, 5, 6], "1 and 7 are due for the other");
    // What the other one leaves out is not left out here.
    inner.except.push(kept(terms("2000-01-01T00:00:00Z", state("A"), WhenNull::Keep)));
    let mut outer = all();
    outer.except.push(Except::Due(Box::new(inner)));
    assert_eq!(due(&arena, outer).await, [2, 3, 4, 5, 6, 7]);
}

#[tokio::test]
async fn a_walk_in_order_meets_what_is_left() {
    let (arena, file) = arena(&format!("{ITEMS}; create index item_at on item (at)")).await;
    let mut selection = all();
    selection.except.push(kept(terms("2024-06-01T00:00:00Z", state("a"), WhenNull::Keep)));
    let step = arena.step(selection).await;
    assert_eq!(arena.connector.statements(&step).unwrap().walk, "since");
    assert_eq!(arena.drain(&step, 1).await.changed, 4);
    assert_eq!(crate::fixture::ids(&file, "item"), [2, 3, 4]);
}

/// The rows of `step`'s table that a delete here takes along by a foreign key in `item`.
fn children(step: forgetd_connector::Step) -> Except {
    let on = vec![Joined { other: "item".into(), own: "id".into() }];
    Except::Child(forgetd_connector::Child {
        foreign_key: "fk".into(),
        table: step.table.name.clone(),
        on,
        stays: Stays::UnlessDue(vec![step]),
    })
}

#[tokio::test]
async fn children_are_judged_by_their_own_columns_and_conditions() {
    // Parent and child have columns of the same names; a third table is looked into by the child's rule.
    let (arena, file) = arena(
        "create table item (id integer primary key, at int not null default 0, state text, doc text);
         insert into item (id, state, doc) values (1, 'x', '{}'), (2, 'x', '{}'), (3, 'x', '{}'), (4, 'x', '{}'), (5, 'x', '{}');
         create table part (id integer primary key, item int references item (id) on delete cascade, at int not null default 0,
           state text, doc text);
         insert into part (id, item, state, doc) values (1, 1, 'a', '{\"k\": [1]}'), (2, 2, 'b', '{\"k\": [1]}'),
           (3, 3, 'a', '{\"k\": [2]}'), (4, 4, 'a', '{\"k\": [1]}'), (9, 5, 'a', '{\"k\": [1]}')",
    )
    .await;
    let each = Path { column: "doc".into(), steps: vec![PathStep::Field("k".into()), PathStep::Each] };
    let mut due_parts = selection("part", "at", Some(SinceForm::UnixS), "2024-01-01T00:00:00Z");
    due_parts.terms.predicate =
        Predicate::All(vec![state("a"), at(each, Check::Compare(Comparison::Equal, Value::Int(1)))]);
    due_parts.terms.native = Some("part.id < 9 and part.state = state".into());
    let mut selection = all();
    selection.except.push(children(arena.step(due_parts.clone()).await));
    assert_eq!(due(&arena, selection).await, [1, 4]);
    // The same inside itself: the child's rows have children in a table that is around them already.
    due_parts.terms.native = None;
    due_parts.except.push(children(arena.step(all()).await));
    let mut selection = all();
    selection.except.push(children(arena.step(due_parts).await));
    let step = arena.step(selection).await;
    file.open().execute_batch("alter table item add column item int").unwrap();
    assert_eq!(arena.connector.measure(&step, forgetd_connector::RowCap(None)).await.unwrap().due.rows(), Some(3));
    // A column that the child loses is not taken for the parent's.
    file.open().execute_batch("alter table part drop column state").unwrap();
    let fault = arena.connector.measure(&step, forgetd_connector::RowCap(None)).await.unwrap_err();
    assert_eq!(fault.cause(), forgetd_connector::Cause::ColumnMissing);
}
