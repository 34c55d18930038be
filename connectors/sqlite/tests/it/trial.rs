//! What a check notices about transforms before any row is written.

use forgetd_connector::{Cause, Finding, Grain, Put, Severity, Value};

use crate::fixture::{arena, ids};
use crate::rewriting::{marked, place, rewrite, step, text};

/// What is found about writing `put` into the column `v`, with these samples.
async fn findings(sql: &str, put: Put, samples: &[Value]) -> Vec<Finding> {
    let (arena, file) = arena(sql).await;
    let mut step = step(&arena, vec![place("v", put)]).await;
    rewrite(&mut step).places[0].samples = samples.to_vec();
    let before = ids(&file, "item");
    let findings = arena.connector.preflight(&step).await.unwrap();
    assert_eq!(ids(&file, "item"), before);
    findings
}

#[tokio::test]
async fn what_would_be_written_is_tried_on_the_constraints() {
    let rows = "insert into item (id, at, v) values (1, '2020-01-01', 'secret'), (2, '2020-01-01', null)";
    for (columns, put, samples, said) in [
        ("v text check (v not like 't_%')", Put::Computed, &["t_1"][..], "the constraint without a name does not take"),
        (
            "v text constraint short check (length(v) < 10)",
            Put::Computed,
            &["t_1", "t_2345678901"],
            "the constraint short does not take",
        ),
        ("v text constraint short check (length(v) < 10)", Put::Computed, &["t_1"], ""),
        (
            "v text constraint short check (length(v) < 10)",
            Put::Constant(text("a long constant")),
            &[],
            "the constraint short",
        ),
        ("v text constraint long check (length(v) > 3)", Put::Coarser(Grain::Prefix(2)), &[], "the constraint long"),
        ("v text check (v is not null or id = 2)", Put::Constant(Value::Null), &[], "the constraint without a name"),
        ("v text unique", Put::Constant(text("x")), &[], ""),
    ] {
        let sql = format!("create table item (id integer primary key, at date, {columns}); {rows}");
        let samples: Vec<Value> = samples.iter().map(|sample| text(sample)).collect();
        let found = findings(&sql, put, &samples).await;
        let blocking: Vec<&Finding> = found.iter().filter(|finding| finding.severity == Severity::Error).collect();
        if said.is_empty() {
            assert_eq!(blocking, [] as [&Finding; 0], "{columns}");
            continue;
        }
        assert_eq!(blocking.len(), 1, "{columns}: {found:?}");
        assert_eq!(blocking[0].blocking_cause(), Some(Cause::TransformUnfit));
        assert_eq!(blocking[0].place, "crm.item.v");
        assert!(blocking[0].message.contains(said), "{columns}: {}", blocking[0].message);
        assert!(!format!("{found:?}").contains("secret"));
    }
}

#[tokio::test]
async fn columns_that_are_written_together_are_tried_together() {
    let sql = "create table item (id integer primary key, at date, v text, w text, mark text,
        check ((v is null) = (w is null)), constraint marks check (mark like '20%'));
      insert into item values (1, '2020-01-01', 'a', 'b', null)";
    let (arena, _file) = arena(sql).await;
    let null = || Put::Constant(Value::Null);
    let both = step(&arena, vec![place("v", null()), place("w", null())]).await;
    assert_eq!(arena.connector.preflight(&both).await.unwrap(), []);
    let found = arena.connector.preflight(&marked(both, "mark", Value::Int(1))).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].place.as_str(), found[0].message.contains("constraint marks")),
        ("crm.item.mark", true),
        "{found:?}"
    );
}

#[tokio::test]
async fn types_and_missing_values_are_found_too() {
    let strict = "create table item (id integer primary key, at text, v integer) strict; insert into item values (1, '2030-01-01', 5)";
    let not_null = "create table item (id integer primary key, at date, v text not null); insert into item values (1, '2030-01-01', 5)";
    for (sql, put, said) in [
        (strict, Put::Constant(text("gone")), "takes values of its own type only"),
        (not_null, Put::Constant(Value::Null), "cannot be NULL"),
    ] {
        // No row is due: one that is not tells as much.
        let found = findings(sql, put, &[]).await;
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].message.contains(said), "{}", found[0].message);
    }
}

#[tokio::test]
async fn triggers_on_updates_are_named_by_what_they_can_do() {
    let sql = "create table item (id integer primary key, at date, v text, w text, x int);
      create table log (id integer primary key); create table side (id integer primary key);
      create trigger quiet before update on item begin select raise(ignore); end;
      create trigger copies after update of v on item begin insert into log values (old.id); end;
      create trigger takes after update on item begin delete from side; end;
      create trigger elsewhere after delete on item begin select raise(abort, 'no'); end;
      create trigger other after update of w on item begin delete from log; end;
      create trigger touches after update on item begin update item set x = 1 where id = new.id; end;
      create virtual table found using fts5 (v, content = 'item', content_rowid = 'id');";
    let mut ids: Vec<String> = findings(sql, Put::Computed, &[]).await.into_iter().map(|finding| finding.id).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["full_text_stays", "trigger_before_delete", "trigger_copies", "trigger_deletes"]);
}
