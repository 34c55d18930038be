//! On MariaDB and on MySQL.

use std::collections::BTreeSet;

use super::{privileges, went_on, whole_way};
use crate::harness::{Database as _, Granted, Mysql, Rule, granted};

/// The servers' numbers for a privilege that lacks: on a database, a table, a column, or on everything.
const LACKS: [u16; 4] = [1044, 1142, 1143, 1227];

/// A table with a child that goes along, one that is transformed, and one that no rule names.
fn fill(database: &Mysql) {
    let numbers = "with recursive t(n) as (select 1 union all select n + 1 from t where n < 900) select n from t";
    database.exec(
        "create table visit (id bigint primary key, seen datetime not null, state varchar(10));
         create table hit (id bigint primary key, visit bigint, seen datetime not null,
                           foreign key (visit) references visit (id) on delete cascade);
         create table customer (id bigint primary key, seen datetime not null, email varchar(60));
         create table payment (id bigint primary key)",
    );
    for (table, row) in [
        ("visit", "n, '2020-02-02', case when n % 2 = 0 then 'closed' else 'open' end"),
        // The visit of the last one is open: it stays.
        ("hit", "n, 901 - n, case when n < 900 then '2019-01-01' else '2099-01-01' end"),
        ("customer", "n, case when n <= 300 then '2020-02-02' else '2099-01-01' end, 'somebody@example.com'"),
    ] {
        database.exec(&format!("insert into {table} select {row} from ({numbers}) t"));
    }
}

fn rules() -> [Rule; 3] {
    let seen = "since: { column: seen, zone: UTC }";
    [
        Rule::delete("visits", "visit", "seen").with(seen).with("where: { state: closed }"),
        Rule::delete("hits", "hit", "seen").with(seen),
        Rule::transform("customers", "customer", "seen", "{ columns: { email: { redact: null } } }").with(seen),
    ]
}

#[test]
fn the_role_goes_the_whole_way_and_can_do_nothing_else() {
    for database in Mysql::each() {
        let engine = database.engine();
        fill(&database);
        let Granted { program, role, grants } = granted(&database, &rules());
        let shown: Vec<String> =
            database.rows(&format!("show grants for {role}@'%'")).into_iter().flatten().flatten().collect();
        let mut held = privileges(&shown);
        // To be there.
        held.remove(&("usage".into(), "*.*".into(), String::new()));
        assert_eq!(held, privileges(&grants), "{engine}: what was printed, and nothing else, was granted");

        let changed: BTreeSet<(String, u64)> = whole_way(&program).into_iter().collect();

        let expected = [("customers", 300), ("hits", 899), ("visits", 450)];
        assert_eq!(changed, expected.map(|(rule, rows)| (rule.to_owned(), rows)).into(), "{engine}");
        let session = database.session_as(&role);
        let control = database.control_name();
        for beyond in [
            "select * from payment".to_owned(),
            "update visit set state = 'open'".into(),
            "update customer set seen = now()".into(),
            "delete from customer".into(),
            "insert into visit values (0, now(), 'open')".into(),
            "truncate visit".into(),
            "alter table visit add column mine int".into(),
            "create index mine on visit (seen)".into(),
            "create table mine (id int)".into(),
            format!("create table {control}.mine (id int)"),
            format!("truncate {control}.receipt"),
            format!("drop table {control}.log_leaf"),
            format!("delete from {control}.log_leaf"),
            "create database mine".into(),
            "create user mine@'%'".into(),
            "set global max_connections = 1".into(),
        ] {
            match session.attempt(&beyond) {
                Err(mysql_async::Error::Server(error)) => {
                    assert!(LACKS.contains(&error.code), "{engine}: {beyond}: {error}");
                }
                other => panic!("{engine}: {beyond}: {other:?}"),
            }
        }
        went_on(engine);
    }
}
