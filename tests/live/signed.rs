//! Approvals that people sign with their SSH keys: enough of them let a rule act, and nobody else's word does.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::harness::{Database, Output, Policy, Postgres, Program, Sqlite, Ssh, until};
use super::shop;

const DUE: u64 = 200;
const FRESH: u64 = 50;

/// People with keys of each kind, and what a policy says of them.
fn people() -> (Ssh, String) {
    let ssh = Ssh::new();
    let named = [("dpo", "ed25519"), ("cto", "ecdsa"), ("ciso", "rsa")]
        .map(|(who, kind)| format!("{{ name: {who}, ssh_key: \"{}\" }}", ssh.key(who, kind)));
    ssh.key("eve", "ed25519");
    (ssh, format!("approvers: [{}]", named.join(", ")))
}

fn policy(database: &dyn Database, approvers: &str) -> Policy {
    let rule = shop::rule().with("guard: { cool_off: 24h }").with("schedule: \"0 0 29 2 *\"");
    shop::ruled_by(database, "3s", &rule).top(approvers).top("approvals_required: 2")
}

/// Prints what is to be signed into a file.
fn statement(program: &Program, args: &[&str]) -> PathBuf {
    let printed = program.call(&[&["approve", "--statement"], args].concat()).expect(0).stdout;
    assert_eq!(printed.lines().count(), 1, "nothing else is printed: {printed}");
    program.write("statement", &printed);
    program.path("statement")
}

/// Gives signatures of that file, made for `namespace`.
fn give(program: &Program, ssh: &Ssh, what: &str, namespace: &str, people: &[&str]) -> Output {
    let file = program.path("statement");
    let signatures: Vec<PathBuf> = people.iter().map(|who| ssh.sign(who, namespace, &file)).collect();
    let mut args = vec!["approve", what, "--signed", file.to_str().unwrap()];
    for signature in &signatures {
        args.extend(["--signature", signature.to_str().unwrap()]);
    }
    program.call(&args)
}

fn both(test: impl Fn(&dyn Database)) {
    test(&Postgres::database());
    test(&Sqlite::database());
}

fn hows(program: &Program) -> Vec<Value> {
    program.entries("approval").into_iter().map(|entry| entry["how"].clone()).collect()
}

#[test]
fn a_rule_acts_when_enough_approvers_have_signed_the_same_statement() {
    both(|database| {
        shop::create(database, DUE, FRESH);
        let (ssh, approvers) = people();
        let program = Program::installed(&policy(database, &approvers));
        assert_eq!(program.run(4)["cause"], "cool_off");

        let noted = program.call(&["approve", "web-sessions", "--reason", "please"]).expect(4);
        assert!(noted.stdout.contains("not approved: the policy names approvers"), "{}", noted.stdout);
        assert_eq!(program.run(4)["cause"], "cool_off", "a word alone approves nothing");

        let file = statement(&program, &["web-sessions", "--reason", "by law"]);
        let text = std::fs::read_to_string(&file).unwrap();
        let said: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&said["due"], &said["causes"], &said["reason"]),
            (&json!(DUE), &json!(["cool_off"]), &json!("by law"))
        );
        for (namespace, who, why) in [
            ("forgetd", "eve", "which no approver of the policy has (ciso, cto, dpo)"),
            ("file", "dpo", "it was not made for forgetd"),
        ] {
            let refused = give(&program, &ssh, "web-sessions", namespace, &[who]).expect(4);
            assert!(refused.stderr.contains(why), "{why} in {}", refused.stderr);
        }
        assert_eq!(hows(&program), ["unsigned"], "what does not count leaves no entry");

        let first = give(&program, &ssh, "web-sessions", "forgetd", &["dpo"]).expect(4);
        let missing = "signed by dpo, and not approved yet: 1 more of ciso, cto must sign the same statement";
        assert!(first.stdout.contains(missing), "{}", first.stdout);
        give(&program, &ssh, "web-sessions", "forgetd", &["dpo"]).expect(4);
        assert_eq!(hows(&program), ["unsigned", "signed"], "nobody counts twice");
        assert_eq!(program.run(4)["cause"], "cool_off", "one of two approves nothing");
        let shown = program.call(&["approve", "web-sessions"]).expect(4).stdout;
        assert!(shown.contains("by dpo; others can sign the same statement"), "{shown}");

        let second = give(&program, &ssh, "web-sessions", "forgetd", &["cto"]).expect(0);
        assert_eq!(second.stdout, "web-sessions: approved by dpo and cto\n");
        assert_eq!((&program.run(0)["changed"], shop::rows(database)), (&json!(DUE), FRESH));
        let again = give(&program, &ssh, "web-sessions", "forgetd", &["ciso"]).expect(0);
        assert!(again.stdout.contains("there is nothing to approve"), "{}", again.stdout);

        let entries = program.entries("approval");
        let signed: Vec<&Value> = entries.iter().filter(|entry| entry["authenticated"] == true).collect();
        for (entry, (who, how)) in signed.iter().zip([("dpo", "signed"), ("cto", "approved")]) {
            assert_eq!((&entry["who"], &entry["how"], &entry["required"]), (&json!(who), &json!(how), &json!(2)));
            assert_eq!((&entry["signed"]["statement"], &entry["reason"]), (&json!(text), &json!("by law")));
            let signature = entry["signed"]["signature"].as_str().unwrap();
            assert!(ssh.verifies(who, &text, signature), "OpenSSH verifies it too: {entry}");
            assert!(!ssh.verifies(who, &text.replace("200", "201"), signature));
            assert!(!entry.to_string().contains("somebody else"), "a key's comment is never used");
        }
        assert_eq!(signed.len(), 2);
        let verified = program.call(&["evidence", "verify"]).expect(0).stdout;
        assert!(verified.contains("1 by dpo with SHA256:"), "{verified}");
        assert_eq!(verified.matches(": as the policy says").count(), 2, "{verified}");
    });
}

