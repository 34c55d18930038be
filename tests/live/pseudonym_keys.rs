//! Keys of pseudonyms, from their making to their end: each has its entries in the evidence, none of them shows itself.

mod claims;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::Value;

use super::harness::{Database, Output, Policy, Process, Program, Rule, Sqlite, every_engine};

/// What every destruction says.
const WHY: [&str; 4] = ["--reason", "a test", "--backups-keep", "90d"];

fn policy(database: &dyn Database) -> Policy {
    let since = "{ column: seen_at, zone: UTC }";
    // Short, because processes that were killed hold it.
    let policy = Policy::new(&database.url()).top("coordination: { lease: 2s }");
    policy.rule(&Rule::delete("visits", "visit", since).with("when_null: keep"))
}

/// A table with nothing due, and a program with a KEK and the wrapped key k1, which it knows.
fn begin(database: &dyn Database) -> (Program, String) {
    let time = database.naive();
    database.exec(&format!("create table visit (id integer primary key, seen_at {time}, who text, uid text)"));
    let program = Program::installed(&policy(database));
    program.call(&["keys", "new", "kek", "--out", "kek"]).expect(0);
    let made =
        program.call(&["keys", "new", "pseudonym", "--domain", "people", "--out", "k1", "--kek", "kek"]).expect(0);
    let entry = entry(&made);
    add(&program, database, &entry);
    (program, entry)
}

/// The entry that was printed, without its heading.
#[track_caller]
fn entry(made: &Output) -> String {
    let line = made.stdout.lines().find(|line| line.starts_with("  - {"));
    line.unwrap_or_else(|| panic!("no entry: {}", made.stdout)).trim().to_owned()
}

/// Gives the program a policy with these entries.
fn add(program: &Program, database: &dyn Database, entries: &str) {
    let indented: String = entries.lines().map(|line| format!("\n  {line}")).collect();
    program.policy(&policy(database).top(&format!("pseudonym_keys:{indented}")));
}

/// Domain, name and state of every key that is listed.
#[track_caller]
fn states(program: &Program) -> Vec<String> {
    let listed = program.call(&["keys", "list", "--json"]).object();
    let word = |key: &Value, name: &str| key[name].as_str().unwrap_or("-").to_owned();
    let keys = listed["keys"].as_array().unwrap();
    keys.iter().map(|key| format!("{} {} {}", word(key, "id"), word(key, "kind"), word(key, "state"))).collect()
}

fn destroy(program: &Program, id: &str, more: &[&str]) -> Output {
    program.call(&[&["keys", "destroy", id, "--domain", "people"], &WHY[..], more].concat())
}

/// Adds the next key, active since 2026, and returns both entries.
fn rotate(program: &Program, database: &dyn Database, entry_of_k1: &str) -> String {
    let args = ["keys", "rotate", "people", "--out", "k2", "--active-from", "2026-01-01"];
    let both = format!("{entry_of_k1}\n{}", entry(&program.call(&args).expect(0)));
    add(program, database, &both);
    both
}

