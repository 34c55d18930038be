use forgetd_connector::{ColumnKind, OnDelete, TableKind, TableRef};
use rusqlite::Connection;

use super::{describe, shape};

fn file(sql: &str) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(sql).unwrap();
    connection
}

fn table(connection: &Connection, name: &str) -> forgetd_connector::Table {
    describe(connection, &[TableRef::parse(name)]).unwrap().tables.remove(0)
}

#[test]
fn declared_types_mean_kinds() {
    let connection = file(
        "create table t (a DATE, b DATETIME, c timestamp(3), d varchar(20), e BIGINT, f boolean, g DOUBLE PRECISION,
                         h, i blob, j timestamptz, k DECIMAL(10,2))",
    );
    let kinds: Vec<ColumnKind> = table(&connection, "t").columns.iter().map(|column| column.kind).collect();
    use ColumnKind::{Bool, Date, Instant, Integer, NaiveTime, Number, Other, Text};
    assert_eq!(kinds, [Date, NaiveTime, NaiveTime, Text, Integer, Bool, Number, Other, Other, Instant, Number]);
}

#[test]
fn only_columns_that_cannot_be_null_make_a_key() {
    for (sql, key) in [
        ("create table t (id integer primary key, n)", &["id"][..]),
        ("create table t (id text primary key, n)", &[]),
        ("create table t (id text primary key not null, n)", &["id"]),
        ("create table t (a int, b text, primary key (b, a)) without rowid", &["b", "a"]),
        ("create table t (id text primary key, n text) strict", &["id"]),
        ("create table t (id text primary key, mail text not null unique)", &["mail"]),
        ("create table t (a int not null, n int); create unique index u on t (a) where n > 1", &[]),
        ("create table t (n int)", &[]),
    ] {
        assert_eq!(table(&file(sql), "t").key, key, "{sql}");
    }
}

#[test]
fn only_usable_indexes_are_listed() {
    let connection = file(
        "create table t (id integer primary key, at text, name text collate nocase);
         create index plain on t (at, name); create index part on t (at) where id > 5;
         create index expr on t (lower(name)); create index other_order on t (name collate binary);
         create index own_order on t (name)",
    );
    let described = table(&connection, "t");
    let names: Vec<&str> = described.indexes.iter().map(|index| index.name.as_str()).collect();
    assert_eq!(names, ["own_order", "plain"]);
    assert!(described.leads_index("at") && described.leads_index("name"));
}

#[test]
fn the_whole_reach_of_a_delete_is_listed() {
    let connection = file(
        "create table Lead (id integer primary key, boss int references lead (id));
         create table call (id integer primary key, lead int references LEAD (id) on delete cascade);
         create table note (id integer primary key references call (id) on delete cascade);
         create table bill (id integer primary key, call int references call (id));
         create table far (id integer primary key, bill int references bill (id) on delete cascade);
         create index call_lead on call (lead)",
    );
    let described = table(&connection, "Lead");
    let keys: Vec<(&str, OnDelete, bool)> =
        described.referenced_by.iter().map(|key| (key.child.name.as_str(), key.on_delete, key.indexed)).collect();
    use OnDelete::{Cascade, Refuse};
    assert_eq!(
        keys,
        [("Lead", Refuse, false), ("call", Cascade, true), ("bill", Refuse, false), ("note", Cascade, true)]
    );
    let lost: Vec<String> = described.cascades_to().iter().map(ToString::to_string).collect();
    assert_eq!(lost, ["call", "note"]);
    assert!(describe(&connection, &[TableRef::parse("lead")]).unwrap().tables.is_empty(), "names are exact");
    assert_eq!(table(&connection, "main.Lead").name, TableRef::parse("Lead"));
}

