//! Nothing of a user's table, and no literal of the policy, stands in anything that forgetd writes.
//!
//! Markers are planted in every column, in comments, in keys and in what the engine's errors would quote; then
//! everything that came out is searched, also for the markers' bytes in hex and base64.

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::harness::{Database, Output, Policy, Postgres, Process, Program, Rule, Sqlite, server_bin};

/// What every planted text begins with.
const MARKER: &str = "Qx7marker";

/// Rows that are due, each keyed by an e-mail address with the marker.
const CLIENTS: u64 = 30;

/// What came out, by where it did.
struct Found(Vec<(String, Vec<u8>)>);

// === impl Found ===

impl Found {
    fn take(&mut self, place: &str, bytes: impl Into<Vec<u8>>) {
        self.0.push((place.into(), bytes.into()));
    }

    fn output(&mut self, place: &str, output: &Output) {
        self.take(&format!("{place}: standard output"), output.stdout.as_str());
        self.take(&format!("{place}: standard error"), output.stderr.as_str());
    }

    fn folder(&mut self, place: &str, folder: &Path) {
        let mut files = 0;
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                self.folder(&format!("{place}/{}", entry.file_name().display()), &path);
            } else {
                self.take(&format!("{place}/{}", entry.file_name().display()), std::fs::read(&path).unwrap());
            }
            files += 1;
        }
        assert!(files > 0, "{place} is empty");
    }

    /// Fails with every place that holds a marker.
    #[track_caller]
    fn hold_no_marker(&self) {
        let forms = forms();
        let mut leaks = vec![];
        for (place, bytes) in &self.0 {
            let text = String::from_utf8_lossy(bytes).to_lowercase();
            for (form, needle) in &forms {
                // Hex is written in either case; base64 keeps its own.
                let haystack =
                    if *form == "base64" { String::from_utf8_lossy(bytes).into_owned() } else { text.clone() };
                if let Some(at) = haystack.find(needle.as_str()) {
                    let around: String = haystack[at..].chars().take(90).collect();
                    leaks.push(format!("{place} ({form}): {around}"));
                }
            }
        }
        assert!(leaks.is_empty(), "\n{}", leaks.join("\n"));
    }
}

/// The marker as it would look: plain, in hex, and in base64 at each of the three phases.
fn forms() -> Vec<(&'static str, String)> {
    let mut forms = vec![("text", MARKER.to_lowercase()), ("hex", hex::encode(MARKER))];
    for phase in 0..3 {
        let bytes = [vec![b'x'; phase], MARKER.as_bytes().to_vec()].concat();
        let text = STANDARD_NO_PAD.encode(bytes);
        // The first and the last characters also depend on the neighbours.
        forms.push(("base64", text[[0, 2, 3][phase]..text.len() - 1].to_owned()));
    }
    forms
}

#[test]
fn the_search_finds_what_it_looks_for() {
    for planted in
        [MARKER.to_owned(), hex::encode_upper(MARKER), STANDARD_NO_PAD.encode(format!("ab{MARKER}@example.com"))]
    {
        let mut found = Found(vec![]);
        found.take("here", format!("x {planted} y"));
        assert!(std::panic::catch_unwind(|| found.hold_no_marker()).is_err(), "{planted}");
    }
}

/// Clients keyed by e-mail, with a comment wherever the engine has them.
fn create(database: &dyn Database) {
    let postgres = database.engine() == "postgres";
    let (time, seen) = match database.engine() {
        "postgres" => ("timestamp", "timezone('utc', now()) - interval '40 days'"),
        _ => ("datetime", "datetime('now', '-40 days')"),
    };
    database.exec(&format!(
        "create table client (email text primary key not null, full_name text default '{MARKER}-default', notes text, \
         status text check (status <> '{MARKER}-check'), last_seen_at {time})"
    ));
    database.exec(&format!(
        "insert into client with recursive n (n) as (select 1 union all select n + 1 from n where n < {CLIENTS}) \
         select '{MARKER}' || n || '@example.com', '{MARKER} Name', '{MARKER} note', '{MARKER}-status', {seen} from n"
    ));
    if postgres {
        database.exec(&format!(
            "comment on table client is '{MARKER} table'; comment on column client.email is '{MARKER} column'; \
             comment on schema public is '{MARKER} schema'; create index on client (last_seen_at) \
             where status = '{MARKER}-status'"
        ));
    }
}

