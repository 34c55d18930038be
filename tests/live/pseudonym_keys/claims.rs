//! What the evidence may say of keys: a copy that comes back is noticed, nothing is claimed that is not so.

use forgetd::keys::{Kek, KeyFile, KeyPair};
use serde_json::{Value, json};

use super::{WHY, add, begin, destroy, entry, policy, rotate, states};
use crate::harness::{Database, Process, Program, Rule, Sqlite, every_engine};

/// Gives the program a policy with these keys and a rule that makes tokens of domain people.
fn with_rule(program: &Program, database: &dyn Database, entries: &str) {
    let transform = "{ marker: done_at, columns: { who: { pseudonymize: text, domain: people } } }";
    let rule = Rule::transform("people", "person", "{ column: seen_at, zone: UTC }", transform);
    let indented: String = entries.lines().map(|line| format!("\n  {line}")).collect();
    program.policy(&policy(database).top(&format!("pseudonym_keys:{indented}")).rule(&rule));
}

fn begin_with_rule(database: &dyn Database) -> Program {
    let (program, first) = begin(database);
    let naive = database.naive();
    database.exec(&format!(
        "create table person (id integer primary key, seen_at {naive} not null, who varchar(60), done_at {naive})"
    ));
    let both = rotate(&program, database, &first);
    with_rule(&program, database, &both);
    program
}

fn names(database: &dyn Database) -> Vec<String> {
    database.rows("select who from person order by id").into_iter().flatten().flatten().collect()
}

/// The report of the rule that makes tokens.
fn report(program: &Program) -> Value {
    let reports = program.call(&["run", "--json"]).lines();
    reports.into_iter().find(|report| report["rule"] == "people").unwrap_or_else(|| panic!("no report"))
}

#[test]
fn a_destroyed_key_that_is_back_makes_no_tokens() {
    every_engine(|database| {
        let engine = database.engine();
        let program = begin_with_rule(database);
        let copy = std::fs::read_to_string(program.path("k1")).unwrap();
        destroy(&program, "k1", &[]).expect(0);
        let left = std::fs::read_to_string(program.path("k1")).unwrap();
        database.exec("insert into person (id, seen_at, who) values (1, '2020-01-01 00:00:00', 'Anna'), (2, '2999-01-01 00:00:00', 'Bo')");

        program.write("k1", &copy);
        let objects = database.control_table("log_object");
        // The notes beside the log only spare reading it: without them it is read.
        for notes in ["", "%key%/%"] {
            database.exec(&format!("delete from {objects} where path like '{notes}'"));
            let blocked = report(&program);
            assert_eq!(blocked["cause"], "pseudonym_key", "{engine} {notes}: {blocked}");
            let detail = blocked["detail"].as_str().unwrap_or_default();
            assert!(
                detail.contains("key k1 was destroyed at 20") && detail.contains("a copy of it is back"),
                "{blocked}"
            );
            assert_eq!(names(database), ["Anna", "Bo"], "{engine}");
        }

        // It is destroyed like a key of its own.
        let again = destroy(&program, "k1", &[]).expect(0);
        assert!(again.stdout.contains("the evidence says so now"), "{}", again.stdout);
        let [one, two] = program.entries("key.destroyed").try_into().unwrap();
        assert_eq!((&one["fingerprint"], &one["kek"]), (&two["fingerprint"], &two["kek"]));
        assert!(one["destroyed_at"].as_str() < two["destroyed_at"].as_str(), "{one} {two}");
        let done = report(&program);
        assert_eq!((&done["verdict"], &done["changed"]), (&json!("clean"), &json!(1)), "{engine}: {done}");
        assert!(names(database)[0].starts_with("fg1"), "{engine}");
        // Another replica's tombstone of the same key has its entry too.
        program.write("k1", &left);
        let before = destroy(&program, "k1", &[]).expect(0);
        assert!(before.stdout.contains("the evidence says so already"), "{}", before.stdout);
        assert_eq!(program.entries("key.destroyed").len(), 2);
        program.call(&["evidence", "verify"]).expect(0);
    });
}

