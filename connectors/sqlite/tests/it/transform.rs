//! Transforms on real files: what is written, what is left alone, what stops them.

use std::sync::Arc;

use forgetd_connector::{
    Atomicity, Cause, Child, Commit, Count, Except, FaultClass, Grain, Joined, Key, Lane, NewRow, Next, OldRow, Order,
    Outcome, Put, SinceForm, Stays, TableRef, Transform, Undone, Value, WhenNull,
};
use forgetd_testkit::Arena;

use crate::fixture::{File, arena, selection};
use crate::rewriting::{Tokens, Walked, dated, lane, marked, place, rewrite, rows, step, step_of, text, walk};

fn changed(changed: u64) -> Walked {
    Walked { changed, ..Walked::default() }
}

/// Two rows that are due and one that is not, with these columns.
async fn three(columns: &str, values: &[&str]) -> (Arena, File) {
    let values: Vec<String> = values
        .iter()
        .enumerate()
        .map(|(n, values)| format!("('{}', {values})", if n == 2 { "2030-01-01" } else { "2020-01-01" }))
        .collect();
    arena(&format!(
        "create table item (id integer primary key, at date, {columns}); insert into item values {}",
        values
            .iter()
            .enumerate()
            .map(|(n, values)| values.replacen('(', &format!("({}, ", n + 1), 1))
            .collect::<Vec<_>>()
            .join(", ")
    ))
    .await
}

