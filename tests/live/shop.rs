//! Web sessions, some of them due: the table that most of these tests work on.

use super::harness::{Database, Policy, Process, Program, Rule, Server, Session, until};

/// Rows that a batch may change: small, so that a run has many batches.
pub(crate) const BATCH_ROWS: u64 = 100;

/// `due` sessions last seen 40 days ago, and `fresh` seen 20 days ago.
pub(crate) fn create(database: &dyn Database, due: u64, fresh: u64) {
    database.exec(match database.engine() {
        "postgres" => "create table web_session (id bigint primary key, last_seen_at timestamp not null)",
        "sqlite" => "create table web_session (id integer primary key, last_seen_at datetime not null)",
        _ => "create table web_session (id bigint primary key, last_seen_at datetime not null)",
    });
    add(database, 1, due, 40);
    add(database, due + 1, fresh, 20);
    database.exec("create index web_session_last_seen_at on web_session (last_seen_at)");
}

/// The same on a server that the test owns; the session with which it was done.
pub(crate) fn create_on(server: &Server, due: u64, fresh: u64) -> Session {
    let session = Session::open(&server.url());
    session.exec("create table web_session (id bigint primary key, last_seen_at timestamp not null)");
    session.exec(&format!(
        "insert into web_session select n, timezone('utc', now()) - interval '1 day' * case when n <= {due} then 40 else 20 end
         from generate_series(1, {}) n",
        due + fresh
    ));
    session.exec("create index on web_session (last_seen_at)");
    session
}

/// `count` more sessions there from the number `first` on, last seen so many days ago.
pub(crate) fn add_on(session: &Session, first: u64, count: u64, days: u64) {
    session.exec(&format!(
        "insert into web_session select n, timezone('utc', now()) - interval '{days} days'
         from generate_series({first}, {}) n",
        first + count - 1
    ));
}

/// Rows of that table.
pub(crate) fn rows_on(session: &Session) -> u64 {
    session.rows("select count(*) from web_session")[0][0].as_ref().expect("a count").parse().expect("a number")
}

/// `count` more sessions from the number `first` on, last seen so many days ago.
pub(crate) fn add(database: &dyn Database, first: u64, count: u64, days: u64) {
    if count == 0 {
        return;
    }
    let last = first + count - 1;
    let seen = match database.engine() {
        "postgres" => format!("timezone('utc', now()) - interval '{days} days'"),
        "sqlite" => format!("datetime('now', '-{days} days')"),
        _ => format!("utc_timestamp() - interval {days} day"),
    };
    database.exec(&format!(
        "insert into web_session with recursive n (n) as (select {first} union all select n + 1 from n where n < {last}) \
         select n, {seen} from n"
    ));
}

/// Takes the table and the control tables away, for the next turn of a test.
pub(crate) fn drop_everything(database: &dyn Database) {
    database.exec("drop table web_session");
    match database.engine() {
        "postgres" => database.exec("drop schema forgetd cascade"),
        "sqlite" => {
            for row in database.rows("select name from sqlite_schema where type = 'table' and name like 'forgetd%'") {
                database.exec(&format!("drop table {}", row[0].as_ref().unwrap()));
            }
        }
        _ => database.exec(&format!("drop database {}", database.control_table("").trim_end_matches('.'))),
    }
}

/// Rows of the table.
pub(crate) fn rows(database: &dyn Database) -> u64 {
    database.count("select count(*) from web_session")
}

/// Deletes sessions 30 days after they were last seen.
pub(crate) fn rule() -> Rule {
    Rule::delete("web-sessions", "web_session", "{ column: last_seen_at, zone: UTC }")
}

/// The policy of a database with sessions, in small batches under such a lease.
pub(crate) fn policy(database: &dyn Database, lease: &str) -> Policy {
    ruled_by(database, lease, &rule())
}

/// The same with a rule of the test's own.
pub(crate) fn ruled_by(database: &dyn Database, lease: &str, rule: &Rule) -> Policy {
    ruled_at(&database.url(), lease, rule)
}

/// The same of the database at this URL.
pub(crate) fn ruled_at(url: &str, lease: &str, rule: &Rule) -> Policy {
    Policy::new(url).with(&throttle()).top(&format!("coordination: {{ lease: {lease} }}")).rule(rule)
}

/// The same for a process that promises to be alone.
pub(crate) fn uncoordinated(database: &dyn Database) -> Policy {
    Policy::new(&database.url()).with(&throttle()).top("coordination: none").rule(&rule())
}

/// The same with the control tables in another database, called `main`; the one with the sessions is called `crm`.
pub(crate) fn sealed_policy(database: &dyn Database, control: &dyn Database, lease: &str, rule: &Rule) -> Policy {
    Policy::new(&control.url())
        .database(&format!("crm:\n    url: {}", database.url()))
        .with("control: { at: main }")
        .with(&throttle())
        .top(&format!("coordination: {{ lease: {lease} }}"))
        .rule(&rule.clone().with("database: crm"))
}

fn throttle() -> String {
    format!("throttle: {{ batch_rows_max: {BATCH_ROWS} }}")
}

/// Starts the program with a fault armed.
pub(crate) fn start_with_fault(program: &Program, args: &[&str], fault: &str) -> Process {
    Process::spawn(program.command(args).env("FORGETD_FAULT", fault))
}

/// Waits until the process has stopped itself.
pub(crate) fn until_frozen(process: &Process) {
    until("the process is frozen", 60, || process.is_frozen());
}
