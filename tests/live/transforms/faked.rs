//! Who writes something that looks like a token keeps it until the next sweep, which asks the keys.

use serde_json::{Value, json};

use crate::harness::{Database, Policy, Program, Rule, every_engine};

/// Looks like a token of a text, and is none.
const FAKE: &str = "fg1aaaaaaaaaaaaaaaaaaaaaaa";

const TABLE: &str = "create table contact (id integer primary key, name varchar(60), email varchar(60), doc {json}, \
                     closed_at {naive} not null);\n\
                     insert into contact values \
                     (1, 'Ada', 'ada@example.com', '{\"log\": [{\"by\": \"Ada\"}, {\"by\": \"Bo\"}]}', '2020-01-01 00:00:00'), \
                     (2, '{fake}', '{fake}@pseudonym.invalid', '{\"log\": [{\"by\": \"{fake}\"}]}', '2020-01-01 00:00:00'), \
                     (3, 'Eve', null, null, '2020-01-01 00:00:00'), \
                     (4, '{fake}', null, null, '2999-01-01 00:00:00')";

fn program(database: &dyn Database) -> Program {
    let json = if database.engine() == "postgres" { "jsonb" } else { "json" };
    database.exec(&TABLE.replace("{fake}", FAKE).replace("{json}", json).replace("{naive}", database.naive()));
    let transform = "{ columns: { name: { pseudonymize: text, domain: people }, \
                     email: { pseudonymize: email, domain: people }, \
                     \"doc.log[].by\": { pseudonymize: text, domain: people } } }";
    let rule = Rule::transform("leads", "contact", "{ column: closed_at, zone: UTC }", transform);
    Program::installed(&Policy::new(&database.url()).pseudonyms().rule(&rule)).pseudonym_key()
}

fn lead(database: &dyn Database, id: u64) -> Vec<String> {
    let doc = if database.is_mysql() { "cast(doc as char)" } else { "cast(doc as text)" };
    let row = database.rows(&format!("select name, email, {doc} from contact where id = {id}")).remove(0);
    row.into_iter().map(Option::unwrap_or_default).collect()
}

fn ran(program: &Program, engine: &str, changed: u64) {
    let report: Value = program.run(0);
    assert_eq!((&report["verdict"], &report["changed"]), (&json!("clean"), &json!(changed)), "{engine}: {report}");
}

/// As if the last sweep had been long ago.
fn forget_the_sweep(database: &dyn Database) {
    let table = database.control_table("rulebook");
    let recent = match database.engine() {
        "sqlite" => "json_replace(recent, '$.clean.swept', '2020-01-01T00:00:00Z')",
        _ => "regexp_replace(recent, '\"swept\":\"[^\"]*\"', '\"swept\":\"2020-01-01T00:00:00Z\"')",
    };
    database.exec(&format!("update {table} set recent = {recent}"));
    assert_eq!(database.count(&format!("select count(*) from {table} where recent like '%\"2020-01-01T%'")), 1);
}

#[test]
fn what_only_looks_like_a_token_is_found_by_the_sweep() {
    every_engine(|database| {
        let engine = database.engine();
        let program = program(database);
        ran(&program, engine, 3);
        let holds_fake = |id: u64| lead(database, id).iter().any(|text| text.contains(FAKE));
        assert!(!holds_fake(2), "{engine}: typed before the first run");
        assert!(holds_fake(4), "{engine}: not due");
        let (first, second) = (lead(database, 1), lead(database, 2));
        assert!(second[0].starts_with("fg1") && second[1].ends_with("@pseudonym.invalid"), "{engine}: {second:?}");

        // Into a row that is done, beside a token that stays.
        database.exec(&format!("update contact set name = '{FAKE}' where id = 1"));
        ran(&program, engine, 0);
        assert!(holds_fake(1), "{engine}: a nightly run goes by the form");
        forget_the_sweep(database);
        ran(&program, engine, 1);
        let swept = lead(database, 1);
        assert!(!holds_fake(1), "{engine}");
        assert_eq!(swept[0], second[0], "{engine}: the same text, the same token");
        assert_eq!(swept[1..], first[1..], "{engine}: tokens stay");

        forget_the_sweep(database);
        ran(&program, engine, 0);
        assert_eq!((lead(database, 1), lead(database, 2)), (swept, second), "{engine}");
        ran(&program, engine, 0);
        assert_eq!(
            database.count(&format!(
                "select count(*) from {} where recent like '%\"2020-01-01T%'",
                database.control_table("rulebook")
            )),
            0,
            "{engine}: the sweep is noted"
        );
    });
}

#[test]
fn the_sweep_says_how_much_and_not_what() {
    every_engine(|database| {
        let engine = database.engine();
        let program = program(database);
        program.approve("leads");
        let output = program.call(&["run", "--yes"]);
        let said = output.stdout.clone() + &output.stderr;
        assert!(said.contains("no_tokens=") || said.contains("\"no_tokens\""), "{engine}: {said}");
        assert!(!said.contains(FAKE), "{engine}: {said}");
        let evidence = format!("{:?}", program.evidence());
        assert!(!evidence.contains(FAKE), "{engine}: {evidence}");
    });
}

#[test]
fn a_sweep_takes_so_many_and_the_next_run_goes_on() {
    every_engine(|database| {
        let engine = database.engine();
        let program = program(database);
        let insert = "insert into contact with recursive s(n) as (select 1001 union all select n + 1 from s where n < 2003) \
                      select n, 'fg1aaaaaaaaaaaaaaaaaaa' || n, null, null, '2020-01-01 00:00:00' from s";
        database.exec("delete from contact where id in (1, 3)");
        database.exec(insert);
        let first = program.run(3);
        assert_eq!((&first["verdict"], &first["cause"]), (&json!("partial"), &json!("cap")), "{engine}: {first}");
        let changed = first["changed"].as_u64().unwrap();
        assert!((998..=1_000).contains(&changed), "{engine}: {first}");
        ran(&program, engine, 1_004 - changed);
        ran(&program, engine, 0);
        assert_eq!(database.count("select count(*) from contact where name like 'fg1aaaa%'"), 1, "{engine}: not due");
    });
}