#[test]
fn what_was_signed_must_be_what_is_shown_now() {
    let database = Sqlite::database();
    shop::create(&database, DUE, FRESH);
    let (ssh, approvers) = people();
    let program = Program::installed(&policy(&database, &approvers));
    assert_eq!(program.run(4)["cause"], "cool_off");
    let refused = |why: &str, code: i32| {
        let refused = give(&program, &ssh, "web-sessions", "forgetd", &["dpo", "cto"]).expect(code);
        assert!(refused.stderr.contains(why), "{why} in {}", refused.stderr);
        assert_eq!(hows(&program), [] as [Value; 0]);
    };
    let text = std::fs::read_to_string(statement(&program, &["web-sessions"])).unwrap();
    program.write("statement", &text.replace("\"due\"", " \"due\""));
    refused("change nothing in it", 64);
    // About the same is the same.
    program.write("statement", &text);
    shop::add(&database, 10_000, DUE / 5, 40);
    refused("the statement is of another number of due rows", 4);
    database.exec("delete from web_session where id >= 10010");
    let changed = policy(&database, &approvers).yaml().replace("keep_for: 30d", "keep_for: 29d");
    program.write("forgetd.yaml", &changed);
    refused("the statement is of another definition of the rule", 4);
    program.policy(&policy(&database, &approvers.replace("name: ciso", "name: coo")));
    refused("the statement is of another policy", 4);
    program.policy(&policy(&database, &approvers));
    let approved = give(&program, &ssh, "web-sessions", "forgetd", &["ciso", "cto"]).expect(0);
    assert_eq!(approved.stdout, "web-sessions: approved by ciso and cto\n");
    assert_eq!(hows(&program), ["signed", "approved"]);
    assert_eq!(program.run(0)["changed"], DUE + 10);
}

/// The rule's next run goes past a guard, once: what was signed for it approves no second one.
#[test]
fn a_statement_approves_once() {
    let database = Sqlite::database();
    shop::create(&database, DUE, 0);
    let (ssh, approvers) = people();
    let rule = shop::rule();
    let program = Program::installed(&shop::ruled_by(&database, "3s", &rule).top(&approvers));
    assert_eq!(program.run(4)["cause"], "whole_table_due");
    statement(&program, &["web-sessions"]);
    give(&program, &ssh, "web-sessions", "forgetd", &["ciso"]).expect(0);
    assert_eq!(program.run(0)["changed"], DUE);
    shop::add(&database, 1, DUE, 40);
    assert_eq!(program.run(4)["cause"], "whole_table_due");
    let used = give(&program, &ssh, "web-sessions", "forgetd", &["ciso"]);
    assert!(used.stderr.contains("has approved the rule once already"), "{}{}", used.stdout, used.stderr);
    assert_eq!((used.code, shop::rows(&database)), (4, DUE));
}

