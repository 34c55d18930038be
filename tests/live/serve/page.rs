//! The page of a living daemon, read: it says how everything stands, and holds no value of a user.

use super::{SELDOM, Watched, until_held};
use crate::harness::{Database as _, Policy, Postgres, Program, Rule};

/// What stands in the table and in the policy, and nowhere else.
const PRIVATE: &[&str] = &[
    "annelie.hemlig",
    "Hemligsson",
    "+46 70 174 06 05",
    "197001019802",
    "gravely ill",
    "redacted-by-annelie",
    "native-hemlig",
];

/// A table of persons, of which some cannot go: each by an error that quotes the row.
fn persons() -> Postgres {
    let database = Postgres::database();
    database.exec(
        "create table person (id bigint primary key, email text not null unique, name text not null, phone text,
           number text not null, note text, seen_at timestamptz not null);
         create table visit (id bigint primary key, person text not null references person (email), seen_at timestamptz);
         create table lead (number text primary key, email text unique, note text, seen_at timestamptz not null,
           constraint no_other_note check (note = 'gravely ill'));
         insert into person select n, 'annelie.hemlig' || n || '@private.example', 'Hemligsson', '+46 70 174 06 05',
           '197001019802' || n, 'gravely ill', now() - (n || ' days')::interval from generate_series(1, 200) n;
         insert into visit select n, 'annelie.hemlig' || n || '@private.example', now() from generate_series(150, 160) n;
         insert into lead select '197001019802' || n, 'annelie.hemlig' || n, 'gravely ill', now() - interval '90 days'
           from generate_series(1, 20) n;
         insert into lead values ('1970010198020', 'annelie.hemlig', 'gravely ill', now());
         create function refuse() returns trigger language plpgsql as $$ begin
           if old.id % 7 = 0 then raise exception 'not %, who is %', old.email, old.note; end if; return old; end $$;
         create trigger refuse before delete on person for each row execute function refuse();",
    );
    database
}

fn program(database: &Postgres) -> Program {
    let rules = [
        Rule::delete("persons", "person", "seen_at").with("where: { note: gravely ill }"),
        Rule::delete("natives", "person", "seen_at")
            .with("keep_for: 400d")
            .with("where_native: \"email <> 'native-hemlig@private.example'\""),
        Rule::transform("leads", "lead", "seen_at", "{ columns: { note: { redact: redacted-by-annelie } } }"),
        Rule::delete("gone", "no_such_table", "seen_at").with("where: { name: Hemligsson }"),
    ];
    let policy = Policy::new(&database.url()).top("coordination: { lease: 3s }");
    Program::installed(&rules.iter().fold(policy, |policy, rule| policy.rule(&rule.clone().with(SELDOM))))
}

#[track_caller]
fn holds_nothing(place: &str, text: &str) {
    for private in PRIVATE {
        assert!(!text.contains(private), "{place} holds {private}:\n{text}");
    }
}

/// The text of a page between its tags, piece by piece.
fn pieces(page: &str) -> Vec<String> {
    let (_, body) = page.split_once("<body>").expect("a body");
    let texts = body.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text.trim().to_owned());
    texts.filter(|text| !text.is_empty()).collect()
}

#[test]
fn the_page_of_a_living_daemon_says_how_everything_stands_and_nothing_of_anybody() {
    let database = persons();
    let program = program(&database);
    let watched = Watched::start(&program);
    until_held(&program);
    let ran = program.call(&["run", "--json"]);
    let reports = ran.lines();
    let report = |rule: &str| reports.iter().find(|report| report["rule"] == rule).expect("a report").clone();
    assert_eq!(report("persons")["verdict"], "partial", "{}", ran.stdout);
    assert!(report("persons")["changed"].as_u64() > Some(100), "{}", ran.stdout);
    assert_eq!((&report("gone")["verdict"], &report("gone")["cause"]), (&"blocked".into(), &"table_missing".into()));

    let page = watched.get("/status", "text/html").1;
    let said = pieces(&page);
    let says = |text: &str| said.iter().any(|piece| piece == text);
    for text in
        ["persons", "natives", "leads", "gone", "table_missing", "partial", "blocked", "example.com/forgetd/live"]
    {
        assert!(says(text), "{text}: {said:?}");
    }
    let changed = report("persons")["changed"].to_string();
    assert!(said.iter().any(|piece| piece.starts_with(&format!("{changed} in "))), "{changed}: {said:?}");
    let fix = said.iter().any(|piece| piece.contains("or grant USAGE and SELECT"));
    assert!(fix, "what to do about it: {said:?}");

    let undone = watched.metric("forgetd_batches_total{database=\"main\",result=\"rolled_back\"}");
    assert!(undone > Some(0.0), "batches with rows that refuse: {undone:?}");

    let board = watched.get("/status", "application/json").1;
    let metrics = watched.metrics().expect("metrics");
    let status = program.call(&["status", "--json"]).expect(0);
    let line = status.lines().into_iter().find(|line| line["rule"] == "persons").unwrap();
    for (key, value) in report("persons").as_object().unwrap() {
        if ["skipped", "batches", "batch_rows_max", "longest_tx_ms", "changed", "left", "due"].contains(&key.as_str()) {
            assert_eq!(&line[key], value, "{key}");
        }
    }
    let evidence = program.call(&["evidence", "show", "--json"]).expect(0).stdout;
    let log = watched.end();
    assert!(log.contains("run ended"), "{log}");
    for (place, text) in [
        ("/status", &page),
        ("/status as JSON", &board),
        ("/metrics", &metrics),
        ("the log", &log),
        ("run", &(ran.stdout + &ran.stderr)),
        ("status", &status.stdout),
        ("evidence", &evidence),
    ] {
        holds_nothing(place, text);
    }
}