#[test]
fn an_index_without_the_nulls_serves_a_foreign_key() {
    for (index, serves) in [
        ("on call (item) where item is not null", true),
        ("on call (item, note) where \"ITEM\" NOTNULL", true),
        ("on call (item) where note is not null", false),
        ("on call (item) where item is not null and note > 1", false),
        ("on call (item) where item > 1", false),
    ] {
        let connection = file(&format!(
            "create table item (id integer primary key);
             create table call (id integer primary key, note int, item int references item (id));
             create index i {index}"
        ));
        assert_eq!(table(&connection, "item").referenced_by[0].indexed, serves, "{index}");
    }
}

#[test]
fn views_and_virtual_tables_are_no_tables() {
    let connection = file(
        "create table t (id integer primary key); create view v as select * from t;
         create virtual table f using fts5 (body)",
    );
    assert_eq!(table(&connection, "v").kind, TableKind::View);
    assert_eq!(table(&connection, "f").kind, TableKind::Foreign);
    assert_eq!(table(&connection, "t").kind, TableKind::Plain);
}

#[test]
fn hidden_row_ids_are_found_by_another_name() {
    let connection = file(
        "create table a (n int); create table b (rowid text, n int);
         create table c (rowid text, oid text, _rowid_ text);
         create table d (rowid text, oid text, _rowid_ integer primary key)",
    );
    let row_id = |name: &str| shape(&connection, name).unwrap().row_id;
    assert_eq!(row_id("a").as_deref(), Some("rowid"));
    assert_eq!(row_id("b").as_deref(), Some("_rowid_"));
    assert_eq!(row_id("c"), None);
    assert_eq!(row_id("d").as_deref(), Some("`_rowid_`"));
    assert!(!shape(&connection, "a").unwrap().stable && shape(&connection, "d").unwrap().stable);
}

#[test]
fn statistics_give_an_estimate() {
    let connection = file("create table t (id integer primary key, n int); create index i on t (n)");
    assert_eq!(table(&connection, "t").rows_estimate, None);
    connection.execute_batch("insert into t (n) select 1 from generate_series(1, 300)").unwrap_or_else(|_| {
        connection
            .execute_batch(
                "with recursive s (n) as (select 1 union all select n + 1 from s where n < 300)
                 insert into t (n) select n from s",
            )
            .unwrap();
    });
    connection.execute_batch("analyze").unwrap();
    assert_eq!(table(&connection, "t").rows_estimate, Some(300));
}

#[test]
fn what_the_engine_writes_itself_is_told() {
    use forgetd_connector::Writable::{Free, Generated, Identity};
    for (sql, writable) in [
        (
            "create table t (id integer primary key, n int, v int as (n + 1), s int as (n + 2) stored)",
            &[Free, Free, Generated, Generated][..],
        ),
        ("create table t (id integer primary key autoincrement, n int)", &[Identity, Free]),
        ("create table t (id text primary key, n varchar(20))", &[Free, Free]),
    ] {
        let columns = table(&file(sql), "t").columns;
        let found: Vec<_> = columns.iter().map(|column| column.fit.writable).collect();
        assert_eq!(found, writable, "{sql}");
        assert!(columns.iter().all(|column| column.fit.chars_max.is_none()), "no length is enforced: {sql}");
    }
}

#[test]
fn references_are_told_from_both_ends() {
    let connection = file(
        "create table Lead (id integer primary key, mail text unique);
         create table call (id int, lead int references lead on update cascade);
         create table note (id int, mail text references lead (mail) on update set null)",
    );
    let [call, note] = ["call", "note"].map(|name| table(&connection, name).references.remove(0));
    assert_eq!(
        (call.name.as_str(), call.columns, call.parent),
        ("call (lead)", vec!["lead".into()], TableRef::parse("Lead"))
    );
    assert_eq!((note.columns, note.parent), (vec!["mail".into()], TableRef::parse("Lead")));
    let lead = table(&connection, "Lead");
    let follows: Vec<_> = lead.referenced_by.iter().map(|key| (key.name.as_str(), key.follows)).collect();
    assert_eq!((lead.references, follows), (vec![], vec![("call (lead)", true), ("note (mail)", false)]));
}