#[test]
fn the_holder_verifies_whatever_it_is_told() {
    both(|database| {
        shop::create(database, DUE, FRESH);
        let (ssh, approvers) = people();
        let program = Program::installed(&policy(database, &approvers));
        let process = program.start(&["serve", "--listen", "127.0.0.1:0"]);
        until("somebody serves", 60, || program.call(&["status"]).stdout.starts_with("serve@"));
        let noted = program.call(&["approve", "web-sessions"]).expect(4);
        assert!(noted.stdout.contains("not approved: the policy names approvers"), "{}", noted.stdout);
        let file = statement(&program, &["web-sessions"]);

        // Whoever asks has another policy, in which eve approves; the holder knows her not.
        let eve = std::fs::read_to_string(ssh.public("eve")).unwrap();
        let other = format!("approvers: [{{ name: dpo, ssh_key: \"{}\" }}]", eve.trim());
        let rule = shop::rule().with("guard: { cool_off: 24h }").with("schedule: \"0 0 29 2 *\"");
        program.write("other.yaml", &shop::ruled_by(database, "3s", &rule).top(&other).yaml());
        let signature = ssh.sign("eve", "forgetd", &file);
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_forgetd"));
        command.args(["approve", "web-sessions", "--config"]).arg(program.path("other.yaml"));
        command.arg("--signed").arg(&file).arg("--signature").arg(signature).current_dir(program.folder());
        let refused = super::harness::Process::spawn(&mut command).wait().expect(4);
        assert!(refused.stdout.contains("which no approver of the policy has"), "{}{}", refused.stdout, refused.stderr);

        let first = give(&program, &ssh, "web-sessions", "forgetd", &["ciso"]).expect(4);
        assert!(first.stdout.contains("signed by ciso, and not approved yet: 1 more of cto, dpo"), "{}", first.stdout);
        let second = give(&program, &ssh, "web-sessions", "forgetd", &["dpo"]).expect(0);
        assert_eq!(second.stdout, "web-sessions: approved by ciso and dpo\n");
        program.call(&["run"]).expect(0);
        assert_eq!(shop::rows(database), FRESH);
        process.signal("TERM");
        process.wait().expect(0);
        assert_eq!(hows(&program), ["unsigned", "signed", "approved"]);
    });
}

/// A file that was put back, with a folder elsewhere that remembers: going on needs the approvers as well.
#[test]
fn going_on_after_a_restore_needs_signatures() {
    for serving in [false, true] {
        let database = Sqlite::database();
        shop::create(&database, DUE, FRESH);
        let (ssh, approvers) = people();
        let elsewhere = tempfile::tempdir().unwrap();
        let remember = format!("remember: {{ dir: {} }}", elsewhere.path().display());
        let rule = shop::rule().with("schedule: \"0 0 29 2 *\"");
        let policy = shop::ruled_by(&database, "3s", &rule).evidence(&remember).top(&approvers);
        let program = Program::installed(&policy.top("approvals_required: 2"));
        database.rows("pragma wal_checkpoint(truncate)");
        let copy = database.path().with_extension("backup");
        std::fs::copy(database.path(), &copy).unwrap();
        program.run(0);
        for ending in ["db-wal", "db-shm"] {
            drop(std::fs::remove_file(database.path().with_extension(ending)));
        }
        std::fs::copy(&copy, database.path()).unwrap();
        assert_eq!(program.run(4)["cause"], "restored");
        let process = serving.then(|| program.start(&["serve", "--listen", "127.0.0.1:0"]));
        if serving {
            until("somebody serves", 60, || program.call(&["status"]).stdout.starts_with("serve@"));
        }

        let reason = ["--restored", "--reason", "the dump was put back"];
        let unsigned = program.call(&[&["approve"], &reason[..]].concat()).expect(4);
        let unsigned = format!("{}{}", unsigned.stdout, unsigned.stderr);
        assert!(unsigned.contains("none of them signed"), "{unsigned}");
        if !serving {
            let recover = program.call(&["evidence", "recover", "--reason", "the dump was put back"]).expect(4);
            assert!(recover.stderr.contains("none of them signed"), "{}", recover.stderr);
        }
        statement(&program, &reason);
        let one = give(&program, &ssh, "--restored", "forgetd", &["dpo"]).expect(4);
        let one = format!("{}{}", one.stdout, one.stderr);
        assert!(one.contains("2 approvers must sign, all at once; only dpo did"), "{one}");
        assert_eq!(program.call(&["run", "--json"]).expect(4).lines()[0]["cause"], "restored");
        let went = give(&program, &ssh, "--restored", "forgetd", &["dpo", "cto"]).expect(0);
        assert!(went.stdout.starts_with("going on under"), "{}", went.stdout);
        assert_eq!(program.call(&["run", "--json"]).expect(0).lines()[0]["verdict"], "clean");
        if let Some(process) = process {
            process.signal("TERM");
            process.wait().expect(0);
        }
        let entry = program.entries("recovery").pop().unwrap();
        assert_eq!(entry["reason"], "the dump was put back");
        for who in ["dpo", "cto"] {
            let signed = &entry["signed"][who];
            let (text, signature) = (signed["statement"].as_str().unwrap(), signed["signature"].as_str().unwrap());
            assert!(ssh.verifies(who, text, signature), "{entry}");
        }
    }
}
