//! Every file of `tests/cases/findings` is a database, a policy, and exactly what `check --connect` says about them.
//! `UPDATE=1` writes what was said into the files; read the difference before it is kept.

mod case;
mod coverage;

use case::{Case, cases, expected};
use serde_json::{Value, json};

use crate::harness::{Database, Mysql, Policy, Postgres, Product, Program, Roles as _, Sqlite, through_pgbouncer};

/// What the tests' own servers and policies are always told. It counts only in the cases that are about it.
const EVERYWHERE: &[&str] =
    &["binlog_keeps_rows", "control_tables", "durability_weak", "evidence_unanchored", "tls_unverified"];

/// A case mostly waits for its server.
const THREADS: usize = 4;

/// A folder with a key, for every case of an engine: making one takes longer than a check.
fn program() -> Program {
    Program::new(&Policy::new("sqlite:none.db")).pseudonym_key()
}

/// What the program says about a case, in the case's own words.
fn said(case: &Case, database: &dyn Database, program: &Program, url: &str, words: &[(&str, &str)]) -> Vec<Value> {
    let url = if case.url.is_empty() { url.to_owned() } else { case.url.replace("{url}", url) };
    let mut config = case.config(&url);
    if database.is_mysql() && config["databases"]["main"].get("control").is_none() {
        config["databases"]["main"]["control"] = json!({ "name": "{control}" });
    }
    program.write("forgetd.yaml", &fill(&config.to_string(), words));
    let output = program.call(&["check", "--connect", "--json"]);
    if !case.teardown.is_empty() {
        database.exec(&fill(&case.teardown, words));
    }
    let object = output.object();
    let mut findings = object["findings"].as_array().expect("findings").clone();
    let worst = if findings.iter().any(|finding| finding["severity"] == "error") { 4 } else { 0 };
    let unreachable = findings.iter().any(|finding| finding["id"] == "unreachable");
    assert_eq!(output.code, if unreachable { 69 } else { worst }, "{}: {}", case.name, output.stdout);
    let named = |id: &Value| case.findings.iter().any(|finding| finding["id"] == *id);
    findings.retain(|finding| named(&finding["id"]) || !EVERYWHERE.iter().any(|id| finding["id"] == *id));
    for text in findings.iter_mut().flat_map(|finding| finding.as_object_mut().expect("an object").values_mut()) {
        let mut plain = text.as_str().expect("text").to_owned();
        for (word, meaning) in words {
            plain = plain.replace(meaning, word);
        }
        *text = json!(plain);
    }
    findings
}

/// Puts the run's own names into a text.
fn fill(text: &str, words: &[(&str, &str)]) -> String {
    words.iter().fold(text.to_owned(), |text, (word, meaning)| text.replace(word, meaning))
}

fn on_postgres(case: &Case, program: &Program) -> Vec<Value> {
    let database = Postgres::database();
    let role = if case.setup.contains("{role}") { database.role() } else { String::new() };
    let folder = program.folder().display().to_string();
    let mut words = vec![("{database}", database.name()), ("{folder}", folder.as_str())];
    if !role.is_empty() {
        // Its name begins with the database's.
        words.insert(0, ("{role}", role.as_str()));
    }
    database.exec(&fill(&case.setup, &words));
    let url = match (case.pooled, role.is_empty()) {
        (true, _) => through_pgbouncer(&database),
        (false, true) => database.url(),
        (false, false) => database.url_as(&role),
    };
    said(case, &database, program, &url, &words)
}

fn on_sqlite(case: &Case, program: &Program) -> Vec<Value> {
    let database = Sqlite::database();
    database.exec(&case.setup);
    let folder = program.folder().display().to_string();
    said(case, &database, program, &database.url(), &[("{folder}", folder.as_str())])
}