fn rule() -> Rule {
    Rule::delete("clients", "client", "{ column: last_seen_at, zone: UTC }")
        .with("when_null: keep")
        .with(&format!("where: {{ status: [{MARKER}-status, {MARKER}-other] }}"))
        .with("evidence: { rows: commitments }")
}

fn policy(database: &dyn Database, control: Option<&dyn Database>) -> Policy {
    let throttle = "throttle: { batch_rows_max: 7 }";
    match control {
        None => Policy::new(&database.url()).with(throttle).rule(&rule()),
        Some(control) => Policy::new(&control.url())
            .database(&format!("crm:\n    url: {}", database.url()))
            .with("control: { at: main }")
            .with(throttle)
            .rule(&rule().with("database: crm")),
    }
}

/// Runs everything that reads or writes, under the loudest log.
fn collect(program: &Program, control: &dyn Database, run_code: i32) -> Found {
    let mut found = Found(vec![]);
    let export = program.path("exported");
    drop(std::fs::remove_dir_all(&export));
    let mut call = |args: &[&str], code: Option<i32>| {
        let output =
            Process::spawn(program.command(args).env("FORGETD_LOG", "trace").env("RUST_BACKTRACE", "full")).wait();
        assert!(
            code.is_none_or(|code| code == output.code),
            "{args:?}: {}\n{}\n{}",
            output.code,
            output.stdout,
            output.stderr
        );
        found.output(&args.join(" "), &output);
    };
    call(&["check", "--connect", "--json"], None);
    call(&["install", "--print"], Some(0));
    call(&["plan"], None);
    call(&["plan", "--json"], None);
    call(&["approve", "--reason", "every client is due"], Some(0));
    call(&["run", "--json"], Some(run_code));
    call(&["run"], None);
    call(&["evidence", "export", export.to_str().unwrap()], Some(0));
    call(&["evidence", "verify", export.to_str().unwrap()], Some(0));
    call(&["evidence", "show"], Some(0));
    found.folder("exported evidence", &export);
    assert!(export.join("policy").exists(), "the policy stands beside the log");
    found.take("control tables", dump(control));
    found
}

/// Every control table as text, bytes in hex.
fn dump(control: &dyn Database) -> Vec<u8> {
    let output = if control.engine() == "postgres" {
        let args = ["--schema=forgetd", "--inserts"];
        Command::new(server_bin().join("pg_dump")).args(args).arg(control.url()).output().unwrap()
    } else {
        let file = control.url().trim_start_matches("sqlite:").to_owned();
        let tables = control.rows("select name from sqlite_schema where type = 'table' and name like 'forgetd%'");
        let names: Vec<String> = tables.into_iter().map(|row| row[0].clone().unwrap()).collect();
        Command::new("sqlite3").arg(file).arg(format!(".dump {}", names.join(" "))).output().unwrap()
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.len() > 1_000, "the dump is empty");
    String::from_utf8(output.stdout).unwrap().lines().map(without_the_policys_own).collect::<String>().into_bytes()
}

/// The rulebook holds what was approved, which is as private as the policy: its literals may stand there, and in no
/// other table.
fn without_the_policys_own(line: &str) -> String {
    let rulebook = line.to_lowercase().contains("insert into") && line.contains("rulebook");
    let literals = ["status", "other", "constant"].map(|literal| format!("{MARKER}-{literal}"));
    let line =
        if rulebook { literals.iter().fold(line.to_owned(), |line, one| line.replace(one, "")) } else { line.into() };
    format!("{line}\n")
}

fn every_lane(test: impl Fn(&dyn Database, Option<&dyn Database>)) {
    test(&Sqlite::database(), None);
    test(&Sqlite::database(), Some(&Sqlite::database()));
    test(&Postgres::database(), None);
    test(&Postgres::database(), Some(&Postgres::database()));
}