#[test]
fn a_run_names_the_key_that_makes_its_tokens() {
    let database = Sqlite::database();
    let program = begin_with_rule(&database);
    let kek = program.call(&["keys", "new", "kek", "--out", "kek2"]).expect(0).stdout;
    let kek = kek.split(' ').nth(1).unwrap().to_owned();
    database.exec("insert into person (id, seen_at, who) values (1, '2020-01-01 00:00:00', 'Anna'), (2, '2999-01-01 00:00:00', 'Bo')");
    assert_eq!(report(&program)["changed"], 1);
    let created = program.entries("key.created");
    let started = program.entries("run.started");
    let started = started.iter().rfind(|started| started["rule"] == "people").unwrap();
    let named = format!("k2 {}", created[1]["fingerprint"].as_str().unwrap());
    assert_eq!(started["pseudonym_keys"], json!({ "people": named }));
    // The entries name the KEK, not another one.
    let text = std::fs::read_to_string(program.path("k1")).unwrap();
    for created in &created {
        assert_eq!(created["kek"], text.split(' ').nth(3).unwrap(), "{created}");
        assert_ne!(created["kek"], kek.as_str());
    }
}

#[test]
fn a_tombstone_that_somebody_wrote_is_not_believed() {
    let database = Sqlite::database();
    let (program, first) = begin(&database);
    let made = program.call(&["keys", "new", "pseudonym", "--domain", "people", "--id", "p", "--out", "p"]).expect(0);
    let plain = entry(&made).replace(" }", ", active_from: 2020-01-01 }");
    add(&program, &database, &format!("{}\n{plain}", first.replacen(" }", " }, active_from: 2021-01-01", 1)));
    program.run(0);
    let tombstone = |pair: &KeyPair| {
        let wrapped = pair.wrap(&Kek::generate().unwrap()).unwrap();
        KeyFile::Destroyed(wrapped.tombstone("2026-01-01T00:00:00Z".parse().unwrap())).to_text()
    };
    let text = std::fs::read_to_string(program.path("p")).unwrap();
    let Ok(KeyFile::Plain(was_plain)) = KeyFile::from_text(&text) else { panic!("plain") };
    for pair in [was_plain, KeyPair::generate().unwrap()] {
        program.write("p", &tombstone(&pair));
        assert_eq!(states(&program)[0], "p wrapped destroyed");
        let refused = destroy(&program, "p", &[]).expect(4);
        assert!(refused.stderr.contains("does not know the key as one that was always wrapped"), "{}", refused.stderr);
        assert!(program.entries("key.destroyed").is_empty());
        let said = program.call(&["run"]).stderr;
        assert!(said.contains("the evidence never knew it as a wrapped one"), "{said}");
    }
}

#[test]
fn what_the_evidence_will_say_it_does_not_say_now() {
    every_engine(|database| {
        let (program, first) = begin(database);
        rotate(&program, database, &first);
        program.run(0);
        let args = [&["keys", "destroy", "k1", "--domain", "people"], &WHY[..]].concat();
        let fails: Vec<String> = (1..9).map(|n| format!("relay.publish.before=fail@{n}")).collect();
        let done = Process::spawn(program.command(&args).env("FORGETD_FAULT", fails.join(","))).wait();
        assert_ne!(done.code, 0);
        assert!(done.stdout.contains("the evidence will say so as soon as"), "{} {}", done.stdout, done.stderr);
        assert_eq!(states(&program)[0], "k1 wrapped destroyed");
        assert!(program.entries("key.destroyed").is_empty());
        let again = destroy(&program, "k1", &[]).expect(0);
        assert!(again.stdout.contains("the evidence says so already"), "{}", again.stdout);
        assert_eq!(program.entries("key.destroyed").len(), 1);
    });
}

#[test]
fn a_name_that_is_given_to_another_key_is_said() {
    let database = Sqlite::database();
    let (program, _) = begin(&database);
    let said = "another key than the one that had this name first";
    for _ in 0..2 {
        assert!(!program.call(&["run"]).expect(0).stderr.contains(said));
    }
    let other = program.call(&["keys", "new", "pseudonym", "--domain", "people", "--out", "other"]).expect(0);
    add(&program, &database, &entry(&other));
    for _ in 0..2 {
        assert!(program.call(&["run"]).expect(0).stderr.contains(said));
    }
    assert_eq!(program.entries("key.created").len(), 2);
}
