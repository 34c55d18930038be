//! Every example loads, names the schema, and, where it needs no server, is checked and planned by the real program.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "an example that cannot be set up fails the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use forgetd::config::{LoadOptions, load};
use serde_json::Value;

fn examples() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let folders = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = folders.filter(|folder| folder.join("forgetd.yaml").exists()).collect();
    folders.sort();
    folders
}

fn forgetd(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forgetd"));
    command.args(args).arg("--config").arg(folder.join("forgetd.yaml")).output().unwrap()
}

/// A copy of an example with its tables in `app.db`.
fn sqlite() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/sqlite");
    fs::copy(example.join("forgetd.yaml"), folder.path().join("forgetd.yaml")).unwrap();
    let session = rusqlite::Connection::open(folder.path().join("app.db")).unwrap();
    session.execute_batch(&fs::read_to_string(example.join("app.sql")).unwrap()).unwrap();
    folder
}

#[test]
fn every_example_loads_and_names_the_schema() {
    let folders = examples();
    assert!(folders.len() >= 2, "{folders:?}");
    for folder in folders {
        let file = folder.join("forgetd.yaml");
        let options = LoadOptions { file: Some(file.clone()), ..LoadOptions::default() };
        let config = load(&options).unwrap_or_else(|problems| panic!("{problems}"));
        assert!(!config.policy.rules.is_empty());
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("# yaml-language-server: $schema=../../schema/forgetd.schema.json\n"));
        assert!(folder.join("README.md").exists(), "{} has no README.md", folder.display());
        let output = forgetd(&folder, &["check"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_sqlite_example_is_planned_row_by_row() {
    let folder = sqlite();
    let output = forgetd(folder.path(), &["plan", "--json", "--detailed-exitcode"]);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let plans: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found: Vec<(&str, bool, u64)> = plans
        .iter()
        .map(|plan| {
            (plan["rule"].as_str().unwrap(), plan["due_exact"].as_bool().unwrap(), plan["due"].as_u64().unwrap())
        })
        .collect();
    // Six months are 181 to 184 days, and every second day has a deleted note, up to 400 days ago.
    let [("deleted-notes", true, notes), ("sign-ins", true, sign_ins), ("uploads", true, uploads)] = found[..] else {
        panic!("{found:?}");
    };
    assert!((54..=55).contains(&notes), "{notes}");
    assert!((109..=111).contains(&sign_ins), "{sign_ins}");
    assert!((112..=114).contains(&uploads), "{uploads}");
    let plan = forgetd(folder.path(), &["plan"]);
    assert_eq!(plan.status.code(), Some(0));
    let text = String::from_utf8(plan.stdout).unwrap();
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert!(text.contains("only look; with `mode: enforce` it would delete"), "{text}");
}

/// The commands of the example's README, in their order.
#[test]
fn the_sqlite_example_acts_once_its_rules_are_approved() {
    let folder = sqlite();
    let key = folder.path().join("evidence.key");
    fs::create_dir(folder.path().join("remember")).unwrap();
    let call = |args: &[&str], code: i32| {
        let output = forgetd(folder.path(), args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    };
    call(&["keys", "new", "evidence", "--out", key.to_str().unwrap()], 0);
    call(&["install"], 0);
    call(&["check", "--connect"], 0);
    assert!(call(&["plan"], 0).contains("nothing yet: the rule was never approved"));
    assert!(call(&["run", "--json"], 4).contains("cool_off"));
    call(&["approve"], 0);
    let text = call(&["run", "--json"], 0);
    let reports: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(reports.len(), 3);
    assert!(reports.iter().all(|report| report["cause"] == "observe" || report["verdict"] == "clean"), "{text}");
    call(&["evidence", "verify"], 0);
}

#[test]
fn check_says_what_is_missing_and_writes_nothing() {
    let folder = sqlite();
    let before = fs::read(folder.path().join("app.db")).unwrap();
    let output = forgetd(folder.path(), &["check", "--connect", "--json"]);
    assert_eq!(output.status.code(), Some(4));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let ids: Vec<&str> = findings.iter().map(|finding| finding["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"control_tables") && ids.contains(&"remember_missing"), "{ids:?}");
    assert!(!ids.contains(&"evidence_unanchored"), "{ids:?}");
    assert_eq!(report["databases"]["app"]["atomicity"], "atomic");
    assert_eq!(fs::read(folder.path().join("app.db")).unwrap(), before);

    let file = folder.path().join("forgetd.yaml");
    let policy = fs::read_to_string(&file).unwrap().replace("  remember: { dir: remember }\n", "");
    fs::write(&file, policy.replace("table: upload", "table: uploads")).unwrap();
    let output = forgetd(folder.path(), &["check", "--connect"]);
    assert_eq!(output.status.code(), Some(4));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("warning  evidence_unanchored"), "{text}");
    assert!(text.contains("table_missing"), "{text}");
}

#[test]
fn a_broken_policy_exits_with_78_and_says_everything() {
    let folder = sqlite();
    let file = folder.path().join("forgetd.yaml");
    let policy = fs::read_to_string(&file).unwrap();
    fs::write(&file, policy.replace("keep_for: 90d", "keep_for: 90").replace("state:", "state: [no], other:")).unwrap();
    for verb in ["check", "plan"] {
        let output = forgetd(folder.path(), &[verb]);
        assert_eq!(output.status.code(), Some(78), "{verb}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("has no unit") && text.contains("yes, no, on and off"), "{text}");
    }
}

/// The commands of the example's README, in their order; then what it promises.
#[test]
fn the_example_of_pseudonyms_keeps_the_sales_and_takes_the_names() {
    let folder = tempfile::tempdir().unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/pseudonyms");
    fs::copy(example.join("forgetd.yaml"), folder.path().join("forgetd.yaml")).unwrap();
    fs::create_dir(folder.path().join("remember")).unwrap();
    let open = |name: &str| rusqlite::Connection::open(folder.path().join(name)).unwrap();
    for name in ["shop", "letters"] {
        let script = fs::read_to_string(example.join(format!("{name}.sql"))).unwrap();
        open(&format!("{name}.db")).execute_batch(&script).unwrap();
    }
    let texts = |database: &str, query: &str| -> Vec<String> {
        let connection = open(database);
        let mut statement = connection.prepare(query).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let sales = "select country || substr(sold_on, 1, 7) || count(*) || sum(cents) from sale \
                 group by country, substr(sold_on, 1, 7) order by 1";
    let before = texts("shop.db", sales);
    let call = |args: &[&str]| {
        let output = forgetd(folder.path(), args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    };
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    call(&["keys", "new", "evidence", "--out", &path("evidence.key")]);
    call(&["keys", "new", "pseudonym", "--domain", "readers", "--out", &path("readers.key")]);
    for args in [["install"].as_slice(), &["check", "--connect"], &["plan"], &["approve"]] {
        call(args);
    }
    let reports = |text: &str| -> Vec<(String, u64)> {
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .map(|report| {
                assert_eq!(report["verdict"], "clean", "{report}");
                (report["rule"].as_str().unwrap().to_owned(), report["changed"].as_u64().unwrap())
            })
            .collect()
    };
    let changed = reports(&call(&["run", "--json"]));
    assert!(changed.iter().all(|(_, rows)| *rows > 0), "{changed:?}");
    assert_eq!(texts("shop.db", sales), before, "the sales are what they were");
    let tokens = |database: &str, table: &str| {
        texts(database, &format!("select email from {table} where email like 'fg1%@pseudonym.invalid' order by email"))
    };
    let (readers, recipients) = (tokens("shop.db", "reader"), tokens("letters.db", "recipient"));
    assert!(readers.len() > 50 && recipients.len() == 150, "{} {}", readers.len(), recipients.len());
    let both = readers.iter().filter(|token| recipients.binary_search(token).is_ok()).count();
    assert_eq!(both, readers.len(), "whoever is forgotten in the shop is among those who got no letter either");
    assert_eq!(
        texts("shop.db", "select data from reader where forgotten_at is not null and data not like '%null%'"),
        [""; 0]
    );
    assert!(call(&["keys", "list", "--connect"]).contains("readers"));
    let again = reports(&call(&["run", "--json"]));
    assert!(again.iter().all(|(_, rows)| *rows == 0), "{again:?}");
}