#[test]
fn a_run_that_works_leaves_no_value_anywhere() {
    every_lane(|database, control| {
        create(database);
        let program = Program::installed(&policy(database, control));
        let found = collect(&program, control.unwrap_or(database), 0);
        assert_eq!(database.count("select count(*) from client"), 0);
        found.hold_no_marker();
    });
}

/// People whose addresses partly differ in case alone, so that two become one token under a unique index; with a document
/// that is none, and a constraint that refuses one row.
fn create_people(database: &dyn Database) {
    let (json, time, seen) = match database.engine() {
        "postgres" => ("jsonb", "timestamp", "timezone('utc', now()) - interval '40 days'"),
        _ => ("text", "datetime", "datetime('now', '-40 days')"),
    };
    database.exec(&format!(
        "create table client (id integer primary key not null, email text unique, full_name text, address text, \
         data {json}, note text, last_seen_at {time}, \
         check (full_name <> '{MARKER} 9' or note <> '{MARKER}-constant'))"
    ));
    database.exec(&format!(
        "insert into client with recursive n (n) as (select 1 union all select n + 1 from n where n < {CLIENTS}) \
         select n, '{MARKER}' || n || '@example.com', '{MARKER} ' || n, '{MARKER} lane', \
         '{{\"items\": [{{\"email\": \"{MARKER}@example.com\"}}]}}', '{MARKER} note', {seen} from n"
    ));
    database.exec(&format!("update client set email = lower('{MARKER}7@example.com') where id = 8"));
    // Far from being due, so that the rule does not mean the whole table.
    database.exec("update client set last_seen_at = '2999-01-01 00:00:00' where id = 1");
}

#[test]
fn a_transform_leaves_no_value_and_no_key_anywhere() {
    every_lane(|database, control| {
        create_people(database);
        let transform = format!(
            "{{ columns: {{ email: {{ pseudonymize: email, domain: people }}, address: {{ generalize: /24 }}, \
             \"data.items[].email\": {{ pseudonymize: email, domain: people }}, note: {{ redact: {MARKER}-constant }} }} }}"
        );
        let rule = Rule::transform("clients", "client", "{ column: last_seen_at, zone: UTC }", &transform);
        let throttle = "throttle: { batch_rows_max: 7 }";
        let rule = rule.with("when_null: keep").with("evidence: { rows: commitments }");
        let policy = match control {
            None => Policy::new(&database.url()).with(throttle).rule(&rule),
            Some(control) => Policy::new(&control.url())
                .database(&format!("crm:\n    url: {}", database.url()))
                .with("control: { at: main }")
                .with(throttle)
                .rule(&rule.with("database: crm")),
        };
        let program = Program::installed(&policy.pseudonyms()).pseudonym_key();
        // An address that is none leaves its row as it is: nobody is done before it is mended.
        let found = collect(&program, control.unwrap_or(database), 3);
        assert_eq!(database.count("select count(*) from client where email like 'fg1%'"), 0);
        found.hold_no_marker();
        database.exec("update client set address = '192.0.2.7'");
        let found = collect(&program, control.unwrap_or(database), 3);
        // One of two that become one token, and one that a constraint refuses.
        assert_eq!(database.count("select count(*) from client where email like 'fg1%'"), CLIENTS - 3);
        let key = std::fs::read_to_string(program.path("people.key")).unwrap();
        let secret = key.split_whitespace().max_by_key(|part| part.len()).unwrap().to_owned();
        for (place, bytes) in &found.0 {
            assert!(!String::from_utf8_lossy(bytes).contains(&secret), "{place} holds the key");
        }
        found.hold_no_marker();
    });
}

#[test]
fn a_child_that_forbids_the_delete_is_not_quoted() {
    every_lane(|database, control| {
        create(database);
        database.exec("create table invoice (id integer primary key, email text not null references client (email))");
        database.exec(&format!("insert into invoice values (1, '{MARKER}7@example.com')"));
        let program = Program::installed(&policy(database, control));
        let found = collect(&program, control.unwrap_or(database), 3);
        assert_eq!(database.count("select count(*) from client"), 1);
        found.hold_no_marker();
    });
}

