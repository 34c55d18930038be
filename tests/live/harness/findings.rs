//! What `check --connect` says about a whole policy.

use serde_json::Value;

use super::Program;

/// A finding's id, and its places without the database's name.
pub(crate) type Findings = [(&'static str, &'static [&'static str])];

/// Checks that exactly this is said, once each, and that the check ends with `code`.
#[track_caller]
pub(crate) fn assert_findings(program: &Program, database: &str, code: i32, expected: &Findings) {
    let report = program.call(&["check", "--connect", "--json"]).expect(code).object();
    let found = |finding: &Value| {
        let place = finding["place"].as_str().unwrap_or_default();
        let place = place.strip_prefix(database).unwrap_or(place).trim_start_matches('.');
        (finding["id"].as_str().unwrap_or_default().to_owned(), place.to_owned())
    };
    let mut found: Vec<_> = report["findings"].as_array().expect("findings").iter().map(found).collect();
    let places = expected.iter().flat_map(|(id, places)| places.iter().map(|place| ((*id).into(), (*place).into())));
    let mut expected: Vec<(String, String)> = places.collect();
    found.sort();
    expected.sort();
    let only = |these: &[(String, String)], those: &[(String, String)]| -> Vec<String> {
        these.iter().filter(|finding| !those.contains(finding)).map(|(id, place)| format!("{id} {place}")).collect()
    };
    let (more, less) = (only(&found, &expected), only(&expected, &found));
    assert!(more.is_empty() && less.is_empty(), "not expected: {more:#?}\nmissing: {less:#?}");
    assert_eq!(found, expected, "something is said twice");
}
