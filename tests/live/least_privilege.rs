//! The role that `install --print` describes, on each engine, with no superuser in sight: it is enough for the whole way from
//! `check` to `evidence verify`, and it is enough for nothing else.

mod documents;
mod mysql;
mod postgres;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::Program;

/// One privilege, lower case, on one object; of one column, or of no column in particular.
type Privilege = (String, String, String);

/// Single privileges of a list of GRANT statements, each as (privilege, object).
fn single(grants: &[String]) -> Vec<(String, String)> {
    let mut all = vec![];
    for grant in grants {
        let text = grant.split_whitespace().collect::<Vec<_>>().join(" ");
        let lower = text.to_lowercase();
        let on = lower.find(" on ").expect("a grant names its object");
        let to = lower.rfind(" to ").expect("a grant names its role");
        let object = &text[on + 4..to];
        for privilege in split_outside_parentheses(&text["grant ".len()..on]) {
            all.push((privilege, object.to_owned()));
        }
    }
    all
}

fn split_outside_parentheses(list: &str) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for c in list.chars() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if c == ',' && depth == 0 {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts.iter().map(|part| part.trim().to_owned()).collect()
}

/// The same with a line for each column, however a server or we write it.
fn privileges(grants: &[String]) -> BTreeSet<Privilege> {
    let bare = |text: &str| text.replace(['"', '`'], "").trim().to_owned();
    let mut all = BTreeSet::new();
    for (privilege, object) in single(grants) {
        let object = bare(object.strip_prefix("table ").unwrap_or(&object));
        let (name, columns) = privilege.split_once('(').unwrap_or((&privilege, ""));
        for column in columns.trim_end_matches(')').split(',') {
            all.insert((bare(name).to_lowercase(), object.clone(), bare(column)));
        }
    }
    all
}

/// What `check --connect` has against going on, as (id, place).
fn red(program: &Program) -> BTreeSet<(String, String)> {
    let checked = program.call(&["check", "--connect", "--json"]);
    let object = checked.object();
    let errors = object["findings"].as_array().expect("findings").iter().filter(|f| f["severity"] == "error");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let red: BTreeSet<_> = errors.map(|finding| (text(&finding["id"]), text(&finding["place"]))).collect();
    assert_eq!(checked.code, if red.is_empty() { 0 } else { 4 }, "{}", checked.stdout);
    red
}

/// Goes the whole way as the role, on which every rule ends `clean`; how many rows each of them changed.
fn whole_way(program: &Program) -> Vec<(String, u64)> {
    assert_eq!(red(program), BTreeSet::new());
    program.call(&["plan"]).expect(0);
    let reports = program.call(&["run", "--json"]).expect(0).lines();
    let changed = reports.iter().map(|report| {
        assert_eq!(report["verdict"], json!("clean"), "{report}");
        (report["rule"].as_str().expect("a rule").to_owned(), report["changed"].as_u64().expect("a number"))
    });
    let changed: Vec<_> = changed.collect();
    program.call(&["evidence", "verify"]).expect(0);
    assert_eq!(program.rows_in_evidence(), changed.iter().map(|(_, rows)| rows).sum::<u64>());
    changed
}

/// A line for the summary of `./test`.
fn went_on(engine: &str) {
    println!("least-privilege run: {engine}");
}

#[test]
fn grants_are_compared_column_by_column() {
    let texts = |grants: &[&str]| privileges(&grants.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
    let ours = ["grant update (`a`, \"b\") on table \"s\".t to r", "grant select on s.t to r"];
    assert_eq!(texts(&ours), texts(&["GRANT SELECT, UPDATE (`b`, `a`) ON `s`.`t` TO `r`@`%`"]));
    assert_eq!(texts(&ours).len(), 3);
    assert_ne!(texts(&ours), texts(&["GRANT SELECT, UPDATE ON `s`.`t` TO `r`@`%`"]));
}
