//! The dashboard's expressions, asked of a Prometheus that has seen something.

use std::collections::BTreeSet;

use serde_json::Value;

use super::rules;
use super::server::Prometheus;

/// Expressions that no state has data for, by panel and letter, with the reason.
const EMPTY: &[(&str, &str)] =
    &[("Rows passed over B", "rows that are held, of which there are none while there are no holds")];

/// What Grafana puts in place of `$__rate_interval`: four scrapes.
const RATE_INTERVAL: &str = "2s";

/// Asks every expression over all the time since the start, and what the selections at the top list; says how many had
/// data. Fails where one is refused, and where one is empty without a reason, or has data and a reason.
pub(super) fn look(prometheus: &Prometheus) -> String {
    let dashboard: Value = serde_json::from_str(&rules::chart_file("dashboards/forgetd.json")).expect("JSON");
    let mut empty = BTreeSet::new();
    let targets = targets(&dashboard["panels"]);
    for (panel, expression) in &targets {
        if prometheus.series(&asked(expression)) == 0 {
            empty.insert(panel.as_str());
        }
    }
    assert!(targets.len() > 40, "{} expressions: the walk is broken", targets.len());
    let excused: BTreeSet<&str> = EMPTY.iter().map(|(panel, _)| *panel).collect();
    assert_eq!(empty, excused, "left: without data; right: said to be so");
    let lists = lists(&dashboard["templating"]["list"]);
    for (label, selector) in &lists {
        assert!(
            prometheus.series(&format!("count by ({label}) ({})", asked(selector))) > 0,
            "no {label} in {selector}"
        );
    }
    for (panel, why) in EMPTY {
        println!("note:   {panel}: NO DATA: {why}");
    }
    let (all, with) = (targets.len(), targets.len() - empty.len());
    format!("dashboard: {all} expressions and {} selections asked, {with} expressions with data", lists.len())
}

/// Every expression, with its panel's title and its letter. Panels may lie in rows.
fn targets(panels: &Value) -> Vec<(String, String)> {
    let mut all = vec![];
    for panel in panels.as_array().into_iter().flatten() {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        for target in panel["targets"].as_array().into_iter().flatten() {
            all.push((format!("{} {}", text(&panel["title"]), text(&target["refId"])), text(&target["expr"])));
        }
        all.extend(targets(&panel["panels"]));
    }
    all
}

/// What `label_values(SELECTOR, LABEL)` asks for: label and selector.
fn lists(variables: &Value) -> Vec<(String, String)> {
    let queries = variables.as_array().into_iter().flatten().filter_map(|variable| variable["definition"].as_str());
    let inner = queries.map(|query| query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')));
    let parts = inner.map(|inner| inner.and_then(|inner| inner.rsplit_once(", ")).expect("label_values"));
    parts.map(|(selector, label)| (label.to_owned(), selector.to_owned())).collect()
}

/// With every selection at "All".
fn asked(expression: &str) -> String {
    let all = ["$namespace", "$job", "$rule"].iter().fold(expression.to_owned(), |text, name| text.replace(name, ".*"));
    all.replace("$__rate_interval", RATE_INTERVAL)
}