#[test]
fn what_a_trigger_says_is_not_repeated() {
    every_lane(|database, control| {
        create(database);
        let refuse = format!("old.email = '{MARKER}7@example.com'");
        database.exec(&match database.engine() {
            "postgres" => format!(
                "create function refuse() returns trigger language plpgsql as $$ begin \
                 if {refuse} then raise exception '{MARKER} %', old.email using hint = old.full_name, detail = old.notes; \
                 end if; return old; end $$; \
                 create trigger refuse before delete on client for each row execute function refuse()"
            ),
            _ => format!(
                "create trigger refuse before delete on client when {refuse} begin \
                 select raise(abort, '{MARKER} said by a trigger'); end"
            ),
        });
        let program = Program::installed(&policy(database, control));
        let found = collect(&program, control.unwrap_or(database), 3);
        assert_eq!(database.count("select count(*) from client"), 1);
        found.hold_no_marker();
    });
}

#[test]
fn a_value_that_breaks_a_cast_or_a_unique_key_in_a_trigger_is_not_quoted() {
    for broken in ["perform old.notes::integer", "insert into farewell values (old.full_name)"] {
        let database = Postgres::database();
        create(&database);
        database
            .exec(&format!("create table farewell (name text unique); insert into farewell values ('{MARKER} Name')"));
        database.exec(&format!(
            "create function broken() returns trigger language plpgsql as $$ begin {broken}; return old; end $$; \
             create trigger broken before delete on client for each row execute function broken()"
        ));
        let program = Program::installed(&policy(&database, None));
        let found = collect(&program, &database, 3);
        assert_eq!(database.count("select count(*) from client"), CLIENTS);
        found.hold_no_marker();
    }
    let database = Sqlite::database();
    create(&database);
    database.exec(&format!(
        "create table farewell (name text unique); insert into farewell values ('{MARKER} Name'); \
         create trigger farewell before delete on client begin insert into farewell values (old.full_name); end"
    ));
    let program = Program::installed(&policy(&database, None));
    let found = collect(&program, &database, 3);
    found.hold_no_marker();
}

#[test]
fn a_broken_configuration_quotes_no_literal_and_no_password() {
    let database = Sqlite::database();
    create(&database);
    let program = Program::new(&policy(&database, None));
    let mut found = Found(vec![]);
    for (name, rule) in [
        ("unknown key", rule().with(&format!("{MARKER}: 1"))),
        ("wrong type", rule().with(&format!("cap: {MARKER}"))),
        ("wrong where", rule().with(&format!("where: {{ status: {{ eq: {MARKER} }} }}"))),
        ("wrong column", rule().with(&format!("where: {{ last_seen_at: {MARKER} }}"))),
    ] {
        program.policy(&Policy::new(&database.url()).rule(&rule));
        let output = Process::spawn(program.command(&["check", "--connect"]).env("FORGETD_LOG", "trace")).wait();
        assert_ne!(output.code, 0, "{name}");
        // A key that nobody knows has to be named; it is no value.
        if name != "unknown key" {
            found.output(name, &output);
        }
    }
    program.policy(&Policy::new(&format!("postgres://app:{MARKER}@localhost:1/x")).rule(&rule()));
    found.output("password in the file", &program.call(&["check", "--connect"]).expect(78));
    program.write("url", &format!("postgres://app:{MARKER}@127.0.0.1:1/{MARKER}x?sslmode=disable"));
    program.policy(&Policy::new("{ file: url }").rule(&rule()));
    found.output("unreachable", &program.call(&["run", "--json"]).expect(69));
    found.hold_no_marker();
}

#[test]
fn a_crash_leaves_keys_only_until_the_next_run_ends() {
    every_lane(|database, control| {
        create(database);
        let program = Program::installed(&policy(database, control).top("coordination: { lease: 2s }"));
        program.approve("clients");
        let fault = if control.is_some() { "finish.after=kill@2" } else { "commit.after=kill@2" };
        let killed = Process::spawn(program.command(&["run", "--json"]).env("FORGETD_FAULT", fault)).wait();
        assert_eq!(killed.code, -1, "{}", killed.stderr);
        let mut found = Found(vec![]);
        found.output("killed", &killed);
        found.output("resumed", &program.call(&["run", "--json", "--wait", "60s"]).expect(0));
        found.take("control tables", dump(control.unwrap_or(database)));
        found.hold_no_marker();
    });
}
