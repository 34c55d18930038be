//! The policies of examples for clusters and for compose, on the engines that they are for.

use std::path::Path;

use serde_json::Value;

use crate::harness::{Database, Mongo, Mysql, Policy, Postgres, Program, Sqlite};

fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The policy below `config:` in a chart's values, or deeper in those of an umbrella.
fn policy_in(values: &str) -> String {
    let text = example(values);
    let lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|line| line.trim() == "config:").expect("values with a policy");
    let indent = lines[at].len() - "config:".len() + 2;
    let below =
        lines[at + 1..].iter().take_while(|line| line.is_empty() || line.len() - line.trim_start().len() >= indent);
    below.map(|line| line.get(indent..).unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// A database of the example: how its entry begins, where it is here, and what its control tables are called.
struct Place {
    entry: &'static str,
    url: String,
    control: Option<String>,
}

/// Installs, checks, approves and runs the policy, whose secrets lie in the program's folder here.
fn deployed(policy: &str, places: &[Place], run: &[&str]) -> Vec<Value> {
    let program = Program::new(&Policy::new("sqlite:none"));
    let mut text = policy.replace("/run/secrets/forgetd/", "").replace("/keys/", "");
    for (n, place) in places.iter().enumerate() {
        let file = format!("url-{n}");
        program.write(&file, &place.url);
        let at = text.find(place.entry).unwrap_or_else(|| panic!("{}: {text}", place.entry));
        // The entry stands in braces, or in lines of its own.
        let line = &text[text[..at].rfind('\n').map_or(0, |end| end + 1)..at];
        let between = if line.trim().is_empty() { format!("\n{line}") } else { ", ".into() };
        let control =
            place.control.as_ref().map_or(String::new(), |name| format!("{between}control: {{ name: {name} }}"));
        text.replace_range(at..at + place.entry.len(), &format!("url: {{ file: {file} }}{control}"));
    }
    program.write("forgetd.yaml", &text);
    if let Some(domain) =
        ["shop-people", "people"].into_iter().find(|name| text.contains(&format!("domain: {name}, file")))
    {
        let key = program.path("people.key");
        program.call(&["keys", "new", "pseudonym", "--domain", domain, "--out", key.to_str().unwrap()]).expect(0);
    }
    for args in [["install"].as_slice(), &["check", "--connect"], &["plan"], &["approve"]] {
        program.call(args).expect(0);
    }
    let reports = program.call(run).expect(0).lines();
    program.call(&["evidence", "verify"]).expect(0);
    reports
}

/// Every rule that acts is clean and changed something; one that looks says so.
fn assert_forgot(reports: &[Value], rules: usize) {
    assert_eq!(reports.len(), rules, "{reports:?}");
    for report in reports {
        if report["cause"] != "observe" {
            assert_eq!(report["verdict"], "clean", "{report}");
            assert!(report["changed"].as_u64().unwrap() > 0, "{report}");
        }
    }
}

fn shop() -> Postgres {
    let database = Postgres::database();
    database.exec(&example("postgres-sidecar/shop.sql"));
    database
}

fn forum(database: &Mysql) -> String {
    database.exec(&example("mysql-forum/forum.sql"));
    database.url()
}

fn bank(documents: &Mongo) -> String {
    for collection in ["customer", "application", "session"] {
        let text = example(&format!("mongodb-bank/{collection}.json"));
        documents.insert(collection, text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
    documents.url()
}

#[test]
fn the_umbrella_s_sidecar_forgets() {
    let shop = shop();
    let place = Place { entry: "url: { file: shop-url }", url: shop.url(), control: None };
    let reports = deployed(&policy_in("kubernetes-sidecar/values.yaml"), &[place], &["run", "--json"]);
    assert_forgot(&reports, 3);
    assert_eq!(shop.count("select count(*) from customer where email like 'fg1%' and full_name is null"), 91);
}

#[test]
fn the_kustomized_sidecar_looks() {
    let shop = shop();
    let before = shop.count("select count(*) from web_session");
    let place = Place { entry: "url: { file: shop-url }", url: shop.url(), control: None };
    let reports = deployed(&example("kubernetes-kustomize/forgetd.yaml"), &[place], &["run", "--json"]);
    assert_eq!(reports[0]["cause"], "observe", "{reports:?}");
    assert_eq!(shop.count("select count(*) from web_session"), before);
}

#[test]
fn the_deployment_forgets_in_postgresql_and_mongodb_and_gives_one_person_one_token() {
    let Some(documents) = Mongo::database() else { return };
    let shop = shop();
    // Somebody who is a former customer of both.
    shop.exec("update customer set email = 'ann@example.com' where id = 200");
    let places = [
        Place { entry: "url: { file: shop-url }", url: shop.url(), control: None },
        Place { entry: "url: { file: bank-url }", url: bank(&documents), control: Some(documents.control_name()) },
    ];
    // What is quiet in the example would depend on the hour.
    let policy = policy_in("kubernetes-deployment/values.yaml");
    let policy = policy.lines().filter(|line| !line.contains("quiet:")).collect::<Vec<_>>().join("\n");
    assert_forgot(&deployed(&policy, &places, &["run", "--json"]), 4);
    let token = shop.value("select email from customer where id = 200");
    let ann = documents.find("customer", mongodb::bson::doc! { "_id": 1 });
    assert!(token.starts_with("fg1"), "{token}");
    assert_eq!(ann[0]["email"], token.as_str());
}

#[test]
fn the_cron_job_runs_what_is_overdue() {
    for database in Mysql::each() {
        let url = forum(&database);
        let place = Place { entry: "url: { file: forum-url }", url, control: Some(database.control_name()) };
        let policy = policy_in("kubernetes-cronjob/values.yaml");
        assert_forgot(&deployed(&policy, &[place], &["run", "--overdue", "--json", "--wait=1m"]), 2);
    }
}

#[test]
fn the_compose_file_s_policy_forgets_on_every_engine_at_once() {
    let Some(documents) = Mongo::database() else { return };
    let notes = Sqlite::database();
    notes.exec(&example("sqlite/app.sql"));
    let shop = shop();
    let forums: Vec<Mysql> = Mysql::each().chain(Mysql::each()).take(2).collect();
    let [first, second] = &forums[..] else { panic!("no server of MySQL's or MariaDB's") };
    let mut places = vec![
        Place { entry: "url: { env: SHOP_URL }", url: shop.url(), control: None },
        Place { entry: "url: { env: BANK_URL }", url: bank(&documents), control: Some(documents.control_name()) },
        Place { entry: "url: { env: NOTES_URL }", url: notes.url(), control: None },
    ];
    for (entry, database) in [("url: { env: FORUM_URL }", first), ("url: { env: BOARD_URL }", second)] {
        places.push(Place { entry, url: forum(database), control: Some(database.control_name()) });
    }
    let reports = deployed(&example("compose/forgetd.yaml"), &places, &["run", "--json"]);
    assert_forgot(&reports, 7);
}
