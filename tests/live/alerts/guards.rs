//! What stops a rule before it changes anything: guards, approvals, people, and evidence that is not what it was.

use super::{Seen, served};
use crate::harness::{Clock, Database, Policy, Postgres, Program, Rule, Sqlite};
use crate::{restore, shop};

const DUE: u64 = 300;
const FRESH: u64 = 50;

/// Every guard, one after another.
pub(super) fn all(seen: &Seen) {
    for scene in
        [limits, usual, approvals, drift, clocks, moved, keyless, referenced, paused, read_only, restored, evidence]
    {
        scene(seen);
    }
}

/// A shop whose rule says this beside what it always says.
fn open_shop(database: &dyn Database, due: u64, setting: &str) -> Program {
    shop::create(database, due, FRESH.min(due * 9));
    Program::installed(&shop::ruled_by(database, "3s", &shop::rule().with(setting)))
}

fn limits(seen: &Seen) {
    for (name, guard) in [
        ("more rows than the guard allows", "guard: { rows_max: 9, cool_off: none }"),
        ("a larger share than the guard allows", "guard: { share_max: 0.1, cool_off: none }"),
    ] {
        let database = Sqlite::database();
        seen.serve(name, &open_shop(&database, DUE, guard));
    }
    let database = Sqlite::database();
    shop::create(&database, DUE, 0);
    seen.serve("a whole table that is due", &Program::installed(&shop::policy(&database, "3s")));
}

fn usual(seen: &Seen) {
    let database = Sqlite::database();
    let program = open_shop(&database, 60, "guard: { times_usual: 3, cool_off: none }");
    for first in [10_000, 20_000] {
        program.run(0);
        shop::add(&database, first, 60, 40);
    }
    program.run(0);
    shop::add(&database, 30_000, 400, 40);
    seen.serve("many times as many rows as usual", &program);
}

fn approvals(seen: &Seen) {
    let database = Sqlite::database();
    let program = open_shop(&database, DUE, "guard: { cool_off: 24h }");
    seen.serve("a rule that nobody approved", &program);
}

fn drift(seen: &Seen) {
    let database = Postgres::database();
    let program = open_shop(&database, DUE, "guard: { cool_off: 24h }");
    program.policy(&shop::ruled_by(
        &database,
        "3s",
        &shop::rule().with("guard: { cool_off: 24h }").with("when_null: keep"),
    ));
    program.approve("web-sessions");
    database.exec("alter table web_session alter last_seen_at drop not null");
    seen.serve("a table that changed behind its approval", &program);
}

fn clocks(seen: &Seen) {
    let database = Sqlite::database();
    let program = open_shop(&database, DUE, "schedule: \"@daily\"");
    program.run(0);
    seen.serve_at("every clock ten years ahead", &program, &Clock::Off("+3652d"));
    let database = Postgres::database();
    let program = open_shop(&database, DUE, "schedule: \"@yearly\"");
    seen.serve_at("a server whose clock is two hours behind", &program, &Clock::Off("+2h"));
}

fn moved(seen: &Seen) {
    let database = Sqlite::database();
    database.exec(
        "create table contact (id integer primary key, email varchar(60), closed_at datetime not null);
         insert into contact values (1, 'a@example.com', '2020-01-01 00:00:00'), (2, 'b@example.com', '2999-01-01 00:00:00');
         create trigger touch after update of email on contact
         begin update contact set closed_at = '2026-01-01 00:00:00' where id = new.id; end",
    );
    let program = Program::installed(&tokens(&database)).pseudonym_key();
    seen.serve("a trigger that moves the moment that counts", &program);
}

/// A rule that makes e-mail addresses of a table into tokens.
fn tokens(database: &dyn Database) -> Policy {
    let transform = "{ columns: { email: { pseudonymize: email, domain: people } } }";
    let rule = Rule::transform("leads", "contact", "{ column: closed_at, zone: UTC }", transform);
    Policy::new(&database.url()).pseudonyms().rule(&rule)
}

fn keyless(seen: &Seen) {
    let database = Sqlite::database();
    database.exec("create table contact (id integer primary key, email varchar(60), closed_at datetime not null)");
    seen.serve("a key of pseudonyms that is not there", &Program::installed(&tokens(&database)));
}

fn referenced(seen: &Seen) {
    let database = Sqlite::database();
    database.exec(
        "create table contact (id integer primary key, email varchar(60) unique, closed_at datetime not null);
         create table call (id integer primary key, email varchar(60) references contact (email))",
    );
    let program = Program::installed(&tokens(&database)).pseudonym_key();
    seen.serve("a column whose references do not follow it", &program);
}

fn paused(seen: &Seen) {
    let database = Sqlite::database();
    let program = open_shop(&database, DUE, "schedule: \"@yearly\"");
    program.call(&["pause", "--reason", "a migration"]).expect(0);
    seen.serve("a rule that a person paused", &program);
}

/// Not the home database: nobody would act then.
fn read_only(seen: &Seen) {
    let (home, crm) = (Sqlite::database(), Postgres::database());
    shop::create(&crm, DUE, FRESH);
    let program = Program::installed(&shop::sealed_policy(&crm, &home, "3s", &shop::rule()));
    crm.exec(&format!("alter database {} set default_transaction_read_only = on", crm.name()));
    seen.serve("a database that only reads", &program);
}

/// Put back under the running process.
fn restored(seen: &Seen) {
    let database = Sqlite::database();
    let program = open_shop(&database, DUE, "schedule: \"@yearly\"");
    let watched = served(&program, &Clock::Right);
    program.call(&["run"]).expect(0);
    let put_back = restore::file_backup(&database);
    shop::add(&database, 10_000, DUE, 40);
    program.call(&["run"]).expect(0);
    put_back();
    drop(program.call(&["run"]));
    seen.look("an older file put back under the daemon", &watched);
    watched.end();
}

fn evidence(seen: &Seen) {
    let database = Sqlite::database();
    let program = open_shop(&database, DUE, "schedule: \"@yearly\"");
    program.run(0);
    database.exec("update forgetd_log_object set bytes = zeroblob(32) where path like 'tile/0/%'");
    seen.serve("an evidence log whose tiles were written over", &program);
}