fn on_mysql(product: Product, case: &Case, program: &Program) -> Vec<Value> {
    let database = Mysql::on(product);
    let role = if case.setup.contains("{role}") { database.role() } else { String::new() };
    let folder = program.folder().display().to_string();
    // Names that begin with the database's come first.
    let control = database.control_name();
    let mut words =
        vec![("{control}", control.as_str()), ("{database}", database.name()), ("{folder}", folder.as_str())];
    let url = if role.is_empty() {
        database.url()
    } else {
        words.insert(0, ("{role}", role.as_str()));
        database.url_as(&role)
    };
    database.exec(&fill(&case.setup, &words));
    said(case, &database, program, &url, &words)
}

/// A case whose rules cannot act.
pub(crate) struct Blocking {
    pub(crate) name: String,
    /// What is said of it as errors.
    pub(crate) causes: Vec<String>,
    case: Case,
}

/// The cases of PostgreSQL and SQLite whose rules cannot act, and that need nothing but a database.
pub(crate) fn that_block() -> Vec<Blocking> {
    let plain = |case: &Case| {
        let needs = !case.url.is_empty() || case.pooled || !case.teardown.is_empty();
        matches!(case.engine.as_str(), "postgres" | "sqlite") && !needs && !case.setup.contains("{role}")
    };
    let blocking = |case: Case| {
        let errors = case.findings.iter().filter(|finding| finding["severity"] == "error");
        let causes = errors.map(|finding| finding["id"].as_str().unwrap().to_owned()).collect();
        Blocking { name: case.name.clone(), causes, case }
    };
    cases().into_iter().filter(plain).map(blocking).filter(|case| !case.causes.is_empty()).collect()
}

impl Blocking {
    /// Its database, and the program with control tables in it.
    pub(crate) fn install(&self) -> (Box<dyn Database>, Program) {
        let (database, name): (Box<dyn Database>, String) = if self.case.engine == "postgres" {
            let database = Postgres::database();
            let name = database.name().to_owned();
            (Box::new(database), name)
        } else {
            (Box::new(Sqlite::database()), String::new())
        };
        let program = program();
        let folder = program.folder().display().to_string();
        let words = [("{database}", name.as_str()), ("{folder}", folder.as_str())];
        database.exec(&fill(&self.case.setup, &words));
        program.write("forgetd.yaml", &fill(&self.case.config(&database.url()).to_string(), &words));
        program.call(&["install"]);
        (database, program)
    }
}

/// Runs every case of an engine and says every difference.
fn every_case(engine: &str, say: impl Fn(&Case, &Program) -> Vec<Value> + Sync) {
    let cases: Vec<Case> = cases().into_iter().filter(|case| case.engine == engine).collect();
    let difference = |case: &Case, program: &Program| {
        let said = say(case, program);
        if std::env::var_os("UPDATE").is_some() {
            case.update(&said);
            return None;
        }
        let (expected, found) = (expected(&case.findings), expected(&said));
        (said != case.findings).then(|| format!("--- {}: expected\n{expected}--- said\n{found}", case.name))
    };
    let differences: Vec<String> = std::thread::scope(|scope| {
        let part = |part: usize| {
            let program = program();
            let own = cases.iter().skip(part).step_by(THREADS);
            own.filter_map(|case| difference(case, &program)).collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..THREADS).map(|n| scope.spawn(move || part(n))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a case panicked")).collect()
    });
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
}

#[test]
fn every_case_of_postgres_is_told_exactly() {
    every_case("postgres", on_postgres);
}

#[test]
fn every_case_of_sqlite_is_told_exactly() {
    every_case("sqlite", on_sqlite);
}

#[test]
fn every_case_of_mariadb_is_told_exactly() {
    every_case("mariadb", |case, program| on_mysql(Product::MariaDb, case, program));
}

#[test]
fn every_case_of_mysql_is_told_exactly() {
    if Product::there().any(|product| product == Product::MySql) {
        every_case("mysql", |case, program| on_mysql(Product::MySql, case, program));
    }
}
