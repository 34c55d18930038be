//! What a look finds about the server itself, on servers of these tests' own: their settings concern everybody on them.

use forgetd_connector::Severity::{Error, Info, Warning};
use forgetd_connector::{Action, Connector, Durability, FenceKind, Severity};
use mysql_async::prelude::Queryable as _;

use crate::fixture::context;
use crate::looking::{found, since_at, step};
use crate::nodes::Cluster;
use crate::server::{Server, keep};

const ITEM: &str = "create table item (id int primary key, at datetime not null, key (at))";

/// References `item`, and may do more: it ends with how.
const CHILD: &str =
    "create table call_of (id int primary key, item int, key (item), foreign key (item) references item (id)";

/// References `item` and does nothing then, but when something else goes.
const CHILD_OF_TWO: &str = "create table owner (id int primary key); \
    create table call_of (id int primary key, item int, owner int, key (item), foreign key (item) references item (id), \
      foreign key (owner) references owner (id) on delete cascade)";

/// What servers of the tests are always told.
const ALWAYS: &[&str] = &["tls_unverified"];

async fn run(server: &Server, sql: &str) {
    server.session(None).await.query_drop(sql).await.unwrap();
}

async fn connect(server: &Server, database: &str) -> Box<dyn Connector> {
    let config = forgetd_mysql::Config { url: server.url(database).into(), password: None };
    forgetd_mysql::connect(config, context("looking", "forgetd")).await.unwrap()
}

/// How a setting is made and undone, and what is said of it.
type Setting = (&'static str, &'static str, &'static [(&'static str, Severity)]);

/// Identifiers and severities of what is said of deleting from `item`, but those of `known`.
async fn ids(connector: &dyn Connector, known: &[&str]) -> Vec<(String, Severity)> {
    let step = step(connector, since_at(), &[], Action::Delete).await;
    let found = found(connector, &step).await.into_iter().map(|finding| (finding.id, finding.severity));
    found.filter(|(id, _)| !ALWAYS.contains(&id.as_str()) && !known.contains(&id.as_str())).collect()
}

#[tokio::test]
async fn settings_of_the_server_stop_or_warn() {
    let always: &[Setting] = &[
        ("do 0", "do 0", &[]),
        // Every list that is read would be cut.
        ("set global sql_select_limit = 1", "set global sql_select_limit = default", &[]),
        ("set global read_only = 1", "set global read_only = 0", &[("read_only", Error)]),
        ("set global binlog_format = 'STATEMENT'", "set global binlog_format = 'ROW'", &[("unsupported", Error)]),
    ];
    let of_mariadb: &[Setting] = &[
        (
            "set global max_statement_time = 2",
            "set global max_statement_time = 0",
            &[("statement_timeout_short", Warning)],
        ),
        ("set global event_scheduler = 1", "set global event_scheduler = 0", &[]),
    ];
    let of_mysql: &[Setting] = &[
        ("set global super_read_only = 1", "set global read_only = 0", &[("read_only", Error)]),
        (
            "set global max_execution_time = 2000",
            "set global max_execution_time = 0",
            &[("statement_timeout_short", Warning)],
        ),
    ];
    for (name, own) in [("mariadb", of_mariadb), ("mysql", of_mysql)] {
        let Some(servers) = keep(name) else { continue };
        let server = &servers[0];
        run(server, &format!("create database d; use d; {ITEM}")).await;
        for (on, off, expected) in always.iter().chain(own) {
            run(server, on).await;
            let connector = connect(server, "d").await;
            let reads_only = connector.facts().read_only;
            let found = ids(&*connector, &["binlog_keeps_rows"]).await;
            run(server, off).await;
            let expected: Vec<(String, Severity)> = expected.iter().map(|(id, s)| ((*id).to_owned(), *s)).collect();
            assert_eq!(found, expected, "{name} {on}");
            assert_eq!(reads_only, on.contains("read_only"), "{name} {on}");
        }
        for (seconds, severity) in [(0, Warning), (86_400, Info)] {
            run(server, &format!("set global binlog_expire_logs_seconds = {seconds}")).await;
            let found = ids(&*connect(server, "d").await, &[]).await;
            assert_eq!(found, [("binlog_keeps_rows".to_owned(), severity)], "{name}");
        }
        for (on, durability) in [
            ("set global sync_binlog = 0, innodb_flush_log_at_trx_commit = 1", Durability::Weak),
            ("set global sync_binlog = 1, innodb_flush_log_at_trx_commit = 2", Durability::Weak),
            ("set global sync_binlog = 1, innodb_flush_log_at_trx_commit = 1", Durability::Full),
        ] {
            run(server, on).await;
            assert_eq!(connect(server, "d").await.facts().durability, durability, "{name} {on}");
        }
    }
}