#[tokio::test]
async fn every_kind_of_place_is_written_once_and_nothing_else_is() {
    for (type_name, values, path, put, expected) in [
        ("text", ["'a@b'", "null", "'a@b'"], "v", Put::Computed, ["t_3", "-", "a@b"]),
        ("text", ["'åäö日'", "'t_9'", "'x'"], "v", Put::Computed, ["t_4", "t_9", "x"]),
        ("text", ["'x'", "null", "'x'"], "v", Put::Constant(Value::Null), ["-", "-", "x"]),
        ("text", ["'x'", "null", "'x'"], "v", Put::Constant(text("gone")), ["gone", "-", "x"]),
        ("integer", ["7", "0", "7"], "v", Put::Constant(text("0")), ["0", "0", "7"]),
        (
            "date",
            ["'1984-07-15'", "'1984-01-01'", "'1984-07-15'"],
            "v",
            Put::Coarser(Grain::Year),
            ["1984-01-01", "1984-01-01", "1984-07-15"],
        ),
        (
            "text",
            ["'1984-07-15T10:11:12.5+02:00'", "null", "''"],
            "v",
            Put::Coarser(Grain::Quarter),
            ["1984-07-01T00:00:00.0+02:00", "-", ""],
        ),
        ("integer", ["-1", "20", "1"], "v", Put::Coarser(Grain::Step("10".into())), ["-10", "20", "1"]),
        ("real", ["0.31", "0.25", "0.31"], "v", Put::Coarser(Grain::Step("0.1".into())), ["0.3", "0.3", "0.31"]),
        ("text", ["'åäö'", "'å'", "'åäö'"], "v", Put::Coarser(Grain::Prefix(2)), ["åä", "å", "åäö"]),
        (
            "json",
            ["'7'", r#"'{"items":[{"email":"a@b"}]}'"#, "'1.5'"],
            "v.items[].email",
            Put::Computed,
            ["7", r#"{"items":[{"email":"t_3"}]}"#, "1.5"],
        ),
        (
            "json",
            [r#"'{"n":1,"items":[{"email":"a@b"},{"email":null},{}]}'"#, "'{}'", r#"'{"items":[{"email":"a@b"}]}'"#],
            "v.items[].email",
            Put::Computed,
            [r#"{"items":[{"email":"t_3"},{"email":null},{}],"n":1}"#, "{}", r#"{"items":[{"email":"a@b"}]}"#],
        ),
    ] {
        let (arena, file) = three(&format!("v {type_name}"), &values).await;
        let before = rows(&file, "select v from item order by id");
        let step = step(&arena, vec![place(path, put.clone())]).await;
        let due = before.iter().zip(expected).filter(|(before, expected)| before != expected).count() as u64;
        assert!(due > 0, "{type_name} {put:?}");
        assert_eq!(walk(&arena, &step, 10).await.unwrap(), changed(due), "{type_name} {put:?}");
        assert_eq!(rows(&file, "select v from item order by id"), expected, "{type_name} {put:?}");
        assert_eq!(arena.connector.survivors(&step).await.unwrap(), Count::Exact(0), "{type_name} {put:?}");
        assert_eq!(walk(&arena, &step, 10).await.unwrap(), changed(0), "again: {type_name} {put:?}");
    }
}

#[tokio::test]
async fn json_keeps_the_form_that_it_is_kept_in() {
    let (arena, file) =
        three("v json", &[r#"jsonb('{"email":"a@b"}')"#, r#"cast('{"email":"a@b"}' as blob)"#, "null"]).await;
    let step = step(&arena, vec![place("v.email", Put::Computed)]).await;
    assert_eq!(walk(&arena, &step, 10).await.unwrap(), changed(2));
    let found = rows(
        &file,
        "select json_valid(v, 8), json_extract(case json_valid(v, 8) when 1 then v else cast(v as text) end, '$.email') from item where id < 3 order by id",
    );
    assert_eq!(found, ["1 t_3", "0 t_3"]);
}

#[tokio::test]
async fn what_does_not_fit_is_passed_over_and_counted() {
    let (arena, file) = arena(
        "create table item (id integer primary key, at date, v text, w date);
         insert into item (at, v, w) with recursive s (n) as (select 1 union all select n + 1 from s where n < 40)
         select '2020-01-01', case when n % 10 = 0 then 'bad' else 'a@b' end, case n when 7 then 'soon' else '2020-05-05' end from s;",
    )
    .await;
    let step = step(&arena, vec![place("v", Put::Computed), place("w", Put::Coarser(Grain::Month))]).await;
    for (rows_max, first) in [(7, true), (100, false)] {
        let walked = walk(&arena, &step, rows_max).await.unwrap();
        let expected = Walked { unfit: [(Cause::ValueUnfit, 5)].into(), ..changed(if first { 35 } else { 0 }) };
        assert_eq!(walked, expected);
    }
    assert_eq!(
        rows(&file, "select id, v, w from item where v not like 't_%' order by id"),
        ["7 a@b soon", "10 bad 2020-05-05", "20 bad 2020-05-05", "30 bad 2020-05-05", "40 bad 2020-05-05",]
    );
}

#[tokio::test]
async fn large_documents_are_worked_out_a_few_at_a_time() {
    /// Tells how much it was given at the most.
    struct Measured(std::sync::atomic::AtomicUsize);
    impl Transform for Measured {
        fn compute(&self, rows: &[OldRow]) -> Vec<NewRow> {
            let bytes: usize = rows.iter().map(|row| row.values[0].canonical_text().len()).sum();
            self.0.fetch_max(bytes, std::sync::atomic::Ordering::Relaxed);
            Tokens.compute(rows)
        }
    }
    for table in [
        "create table item (id integer primary key, at date, v text)",
        "create table item (at date, v text, id text primary key) without rowid",
    ] {
        let (arena, file) = arena(&format!(
            "{table}; insert into item (id, at, v) with recursive s (n) as (select 1 union all select n + 1 from s where n < 9)
             select n, '2020-01-01', case n % 3 when 0 then 'bad' else hex(zeroblob(600000 + n)) end from s;"
        ))
        .await;
        let step = step(&arena, vec![place("v", Put::Computed)]).await;
        let measured = Arc::new(Measured(0.into()));
        let transform = Arc::clone(&measured);
        let Lane::Atomic(mut lane) = arena.connector.lane(&step, &arena.claim(), transform).await.unwrap() else {
            panic!("sealed")
        };
        let (mut from, mut changed, mut unfit, mut batches) = (None, 0, 0, 0);
        loop {
            let effect = lane.change(&Order { from, ..crate::fixture::order(100) }).await.unwrap();
            batches += 1;
            assert_eq!(lane.commit(&arena.receipt("0", batches, None)).await, Commit::Committed, "{table}");
            changed += effect.changed;
            unfit += effect.unfit.values().sum::<u64>();
            match effect.next {
                Next::At(cursor) => from = Some(cursor),
                Next::End => break,
            }
        }
        assert_eq!((changed, unfit), (6, 3), "{table}");
        assert!(batches >= 3, "{table}: {batches} batches");
        assert_eq!(rows(&file, "select count(*) from item where v like 't_%'"), ["6"], "{table}");
        let most = measured.0.load(std::sync::atomic::Ordering::Relaxed);
        assert!((1_200_000..6_000_000).contains(&most), "{most} bytes at once");
    }
}

#[tokio::test]
async fn a_marker_is_set_with_the_row_and_says_that_it_is_done() {
    let (arena, file) = three("v text, mark text", &["'a@b', null", "'t_1', null", "'x', null"]).await;
    let mut transform = step(&arena, vec![place("v", Put::Computed)]).await;
    transform.selection.undone.clear();
    let transform = marked(transform, "mark", text("2026-01-01"));
    assert_eq!(walk(&arena, &transform, 10).await.unwrap(), changed(2));
    assert_eq!(rows(&file, "select v, mark from item order by id"), ["t_3 2026-01-01", "t_1 2026-01-01", "x -"]);
    file.open().execute_batch("update item set v = 'new' where id = 1").unwrap();
    assert_eq!(walk(&arena, &transform, 10).await.unwrap(), changed(0), "the marker is believed");
}

#[tokio::test]
async fn a_row_that_was_used_again_is_done_again() {
    let (arena, file) = arena(
        "create table item (id integer primary key, at datetime, v text, mark datetime);
         insert into item (at, v, mark) values ('2020-01-01 00:00:00', 'a@b', '2019-01-01 00:00:00'),
           ('2020-01-01 00:00:00', 'a@b', '2021-01-01 00:00:00'), ('2020-01-01 00:00:00', 't_1', '2019-01-01 00:00:00')",
    )
    .await;
    let selection = selection("item", "at", Some(SinceForm::Timestamp), "2024-12-31T23:30:00Z");
    let mut transform = step_of(&arena, selection, vec![place("v", Put::Computed)]).await;
    transform.selection.undone = vec![Undone::MarkedBefore { marker: "mark".into(), since: "at".into() }];
    let transform = marked(transform, "mark", text("2026-01-01 00:00:00"));
    assert_eq!(walk(&arena, &transform, 10).await.unwrap(), changed(2));
    let done = "2026-01-01 00:00:00";
    let expected = [format!("t_3 {done}"), "a@b 2021-01-01 00:00:00".into(), format!("t_1 {done}")];
    assert_eq!(rows(&file, "select v, mark from item order by id"), expected);
}

#[tokio::test]
async fn rows_are_found_by_any_key_and_along_any_walk() {
    let filled = "insert into item (a, b, at, v) with recursive s (n) as (select 1 union all select n + 1 from s where n < 50)
      select n % 7, 'k' || n, case when n % 5 = 0 then null else date('2020-01-01', (n % 3) || ' days') end, 'value ' || n from s;";
    for (table, when_null) in [
        (
            "create table item (a int, b text collate nocase, at date, v text, primary key (a, b)) without rowid;",
            WhenNull::Keep,
        ),
        ("create table item (a int not null, b text not null, at date, v text, primary key (b, a));", WhenNull::Delete),
        (
            "create table item (a int, b text, at date, v text, id integer primary key); create index item_at on item (at);",
            WhenNull::Keep,
        ),
        ("create table item (a int, b text primary key, at date, v text) strict;", WhenNull::Keep),
        (
            "create table item (a int, b text not null unique, rowid text, at date, v text); create index item_at on item (at);",
            WhenNull::Delete,
        ),
    ] {
        let table = if table.ends_with("strict;") { table.replace(" date,", " text,") } else { table.to_owned() };
        for rows_max in [1, 3, 1_000] {
            let (arena, file) = arena(&format!("{table} {filled}")).await;
            let mut selection = dated();
            selection.terms.when_null = when_null.clone();
            let step = step_of(&arena, selection, vec![place("v", Put::Computed)]).await;
            let due = if when_null == WhenNull::Keep { 40 } else { 50 };
            assert_eq!(walk(&arena, &step, rows_max).await.unwrap(), changed(due), "{table}");
            let done = rows(&file, "select count(*) from item where v like 't_%'");
            assert_eq!(done, [due.to_string()], "{table}");
        }
    }
}

#[tokio::test]
async fn a_value_that_would_come_twice_costs_its_row_alone() {
    for unique in ["unique", "unique on conflict replace", "unique on conflict ignore"] {
        let (arena, file) = arena(&format!(
            "create table item (id integer primary key, at date, v text {unique});
             insert into item (at, v) values ('2020-01-01', 'ab'), ('2020-01-01', 'cde'), ('2020-01-01', 'fg'), ('2020-01-01', 'hijk')"
        ))
        .await;
        let step = step(&arena, vec![place("v", Put::Computed)]).await;
        let walked = walk(&arena, &step, 10).await.unwrap();
        assert_eq!(walked, Walked { passed: [(Cause::Unique, 1)].into(), ..changed(3) }, "{unique}");
        assert_eq!(rows(&file, "select v from item order by id"), ["t_2", "t_3", "fg", "t_4"], "{unique}");
    }
}

#[tokio::test]
async fn a_column_that_does_not_take_the_value_says_so() {
    for (columns, put, cause) in [
        ("v text check (v not like 't_%')", Put::Computed, Cause::Check),
        ("v text not null", Put::Constant(Value::Null), Cause::TransformUnfit),
        ("v text", Put::Constant(text("x")), Cause::RowRefused),
    ] {
        let (arena, file) = three(columns, &["'a@b'", "'a@c'", "'x'"]).await;
        file.open()
            .execute_batch(
                "create trigger no before update on item when new.v = 'x' begin select raise(abort, 'secret'); end",
            )
            .unwrap();
        let step = step(&arena, vec![place("v", put)]).await;
        assert_eq!(walk(&arena, &step, 10).await.unwrap(), Walked { passed: [(cause, 2)].into(), ..changed(0) });
        assert_eq!(rows(&file, "select v from item order by id"), ["a@b", "a@c", "x"]);
    }
    let (arena, _file) =
        arena("create table item (id integer primary key, at text, v integer) strict; insert into item values (1, '2020-01-01', 5)").await;
    let step = step(&arena, vec![place("v", Put::Constant(text("gone")))]).await;
    let fault = lane(&arena, &step).await.change(&crate::fixture::order(10)).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Row(Cause::TransformUnfit));
}

#[tokio::test]
async fn whatever_else_happens_is_told_and_undone() {
    let others = "create table other (id integer primary key, n int); insert into other (n) values (1);
      create table pair (a int primary key, n int) without rowid; insert into pair values (1, 1);";
    for (trigger, cause) in [
        ("update item set at = '2030-01-01' where id = new.id", Cause::SinceMoved),
        ("update item set at = null where id = new.id", Cause::SinceMoved),
        ("update item set seen = 1 where id = 3", Cause::EffectDiffers),
        ("update other set n = 2", Cause::EffectDiffers),
        ("update pair set n = 2", Cause::EffectDiffers),
        ("delete from other", Cause::EffectDiffers),
        ("delete from pair", Cause::EffectDiffers),
        ("delete from item where id = 3", Cause::EffectDiffers),
        ("insert into item (at) values (null)", Cause::EffectDiffers),
        ("update item set v = old.v where id = new.id", Cause::EffectDiffers),
    ] {
        for when in ["", "when old.id = 2"] {
            let (arena, file) = three("v text, seen int", &["'a@b', 0", "'a@c', 0", "'x', 0"]).await;
            file.open()
                .execute_batch(&format!(
                    "{others} create trigger t after update of v on item {when} begin {trigger}; end"
                ))
                .unwrap();
            let before = rows(&file, "select * from item, other, pair order by 1");
            let step = step(&arena, vec![place("v", Put::Computed)]).await;
            let fault = lane(&arena, &step).await.change(&crate::fixture::order(10)).await.unwrap_err();
            assert_eq!(fault.cause(), cause, "{trigger} {when}");
            assert_eq!(rows(&file, "select * from item, other, pair order by 1"), before, "{trigger} {when}");
        }
    }
}

#[tokio::test]
async fn triggers_may_touch_the_row_itself_and_add_rows() {
    let (arena, file) = arena(
        "create table item (id integer primary key, at date, v text, touched int);
         create table log (item int);
         create virtual table found using fts5 (v, content = 'item', content_rowid = 'id');
         insert into item (at, v) values ('2020-01-01', 'a@b'), ('2020-01-01', 'a@c'), ('2030-01-01', 'a@d');
         insert into found (found) values ('rebuild');
         create trigger a after update on item begin insert into log values (old.id); end;
         create trigger b after update on item begin update item set touched = 1 where id = new.id; end;
         create trigger c after update of v on item begin
           insert into found (found, rowid, v) values ('delete', old.id, old.v);
           insert into found (rowid, v) values (new.id, new.v);
         end;",
    )
    .await;
    let step = step(&arena, vec![place("v", Put::Computed)]).await;
    assert_eq!(walk(&arena, &step, 10).await.unwrap(), changed(2));
    assert_eq!(rows(&file, "select v, touched from item order by id"), ["t_3 1", "t_3 1", "a@d -"]);
    assert_eq!(rows(&file, "select rowid from found where found match '\"t_3\"'").len(), 2);
}

#[tokio::test]
async fn a_touch_that_cannot_be_told_from_another_row_does_not_pass() {
    let (arena, _file) = arena(
        "create table item (id integer primary key, at date, v text, touched int) without rowid;
         insert into item (id, at, v) values (1, '2020-01-01', 'a@b');
         create trigger t after update on item begin update item set touched = 1 where id = new.id; end;",
    )
    .await;
    let step = step(&arena, vec![place("v", Put::Computed)]).await;
    let fault = walk(&arena, &step, 10).await.unwrap_err();
    assert_eq!((fault.cause(), fault.detail.as_deref()), (Cause::EffectDiffers, Some("item")));
}

#[tokio::test]
async fn a_trigger_that_keeps_rows_costs_those_rows() {
    let (arena, file) = three("v text", &["'a@b'", "'a@c'", "'x'"]).await;
    file.open()
        .execute_batch("create trigger t before update on item when old.id = 1 begin select raise(ignore); end")
        .unwrap();
    let step = step(&arena, vec![place("v", Put::Computed)]).await;
    let walked = walk(&arena, &step, 10).await.unwrap();
    assert_eq!(walked, Walked { passed: [(Cause::TriggerCancels, 1)].into(), ..changed(1) });
}

#[tokio::test]
async fn references_follow_where_the_rule_lets_them() {
    for (without, allowed) in [("", true), ("", false), ("without rowid", true), ("without rowid", false)] {
        let (arena, file) = arena(&format!(
            "create table item (id integer primary key, at date, v text unique);
             create table call (n text primary key, v text references item (v) on update cascade) {without};
             insert into item (at, v) values ('2020-01-01', 'ab'), ('2020-01-01', 'abc'), ('2030-01-01', 'x');
             insert into call values (1, 'ab'), (2, 'ab'), (3, 'x')"
        ))
        .await;
        let mut step = step(&arena, vec![place("v", Put::Computed)]).await;
        if allowed {
            rewrite(&mut step).follows.push(TableRef::parse("call"));
            assert_eq!(walk(&arena, &step, 10).await.unwrap(), Walked { cascaded: 2, ..changed(2) }, "{without}");
            assert_eq!(rows(&file, "select v from call order by n"), ["t_2", "t_2", "x"]);
        } else {
            let fault = walk(&arena, &step, 10).await.unwrap_err();
            assert_eq!((fault.cause(), fault.detail.as_deref()), (Cause::EffectDiffers, Some("call")), "{without}");
        }
    }
}

#[tokio::test]
async fn a_table_may_follow_itself() {
    let (arena, file) = arena(
        "create table item (id integer primary key, at date, v text unique, boss text references item (v) on update cascade);
         insert into item (at, v, boss) values ('2020-01-01', 'ab', null), ('2020-01-01', 'abc', 'ab'), ('2030-01-01', 'x', 'ab')",
    )
    .await;
    let mut step = step(&arena, vec![place("v", Put::Computed)]).await;
    let fault = walk(&arena, &step, 10).await.unwrap_err();
    assert_eq!((fault.cause(), fault.detail.as_deref()), (Cause::EffectDiffers, Some("item")));
    rewrite(&mut step).follows.push(TableRef::parse("item"));
    // The second row is written for its own sake, so only the third is one that follows.
    assert_eq!(walk(&arena, &step, 10).await.unwrap(), Walked { cascaded: 1, ..changed(2) });
    assert_eq!(rows(&file, "select v, boss from item order by id"), ["t_2 -", "t_3 t_2", "x t_2"]);
}

#[tokio::test]
async fn keys_may_change_and_rows_are_met_once() {
    for table in [
        "create table item (v text primary key, at date) without rowid",
        "create table item (v text not null primary key, at date)",
    ] {
        let (arena, file) = arena(&format!(
            "{table}; create trigger touched after update on item begin select 1; end;
             insert into item (v, at) values ('a', '2020-01-01'), ('bb', '2020-01-01'), ('ccc', '2020-01-01'), ('u', '2020-01-01')"
        ))
        .await;
        let step = step(&arena, vec![place("v", Put::Computed)]).await;
        let walked = walk(&arena, &step, 2).await.unwrap();
        assert_eq!(walked, Walked { passed: [(Cause::Unique, 1)].into(), ..changed(3) }, "{table}");
        assert_eq!(rows(&file, "select v from item order by v"), ["t_1", "t_2", "t_3", "u"], "{table}");
    }
}

#[tokio::test]
async fn rows_that_another_rule_or_a_child_keeps_are_not_written() {
    let (arena, file) = arena(
        "create table item (id integer primary key, at date, v text);
         create table call (id integer primary key, item int references item (id), at date);
         insert into item (at, v) values ('2020-01-01', 'a@b'), ('2020-01-01', 'a@c'), ('2024-01-01', 'a@d');
         insert into call (item, at) values (2, '2030-01-01');",
    )
    .await;
    let mut selection = dated();
    let mut kept = dated().terms;
    kept.cutoff = forgetd_connector::Cutoff("2022-01-01T00:00:00Z".parse().unwrap());
    selection.except = vec![
        Except::Kept { rule: "longer".into(), terms: kept },
        Except::Child(Child {
            foreign_key: "call (item)".into(),
            table: TableRef::parse("call"),
            on: vec![Joined { other: "item".into(), own: "id".into() }],
            stays: Stays::UnlessDue(vec![]),
        }),
    ];
    let step = step_of(&arena, selection, vec![place("v", Put::Computed)]).await;
    assert_eq!(walk(&arena, &step, 10).await.unwrap(), changed(1));
    assert_eq!(rows(&file, "select v from item order by id"), ["t_3", "a@c", "a@d"]);
}

#[tokio::test]
async fn a_sealed_batch_again_changes_nothing_more() {
    let (arena, file) = three("v text", &["'a@b'", "'bad'", "'x'"]).await;
    let mut step = step(&arena, vec![place("v", Put::Computed)]).await;
    step.atomicity = Atomicity::Sealed;
    let Lane::Sealed(mut lane) = arena.connector.lane(&step, &arena.claim(), Arc::new(Tokens)).await.unwrap() else {
        panic!("atomic")
    };
    let keys = lane.pick(&crate::fixture::order(10)).await.unwrap().keys;
    assert_eq!(keys, [Key(vec![Value::Int(1)]), Key(vec![Value::Int(2)])]);
    let unfit = [(Cause::ValueUnfit, 1)].into();
    assert_eq!(
        lane.finish(&keys).await.unwrap(),
        Outcome { changed: 1, gone: 1, kept: 1, unfit, ..Outcome::default() }
    );
    assert_eq!(rows(&file, "select v from item order by id"), ["t_3", "bad", "x"]);
    let unfit = [(Cause::ValueUnfit, 1)].into();
    assert_eq!(lane.finish(&keys).await.unwrap(), Outcome { gone: 1, kept: 1, unfit, ..Outcome::default() });
    assert_eq!(lane.look(&keys).await.unwrap(), Outcome { changed: 0, gone: 1, kept: 1, ..Outcome::default() });
}

#[tokio::test]
async fn statements_are_shown_without_what_is_written() {
    let (arena, _file) =
        three("v text, w text, mark text", &["'a', 'b', null", "'a', 'b', null", "'a', 'b', null"]).await;
    let places = vec![place("v", Put::Computed), place("w", Put::Constant(text("secret constant")))];
    let step = marked(step(&arena, places).await, "mark", text("secret mark"));
    let shown = arena.connector.statements(&step).unwrap();
    assert!(shown.change.contains("set `v` = ?1, `w` = ?2, `mark` = ?3\nwhere rowid = ?4"), "{}", shown.change);
    assert!(shown.change.contains(&shown.predicate), "{}", shown.change);
    let explained = arena.connector.explain(&step).await.unwrap();
    let names: Vec<&str> = explained.iter().map(|explained| explained.statement.as_str()).collect();
    assert_eq!(names, ["peek", "read", "change", "count"]);
    assert!(!format!("{shown:?} {explained:?}").contains("secret"));
}
