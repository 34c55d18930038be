//! A transform never moves the moment that its period counts from: nothing at all is changed where something would.

use serde_json::json;

use crate::harness::{Database, Policy, Postgres, Program, Rule, Sqlite};

fn blocked(database: &dyn Database, trigger: &str) {
    database.exec(
        "create table lead (id integer primary key, email varchar(60), closed_at timestamp not null);\n\
         insert into lead values (1, 'a@example.com', '2020-01-01 00:00:00'), (2, 'b@example.com', '2999-01-01 00:00:00')",
    );
    database.exec(trigger);
    let transform = "{ columns: { email: { pseudonymize: email, domain: people } } }";
    let rule = Rule::transform("leads", "lead", "{ column: closed_at, zone: UTC }", transform);
    let program = Program::installed(&Policy::new(&database.url()).pseudonyms().rule(&rule)).pseudonym_key();
    let report = program.run(4);
    let engine = database.engine();
    assert_eq!(
        (&report["verdict"], &report["cause"]),
        (&json!("blocked"), &json!("since_moved")),
        "{engine}: {report}"
    );
    assert_eq!(report["changed"], 0, "{engine}: {report}");
    assert_eq!(database.value("select email from lead where id = 1"), "a@example.com", "{engine}");
    assert_eq!(program.rows_in_evidence(), 0, "{engine}");
}

#[test]
fn a_trigger_that_touches_the_row_is_caught_on_postgres() {
    blocked(
        &Postgres::database(),
        "create function touch() returns trigger language plpgsql as $$ begin new.closed_at := now(); return new; end $$;\n\
         create trigger touch before update on lead for each row execute function touch()",
    );
}

#[test]
fn a_trigger_that_touches_the_row_is_caught_on_sqlite() {
    blocked(
        &Sqlite::database(),
        "create trigger touch after update of email on lead \
         begin update lead set closed_at = '2026-01-01 00:00:00' where id = new.id; end",
    );
}