#[tokio::test]
async fn a_cluster_takes_innodb_alone_and_a_fence_that_is_written() {
    let nodes = Cluster::Galera.nodes().await.unwrap();
    let first = nodes.node(0);
    run(first, &format!("create database d; use d; {ITEM}; create database m; use m; {ITEM} engine = myisam")).await;
    let connector = connect(first, "d").await;
    assert_eq!(connector.capabilities().fence, FenceKind::Write);
    assert_eq!(ids(&*connector, &["binlog_keeps_rows"]).await, []);
    // As large as a batch of these tests, and a row less.
    for (rows, found) in [(1_000, vec![]), (999, vec![("transaction_limited".to_owned(), Warning)])] {
        run(first, &format!("set global wsrep_max_ws_rows = {rows}")).await;
        assert_eq!(ids(&*connector, &["binlog_keeps_rows"]).await, found, "{rows}");
    }
    run(first, "set global wsrep_max_ws_rows = 0").await;
    let connector = connect(first, "m").await;
    assert_eq!(ids(&*connector, &["binlog_keeps_rows"]).await, [("unsupported".to_owned(), Error)]);
}

#[tokio::test]
async fn what_a_group_takes_no_change_of_is_found_before() {
    const INNODB_ALONE: &str = "create table item (id int primary key, at datetime not null, key (at)) engine = myisam";
    const OF_ITS_OWN: &str = "create table owner (id int primary key); \
        create table item (id int primary key, at datetime not null, owner int, key (at), \
          foreign key (owner) references owner (id) on delete set null)";
    let unsupported = || vec![("unsupported".to_owned(), Error)];
    let no_key = || vec![("no_key".to_owned(), Error)];
    let Some(nodes) = Cluster::Group.nodes().await else { return };
    for (tables, found) in [
        (ITEM.to_owned(), vec![]),
        (INNODB_ALONE.to_owned(), unsupported()),
        ("create table item (id int, at datetime not null, key (at))".to_owned(), no_key()),
        ("create table item (id int not null unique, at datetime not null, key (at))".to_owned(), vec![]),
        (OF_ITS_OWN.to_owned(), unsupported()),
        (format!("{ITEM}; {CHILD} on update cascade)"), unsupported()),
        (format!("{ITEM}; {CHILD})"), vec![]),
        (format!("{ITEM}; {}", CHILD_OF_TWO), unsupported()),
        (format!("{ITEM}; create table call_of (item int, foreign key (item) references item (id))"), no_key()),
    ] {
        nodes.database("d", &tables).await;
        let connector = connect(nodes.node(0), "d").await;
        assert_eq!(connector.capabilities().fence, FenceKind::Write);
        let found_there = ids(&*connector, &["binlog_keeps_rows"]).await;
        assert_eq!(found_there, found, "{tables}");
        // Whether the group says the same.
        let written = "insert ignore into d.item (id, at) values (1, '2024-01-01'); delete from d.item";
        let refused = nodes.node(0).session(None).await.query_drop(written).await.is_err();
        assert_eq!(refused, !found.is_empty(), "{tables}");
    }
    nodes.database("d", ITEM).await;
    let filled = "insert into d.item with recursive n as (select 1 as id union all select id + 1 from n where id < 999) \
        select id, '2024-01-01' from n; analyze table d.item";
    run(nodes.node(0), filled).await;
    let connector = connect(nodes.node(0), "d").await;
    run(nodes.node(0), "set global group_replication_transaction_size_limit = 1000").await;
    let found = ids(&*connector, &["binlog_keeps_rows"]).await;
    run(nodes.node(0), "set global group_replication_transaction_size_limit = default").await;
    assert_eq!(found, [("transaction_limited".to_owned(), Warning)]);
    assert_eq!(ids(&*connector, &["binlog_keeps_rows"]).await, []);
}

#[tokio::test]
async fn rows_of_a_replica_come_from_elsewhere() {
    let servers = keep("replica").unwrap();
    run(&servers[0], &format!("create database d; use d; {ITEM}")).await;
    let mut replica = servers[1].session(None).await;
    let asked = "select count(*) from information_schema.tables where table_schema = 'd' and table_name = 'item'";
    for _ in 0..3_000 {
        let there: Option<u64> = replica.query_first(asked).await.unwrap();
        if there == Some(1) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(ids(&*connect(&servers[0], "d").await, &["binlog_keeps_rows"]).await, []);
    let found = ids(&*connect(&servers[1], "d").await, &["binlog_keeps_rows"]).await;
    assert_eq!(found, [("rows_subscribed".to_owned(), Warning)]);
    run(&servers[1], "set global read_only = 1").await;
    let found = ids(&*connect(&servers[1], "d").await, &["binlog_keeps_rows"]).await;
    assert_eq!(found, [("read_only".to_owned(), Error), ("rows_subscribed".to_owned(), Warning)]);
}
