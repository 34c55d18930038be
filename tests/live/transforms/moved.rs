//! A transform never moves the moment that its period counts from: nothing at all is changed where something would.

use serde_json::json;

use crate::harness::{Database, Mysql, Policy, Postgres, Program, Rule, Sqlite};

fn blocked(database: &dyn Database, trigger: &str) {
    let naive = database.naive();
    database.exec(&format!(
        "create table contact (id integer primary key, email varchar(60), closed_at {naive} not null);\n\
         insert into contact values (1, 'a@example.com', '2020-01-01 00:00:00'), (2, 'b@example.com', '2999-01-01 00:00:00')",
    ));
    database.exec(trigger);
    let transform = "{ columns: { email: { pseudonymize: email, domain: people } } }";
    let rule = Rule::transform("leads", "contact", "{ column: closed_at, zone: UTC }", transform);
    let program = Program::installed(&Policy::new(&database.url()).pseudonyms().rule(&rule)).pseudonym_key();
    let report = program.run(4);
    let engine = database.engine();
    assert_eq!(
        (&report["verdict"], &report["cause"]),
        (&json!("blocked"), &json!("since_moved")),
        "{engine}: {report}"
    );
    assert_eq!(report["changed"], 0, "{engine}: {report}");
    assert_eq!(database.value("select email from contact where id = 1"), "a@example.com", "{engine}");
    assert_eq!(program.rows_in_evidence(), 0, "{engine}");
}

#[test]
fn a_trigger_that_touches_the_row_is_caught_on_postgres() {
    blocked(
        &Postgres::database(),
        "create function touch() returns trigger language plpgsql as $$ begin new.closed_at := now(); return new; end $$;\n\
         create trigger touch before update on contact for each row execute function touch()",
    );
}

#[test]
fn a_trigger_that_touches_the_row_is_caught_on_sqlite() {
    blocked(
        &Sqlite::database(),
        "create trigger touch after update of email on contact \
         begin update contact set closed_at = '2026-01-01 00:00:00' where id = new.id; end",
    );
}

#[test]
fn a_trigger_that_touches_the_row_is_caught_on_mysql() {
    for database in Mysql::each() {
        let trigger = "create trigger touch before update on contact for each row set new.closed_at = utc_timestamp()";
        blocked(&database, trigger);
    }
}

#[test]
fn columns_that_note_every_update_do_not_note_ours() {
    for database in Mysql::each() {
        let engine = database.engine();
        database.exec(
            "create table contact (id integer primary key, email varchar(60), \
             closed_at timestamp not null default current_timestamp on update current_timestamp, \
             seen_at datetime(3) not null default current_timestamp(3) on update current_timestamp(3)); \
             insert into contact values (1, 'a@example.com', '2020-01-01 00:00:00', '2020-01-02 03:04:05.678'), \
             (2, 'b@example.com', now(), now())",
        );
        let transform = "{ columns: { email: { pseudonymize: email, domain: people } } }";
        let rule = Rule::transform("leads", "contact", "closed_at", transform);
        let program = Program::installed(&Policy::new(&database.url()).pseudonyms().rule(&rule)).pseudonym_key();
        let report = program.run(0);
        assert_eq!((&report["verdict"], &report["changed"]), (&json!("clean"), &json!(1)), "{engine}: {report}");
        let row =
            database.rows("select email like '%@pseudonym.invalid', closed_at, seen_at from contact where id = 1");
        let expected = ["1", "2020-01-01 00:00:00", "2020-01-02 03:04:05.678"].map(|text| Some(text.to_owned()));
        assert_eq!(row, [expected], "{engine}");
    }
}
