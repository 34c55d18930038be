//! Every folder of `tests/cases/config` is a configuration with what loading says about it in `expect.txt`.
//! `UPDATE=1 cargo test` writes the files anew; read the difference before it is kept.

use std::{fs, path::Path};

use forgetd_connector::Predicate;

use super::{Config, LoadOptions, load};
use crate::rules::{Rule, written};

/// Stands for secrets and for people's data in the cases; no message may repeat it.
const MARKER: &str = "MARKER";

#[test]
fn every_case_says_what_is_expected() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/config");
    let mut names: Vec<_> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let (mut broken, mut differences) = (0, vec![]);
    for name in &names {
        let folder = root.join(name);
        let options = LoadOptions { file: Some(folder.join("forgetd.yaml")), ..LoadOptions::default() };
        let prefix = format!("{}/", folder.display());
        let said = match load(&options) {
            Ok(config) => summary(&config),
            Err(problems) => {
                broken += 1;
                assert!(!problems.0.is_empty());
                problems.to_string()
            }
        };
        let said = format!("{}\n", said.replace(&prefix, ""));
        assert!(!said.contains(MARKER), "{}: a value is repeated:\n{said}", name.display());
        let expect = folder.join("expect.txt");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&expect, &said).unwrap();
        }
        let expected = fs::read_to_string(&expect).unwrap_or_default();
        if said != expected {
            differences.push(format!("--- {}: expected\n{expected}--- said\n{said}", name.display()));
        }
    }
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
    assert!(broken >= 150, "only {broken} broken configurations");
}

/// What a good configuration means, without its files.
fn summary(config: &Config) -> String {
    let mut lines = vec![
        format!("instance {} {:?}", config.instance, config.coordination),
        format!("evidence {:?}", config.evidence),
    ];
    lines.extend(config.databases.iter().map(|database| format!("{database:?}")));
    lines.extend(config.pseudonym_keys.iter().map(|key| format!("{key:?}")));
    let approvers = &config.policy.approvers;
    if !approvers.is_empty() {
        lines.push(format!("approvers {} of {:?}", approvers.required, approvers.fingerprints()));
    }
    lines.extend(config.policy.rules.iter().map(rule));
    lines.join("\n")
}

fn rule(rule: &Rule) -> String {
    let since = written::since(&rule.since).map_or("?".into(), |since| since.to_string());
    let condition = match &rule.predicate {
        all if *all == Predicate::always() => "everything".into(),
        predicate => written::condition(predicate).map_or("?".into(), |condition| condition.to_string()),
    };
    let native = rule.native.as_ref().map(|native| format!("\n  native {native}")).unwrap_or_default();
    let schedule = rule.schedule.as_ref().map(ToString::to_string);
    format!(
        "rule {} {}.{}\n  keep {} since {since} null {:?}\n  where {condition}{native}\n  {:?} {:?} {:?} {:?} {:?}\n  {:?} {:?} {schedule:?}",
        rule.name,
        rule.database,
        rule.table,
        rule.keep_for,
        rule.when_null,
        rule.action,
        rule.mode,
        rule.cap.rows_per_run,
        rule.guard,
        rule.row_evidence,
        rule.legal_basis,
        rule.purpose,
    )
}
