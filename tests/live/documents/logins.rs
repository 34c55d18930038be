//! Who may connect, and what a login that may not do everything gets: an exit code and a cause, and never `clean`.

use std::process::Command;

use mongodb::bson::doc;
use serde_json::{Value, json};

use super::silent_zero::{DUE, fill, rule};
use crate::harness::{Ferret, Mongo, Policy, Program, Rule};

const PASSWORD: &str = "a secret of the test";

/// A login of the test's own. It goes when dropped.
struct Login<'a> {
    documents: &'a Mongo,
    name: String,
}

impl<'a> Login<'a> {
    fn new(documents: &'a Mongo) -> Self {
        let name = documents.name().to_owned();
        let roles =
            [doc! { "role": "readWriteAnyDatabase", "db": "admin" }, doc! { "role": "clusterAdmin", "db": "admin" }];
        documents.command("admin", doc! { "createUser": &name, "pwd": PASSWORD, "roles": roles.to_vec() });
        Self { documents, name }
    }

    /// The URL of this server for the login, with this password.
    fn url(&self, server: &str, password: &str) -> String {
        let url = self.documents.url_at(server);
        let url = url.replacen("://", &format!("://{}:{}@", self.name, password.replace(' ', "%20")), 1);
        format!("{url}&authSource=admin&serverSelectionTimeoutMS=3000")
    }
}

impl Drop for Login<'_> {
    fn drop(&mut self) {
        self.documents.command("admin", doc! { "dropUser": &self.name });
    }
}

/// A program whose URL stands in a file, as one with a password has to.
fn program(documents: &Mongo, url: &str, rule: &Rule) -> Program {
    let policy = Policy::new(&documents.url()).rule(rule);
    let program = Program::new(&policy);
    program.write("forgetd.yaml", &policy.yaml().replace(&documents.url(), "{ file: url }"));
    program.write("url", url);
    program
}

#[test]
fn a_login_is_asked_for_its_password() {
    let (Some(ferret), Some(documents)) = (Ferret::there(), Mongo::database()) else { return };
    fill(&documents);
    let login = Login::new(&documents);
    let program = program(&documents, &login.url(&ferret.login, PASSWORD), &rule());
    program.call(&["install"]).expect(0);
    program.write("url", &format!("{}&authMechanism=SCRAM-SHA-256", login.url(&ferret.login, PASSWORD)));
    program.call(&["check", "--connect"]).expect(0);
    for (url, code, words) in [
        (login.url(&ferret.login, "another"), 69, "refused the login"),
        (documents.url_at(&ferret.login), 4, "privilege"),
    ] {
        program.write("url", &url);
        for args in [&["check", "--connect"][..], &["run", "--json"]] {
            let output = program.call(args);
            let said = format!("{}\n{}", output.stdout, output.stderr);
            assert_eq!(output.code, code, "{args:?}: {said}");
            assert!(said.contains(words), "{args:?}: {said}");
            assert!(!said.contains("another") && !output.stdout.contains("\"clean\""), "{args:?}: {said}");
        }
    }
    assert_eq!(documents.count("visit", doc! {}), DUE + 1);
    program.write("url", &login.url(&ferret.login, PASSWORD));
    let report = program.run(0);
    assert_eq!((&report["verdict"], &report["changed"]), (&json!("clean"), &json!(DUE)), "{report}");
}

#[test]
fn a_server_is_known_by_its_authority() {
    let (Some(ferret), Some(documents)) = (Ferret::there(), Mongo::database()) else { return };
    fill(&documents);
    let url = |ca: &str| format!("{}&serverSelectionTimeoutMS=2000{ca}", documents.url_at(&ferret.tls));
    let right = url(&format!("&tlsCAFile={}", ferret.ca.display()));
    let program = program(&documents, &right, &rule());
    let other = program.path("other.crt");
    let key = program.path("other.key");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=other"])
        .args(["-keyout".as_ref(), key.as_os_str(), "-out".as_ref(), other.as_os_str()])
        .output()
        .expect("openssl");
    assert!(made.status.success());
    program.call(&["install"]).expect(0);
    for wrong in [url(&format!("&tlsCAFile={}", other.display())), url("")] {
        program.write("url", &wrong);
        let output = program.call(&["run", "--json"]);
        let said = format!("{}\n{}", output.stdout, output.stderr);
        assert_eq!(output.code, 69, "{said}");
        assert!(said.contains("an authority that is not trusted: see tlsCAFile"), "{said}");
    }
    // Who does not encrypt is not answered.
    program.write(
        "url",
        &right.replace("tls=true", "tls=false").replace(&format!("&tlsCAFile={}", ferret.ca.display()), ""),
    );
    program.call(&["run", "--json"]).expect(69);
    assert_eq!(documents.count("visit", doc! {}), DUE + 1);
    program.write("url", &right);
    let report = program.run(0);
    assert_eq!((&report["verdict"], &report["changed"]), (&json!("clean"), &json!(DUE)), "{report}");
}

fn findings(program: &Program, code: i32) -> Vec<(String, String)> {
    let check = program.call(&["check", "--connect", "--json"]).expect(code).object();
    let text = |finding: &Value, part: &str| finding[part].as_str().unwrap().to_owned();
    check["findings"].as_array().unwrap().iter().map(|found| (text(found, "id"), text(found, "message"))).collect()
}

#[test]
fn a_login_that_may_only_read_blocks_its_rules_by_name() {
    let (Some(ferret), Some(documents)) = (Ferret::there(), Mongo::database()) else { return };
    fill(&documents);
    let redact =
        Rule::transform("visits", "visit", "at", "{ columns: { note: { redact: gone } } }").with("when_null: keep");
    for (rule, action) in [(rule(), "remove"), (redact, "update")] {
        let program = program(&documents, &documents.url(), &rule);
        program.call(&["install"]).expect(0);
        program.write("url", &documents.url_at(&ferret.reader));
        let output = program.call(&["run", "--json"]);
        assert_eq!(
            output.code, 4,
            "it may not even write what it keeps of itself: {}\n{}",
            output.stdout, output.stderr
        );
        ferret.let_write(&documents.control_name());
        let found = findings(&program, 4);
        let lacks = format!("the login lacks {action} on the collection");
        assert!(found.contains(&("privilege".into(), lacks)), "{found:?}");
        let report = program.run(4);
        assert_eq!((&report["verdict"], &report["cause"]), (&json!("blocked"), &json!("privilege")), "{report}");
        assert_eq!(report["changed"], json!(0), "{report}");
        assert_eq!(documents.count("visit", doc! { "note": { "$ne": "gone" } }), DUE + 1);
        documents.command(&documents.control_name(), doc! { "dropDatabase": 1 });
    }
}