#[test]
fn a_new_key_is_for_its_owner_alone_and_prints_its_entry() {
    let database = Sqlite::database();
    let (program, entry) = begin(&database);
    assert!(entry.starts_with("- { id: k1, domain: people, file: /") && entry.contains("kek: { file: /"), "{entry}");
    for name in ["k1", "kek"] {
        assert_eq!(std::fs::metadata(program.path(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    assert_eq!(states(&program), ["k1 wrapped active"]);
    let before = std::fs::read(program.path("k1")).unwrap();
    for args in
        [&["keys", "new", "pseudonym", "--domain", "people", "--out", "k1"][..], &["keys", "new", "kek", "--out", "k1"]]
    {
        let refused = program.call(args).expect(1);
        assert!(refused.stderr.contains("k1: cannot be made: entity already exists"), "{}", refused.stderr);
    }
    assert_eq!(std::fs::read(program.path("k1")).unwrap(), before);

    program.call(&["keys", "new", "kek", "--out", "other-kek"]).expect(0);
    std::fs::copy(program.path("other-kek"), program.path("kek")).unwrap();
    let listed = program.call(&["keys", "list"]).expect(4);
    assert!(listed.stdout.contains("the key is wrapped by the KEK"), "{}", listed.stdout);
    assert_eq!(states(&program), ["k1 wrapped unreadable"]);
}

#[test]
fn every_key_gets_one_entry() {
    every_engine(|database| {
        let (program, entry) = begin(database);
        let plain = program.call(&["keys", "new", "pseudonym", "--domain", "orders", "--out", "o1"]).expect(0);
        add(&program, database, &format!("{entry}\n{}", self::entry(&plain)));
        for _ in 0..3 {
            program.run(0);
        }
        let created = program.entries("key.created");
        let said: Vec<String> =
            created.iter().map(|key| format!("{} {} {}", key["domain"], key["id"], key["kind"])).collect();
        assert_eq!(said, [r#""orders" "k1" "plain""#, r#""people" "k1" "wrapped""#]);
        let listed = program.call(&["keys", "list", "--json"]).object();
        // A crash between the entry and its note leaves no note.
        let objects = database.control_table("log_object");
        let notes = format!("select path from {objects} where path like 'keys/%'");
        let noted = database.rows(&notes);
        assert_eq!(noted.len(), 2, "{noted:?}");
        database.exec(&format!("delete from {objects} where path like 'keys/%'"));
        program.run(0);
        assert_eq!((program.entries("key.created").len(), database.rows(&notes).len()), (2, 2));
        for (entry, key) in created.iter().zip(listed["keys"].as_array().unwrap()) {
            assert_eq!((&entry["fingerprint"], &entry["epoch"]), (&key["fingerprint"], &key["epoch"]));
        }
    });
}

#[test]
fn rotating_makes_the_next_key_and_leaves_the_policy_alone() {
    let database = Sqlite::database();
    let (program, first) = begin(&database);
    let before = std::fs::read_to_string(program.path("forgetd.yaml")).unwrap();
    let made = program.call(&["keys", "rotate", "people", "--out", "later"]).expect(0);
    assert_eq!(std::fs::read_to_string(program.path("forgetd.yaml")).unwrap(), before);
    add(&program, &database, &format!("{first}\n{}", entry(&made)));
    assert_eq!(states(&program), ["k1 wrapped active", "k2 wrapped future"]);
    add(&program, &database, &first);
    rotate(&program, &database, &first);
    assert_eq!(states(&program), ["k1 wrapped old", "k2 wrapped active"]);
    // Not before the newest one, and not for a domain that has none.
    let early = ["keys", "rotate", "people", "--out", "k3", "--active-from", "2025-01-01"];
    program.call(&early).expect(64);
    program.call(&["keys", "rotate", "strangers", "--out", "k3"]).expect(64);
    assert!(!program.path("k3").exists());
}

#[test]
fn a_destroyed_key_leaves_its_tombstone_and_one_entry() {
    every_engine(|database| {
        let (program, first) = begin(database);
        rotate(&program, database, &first);
        let sealed = std::fs::read_to_string(program.path("k1")).unwrap();
        let done = destroy(&program, "k1", &[]).expect(0);
        assert!(done.stdout.contains("are recognised still; no new ones can be made"), "{}", done.stdout);
        assert!(done.stdout.contains("the evidence says so now"), "{}", done.stdout);
        let left = std::fs::read_to_string(program.path("k1")).unwrap();
        assert!(left.starts_with("forgetd-pseudonym-key v1 destroyed "), "{left}");
        assert!(!left.contains(sealed.split(' ').nth(4).unwrap()));
        assert!(!program.path("k1.destroyed").exists());
        assert_eq!(states(&program), ["k1 wrapped destroyed", "k2 wrapped active"]);

        let again = destroy(&program, "k1", &[]).expect(0);
        assert!(again.stdout.contains("the evidence says so already"), "{}", again.stdout);
        assert_eq!(std::fs::read_to_string(program.path("k1")).unwrap(), left);
        program.run(0);
        let [entry] = program.entries("key.destroyed").try_into().unwrap();
        assert_eq!((&entry["id"], &entry["domain"], &entry["wrapped"]), (&"k1".into(), &"people".into(), &true.into()));
        assert_eq!((&entry["reason"], &entry["authenticated"]), (&"a test".into(), &false.into()));
        assert!(entry["backups_until"].as_str() > entry["destroyed_at"].as_str(), "{entry}");
        let created = program.entries("key.created");
        let same = |key: &&Value| key["fingerprint"] == entry["fingerprint"] && key["epoch"] == entry["epoch"];
        assert_eq!((created.len(), created.iter().filter(same).count()), (2, 1), "{created:?}");
    });
}

#[test]
fn what_may_not_be_destroyed_stays() {
    let database = Sqlite::database();
    let (program, first) = begin(&database);
    let plain = program.call(&["keys", "new", "pseudonym", "--domain", "people", "--id", "p", "--out", "p"]).expect(0);
    let plain = entry(&plain).replace(" }", ", active_from: 2020-01-01 }");
    add(&program, &database, &format!("{}\n{plain}", first.replacen(" }", " }, active_from: 2021-01-01", 1)));
    assert_eq!(states(&program), ["p plain old", "k1 wrapped active"]);
    let files = || ["p", "k1"].map(|name| std::fs::read(program.path(name)).unwrap());
    let before = files();
    let refused = destroy(&program, "p", &[]).expect(4);
    assert!(refused.stderr.contains("the key is plain") && refused.stderr.contains("no evidence will claim it"));
    let refused = destroy(&program, "k1", &[]).expect(4);
    assert!(refused.stderr.contains("makes the new tokens of domain people"), "{}", refused.stderr);
    destroy(&program, "nobody", &[]).expect(64);
    let past =
        ["keys", "destroy", "k1", "--domain", "people", "--last", "--reason", "x", "--backups-until", "2020-01-01"];
    program.call(&past).expect(64);
    assert_eq!(files(), before);

    // The same key under another name would live on.
    std::fs::copy(program.path("k1"), program.path("twin")).unwrap();
    let twin = first.replace("domain: people", "domain: twins").replace("/k1,", "/twin,");
    add(&program, &database, &format!("{first}\n{twin}"));
    let refused = destroy(&program, "k1", &["--last"]).expect(4);
    assert!(refused.stderr.contains("twins k1 is the same key"), "{}", refused.stderr);
    add(&program, &database, &first);
    program.run(0);
    assert_eq!(program.entries("key.destroyed").len(), 0);
    destroy(&program, "k1", &["--last"]).expect(0);
    assert_eq!(program.entries("key.destroyed").len(), 1);
}

#[test]
fn a_kill_in_the_middle_of_a_destruction_ends_with_one_entry() {
    every_engine(|database| {
        let (program, first) = begin(database);
        rotate(&program, database, &first);
        let killed = |fault: &str| {
            let args = [&["keys", "destroy", "k1", "--domain", "people"], &WHY[..]].concat();
            let killed = Process::spawn(program.command(&args).env("FORGETD_FAULT", fault)).wait();
            assert_eq!(killed.code, -1, "{fault}: {}", killed.stderr);
        };
        let wait = ["run", "--json", "--wait", "60s"];
        killed("key.destroy.before=kill");
        assert_eq!(states(&program), ["k1 wrapped old", "k2 wrapped active"]);
        program.call(&wait).expect(0);
        assert_eq!(program.entries("key.destroyed").len(), 0);

        killed("key.destroy.after=kill");
        assert_eq!(states(&program), ["k1 wrapped destroyed", "k2 wrapped active"]);
        let said = program.call(&wait).expect(0).stderr;
        assert!(said.contains("the evidence does not say so yet"), "{said}");
        assert_eq!(program.entries("key.destroyed").len(), 0);

        killed("relay.publish.after=kill");
        program.call(&wait).expect(0);
        for _ in 0..2 {
            destroy(&program, "k1", &[]).expect(0);
            assert_eq!(program.entries("key.destroyed").len(), 1);
            assert_eq!(program.entries("key.created").len(), 2);
        }
        let said = program.call(&wait).expect(0).stderr;
        assert!(!said.contains("does not say so yet"), "{said}");
    });
}

#[test]
fn rows_are_counted_by_the_key_that_made_their_tokens() {
    every_engine(|database| {
        let (program, first) = begin(database);
        let both = rotate(&program, database, &first);
        let listed = program.call(&["keys", "list", "--json"]).object();
        let epoch = |at: usize| listed["keys"][at]["epoch"].as_str().unwrap().to_owned();
        for (at, rows) in [(0, 3), (1, 2)] {
            for n in 0..rows {
                let token = format!("fg1{}aaaaaaaaaaaaaaaabbbb", epoch(at));
                database.exec(&format!("insert into visit (id, who) values ({}, '{token}')", 10 * at + n));
            }
        }
        database.exec("insert into visit (id, who, uid) values (100, 'Anna', 'fg1aaaaaaaaaaaaaaaaaaaaaaa')");
        let rule = Rule::delete("people", "visit", "{ column: seen_at, zone: UTC }")
            .with("when_null: keep")
            .with("mode: observe")
            .with("action: { transform: { columns: { who: { pseudonymize: text, domain: people } } } }");
        let indented: String = both.lines().map(|line| format!("\n  {line}")).collect();
        program.policy(&policy(database).top(&format!("pseudonym_keys:{indented}")).rule(&rule));
        let listed = program.call(&["keys", "list", "--connect", "--json"]).expect(0).object();
        for (at, rows) in [(0, 3), (1, 2)] {
            let counted = &listed["keys"][at]["rows"];
            assert_eq!((&counted[0]["rows"], &counted[0]["rule"]), (&rows.into(), &"people".into()), "{counted}");
        }
        let found = || {
            let checked = program.call(&["check", "--connect", "--json"]).object();
            let found = checked["findings"].as_array().unwrap().clone();
            found.into_iter().filter(|finding| finding["id"] == "pseudonym_key").collect::<Vec<_>>()
        };
        assert!(found().is_empty(), "{:?}", found());
        let shown = destroy(&program, "k1", &[]).expect(0).stdout;
        assert!(shown.contains("3 rows of main.") && shown.contains("visit.who carry its tokens"), "{shown}");

        destroy(&program, "k2", &["--last"]).expect(0);
        let [last] = found().try_into().unwrap();
        assert_eq!((&last["place"], &last["severity"]), (&"pseudonym_keys: people".into(), &"error".into()), "{last}");
        program.write("k2", "not a key");
        let [broken] = found().try_into().unwrap();
        assert!(broken["message"].as_str().unwrap().starts_with("this is no pseudonym key"), "{broken}");
    });
}

/// Everything secret in the key files of a folder.
fn secrets(program: &Program) -> Vec<Vec<u8>> {
    let mut secrets = vec![];
    for name in ["k1", "k2", "p", "kek"] {
        let text = std::fs::read_to_string(program.path(name)).unwrap();
        let parts: Vec<Vec<u8>> = text.split(' ').filter_map(|word| STANDARD.decode(word.trim()).ok()).collect();
        // The parts of at least a key's length: a token key and its check key, a nonce and what was sealed, a KEK.
        let long: Vec<&Vec<u8>> = parts.iter().filter(|part| part.len() >= 32).collect();
        assert!(!long.is_empty(), "{name}");
        secrets.extend(long.into_iter().flat_map(|part| part.chunks_exact(32).map(<[u8]>::to_vec)));
    }
    secrets
}

/// Fails where one of `secrets` stands in `bytes`: as it is, in hex, or in base64 at each of its phases.
#[track_caller]
fn assert_hidden(place: &str, bytes: &[u8], secrets: &[Vec<u8>]) {
    let text = String::from_utf8_lossy(bytes);
    let lower = text.to_lowercase();
    for secret in secrets {
        let part = &secret[3..15];
        assert!(!bytes.windows(part.len()).any(|window| window == part), "{place}: bytes of a key");
        assert!(!lower.contains(&hex::encode(part)), "{place}: a key in hex");
        for phase in 0..3 {
            let encoded = STANDARD_NO_PAD.encode([&vec![0; phase][..], part].concat());
            assert!(!text.contains(&encoded[[0, 2, 3][phase]..encoded.len() - 1]), "{place}: a key in base64");
        }
    }
}

fn assert_folder_hidden(folder: &Path, secrets: &[Vec<u8>]) {
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            assert_folder_hidden(&path, secrets);
        } else {
            assert_hidden(&path.display().to_string(), &std::fs::read(&path).unwrap(), secrets);
        }
    }
}

#[test]
fn the_search_for_keys_finds_them() {
    let secret: Vec<u8> = (100..132).collect();
    let secrets = [secret.clone()];
    for planted in
        [secret.clone(), hex::encode_upper(&secret).into(), STANDARD.encode([&[1], &secret[..]].concat()).into()]
    {
        let found = std::panic::catch_unwind(|| assert_hidden("here", &planted, &secrets));
        assert!(found.is_err(), "{planted:?}");
    }
    assert_hidden("here", b"nothing", &secrets);
}

#[test]
fn no_key_shows_anywhere() {
    let database = Sqlite::database();
    let (program, first) = begin(&database);
    let mut said = vec![];
    let made = program.call(&["keys", "new", "pseudonym", "--domain", "orders", "--out", "p"]).expect(0);
    let both = rotate(&program, &database, &first);
    let plain = entry(&made);
    let entries = format!("{both}\n{plain}");
    add(&program, &database, &entries);
    said.push(made);
    let secrets = secrets(&program);
    // k1 and k2: two sealed parts and a check key each; p: two keys; the KEK.
    assert!(secrets.len() >= 7, "{}", secrets.len());
    let mut call = |args: &[&str]| {
        said.push(Process::spawn(program.command(args).env("FORGETD_LOG", "trace")).wait());
    };
    call(&["check", "--connect"]);
    call(&["keys", "list"]);
    call(&["keys", "list", "--json", "--connect"]);
    call(&["run"]);
    call(&[&["keys", "destroy", "k1", "--domain", "people"], &WHY[..]].concat());
    call(&["keys", "rotate", "people", "--out", "k3"]);
    call(&["evidence", "show"]);
    call(&["evidence", "export", "exported"]);
    // Files that are no keys, and keys that are none of theirs: what is wrong with them is said without them.
    for name in ["k2", "p"] {
        let text = std::fs::read_to_string(program.path(name)).unwrap();
        program.write(name, &text[..text.len() - 4]);
        call(&["keys", "list"]);
        call(&["run"]);
        program.write(name, &text);
    }
    program.write("swapped", &entries.replace("/kek", "/p"));
    add(&program, &database, &entries.replace("/kek", "/p"));
    call(&["keys", "list"]);
    call(&["run"]);
    for output in &said {
        assert_hidden("standard output", output.stdout.as_bytes(), &secrets);
        assert_hidden("standard error", output.stderr.as_bytes(), &secrets);
    }
    assert_folder_hidden(&program.path("exported"), &secrets);
    assert_folder_hidden(database.path().parent().unwrap(), &secrets);
}
