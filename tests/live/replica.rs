//! A replica that follows the row-based binary log holds the same rows after everything that a policy did.

use crate::harness::{Database, Mysql, MysqlSession, Policy, Program, Rows, Rule, Servers, until};

/// Rows of each table that are due.
const DUE: u64 = 5_000;

fn fill(database: &Mysql) {
    database.exec(&format!(
        "create table visit (id bigint primary key, seen_at timestamp not null, agent varchar(80) not null, key (seen_at));
         create table member (id bigint primary key, email varchar(60) not null, seen_at timestamp not null, key (seen_at));
         create table hit (id int primary key, seen_at timestamp not null) engine = MyISAM;
         insert into visit with recursive n (n) as (select 1 union all select n + 1 from n where n <= {DUE} + 100)
           select n, if(n <= {DUE}, '2020-01-01', now()), concat('an agent of some length, number ', n) from n;
         insert into member select id, concat('member-', id, '@example.com'), seen_at from visit;
         insert into hit select id, seen_at from visit where id % 10 = 0"
    ));
}

/// Every row of the three tables.
fn rows(session: &MysqlSession) -> Vec<Rows> {
    ["visit", "member", "hit"].map(|table| session.rows(&format!("select * from {table} order by id"))).into()
}

/// How far the server's binary log goes, in bytes.
fn logged(session: &MysqlSession) -> u64 {
    let rows = session.rows("show binary logs");
    rows.iter().map(|row| row[1].as_deref().unwrap().parse::<u64>().unwrap()).sum()
}

#[test]
fn a_replica_holds_the_same_rows() {
    let servers = Servers::start("replica").unwrap();
    let database = servers.database();
    fill(&database);
    let transform = "{ columns: { email: { pseudonymize: email, domain: people } } }";
    let policy = Policy::new(&database.url())
        .pseudonyms()
        .rule(&Rule::delete("visits", "visit", "seen_at"))
        .rule(&Rule::delete("hits", "hit", "seen_at"))
        .rule(&Rule::transform("members", "member", "seen_at", transform));
    let program = Program::installed(&policy).pseudonym_key();
    let primary = database.session();
    let before = logged(&primary);
    let reports = program.call(&["run", "--json"]).expect(0).lines();
    let changed: Vec<u64> = reports.iter().map(|report| report["changed"].as_u64().unwrap()).collect();
    assert_eq!(changed.iter().sum::<u64>(), 2 * DUE + DUE / 10, "{reports:?}");
    let bytes = (logged(&primary) - before) / changed.iter().sum::<u64>();

    let replica = servers.session(1, &database);
    let reached = primary.rows("select @@gtid_binlog_pos")[0][0].clone().unwrap();
    until("the replica has followed", 60, || replica.rows("select @@gtid_slave_pos")[0][0].as_ref() == Some(&reached));
    let here = rows(&primary);
    assert_eq!(here.iter().map(Vec::len).collect::<Vec<_>>(), [101, DUE as usize + 101, 10]);
    assert!(here == rows(&replica), "rows differ");
    println!("note: {bytes} bytes of binary log a row");
}
