//! The chart, the alerts and the dashboard against the program: the same configuration schema, the same metrics, and a page
//! for whoever is woken. What Helm and Prometheus say of them is asked by `./test --stage chart`.
#![allow(clippy::unwrap_used, reason = "a file that cannot be read fails the test")]
#![allow(clippy::print_stdout, reason = "`note:` lines are figures for the summary of ./test")]

mod typed;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use forgetd::cli::Cli;
use forgetd::config::schema;
use forgetd::telemetry::metrics::{ALL, Kind};
use serde_json::Value;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The alerts, each with its lines.
fn alerts() -> BTreeMap<String, String> {
    let rules = text("helm/forgetd/rules/alerts.yaml");
    let parts = rules.split("\n      - alert: ").skip(1);
    parts.map(|part| (part.lines().next().unwrap().to_owned(), part.to_owned())).collect()
}

/// Every word that begins like a metric of ours; a histogram's series count as the histogram.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let histograms: Vec<&str> = ALL.iter().filter(|m| m.kind == Kind::Histogram).map(|m| m.name).collect();
    let base = |word: &str| {
        let parts = ["_bucket", "_sum", "_count"].map(|end| word.strip_suffix(end));
        parts.into_iter().flatten().find(|name| histograms.contains(name)).unwrap_or(word).to_owned()
    };
    words.filter(|word| word.starts_with("forgetd_")).map(base).collect()
}

/// The policy in the chart's values is checked by the very schema that the program prints.
#[test]
fn the_chart_checks_a_policy_as_the_program_does() {
    let path = file("helm/forgetd/values.schema.json");
    let mut values: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let mut ours: Value = serde_json::from_str(&schema()).unwrap();
    let ours = ours.as_object_mut().unwrap();
    ours.remove("$schema");
    let mut expected = ours.remove("$defs").unwrap();
    assert!(expected.as_object_mut().unwrap().insert("Configuration".into(), Value::Object(ours.clone())).is_none());
    if std::env::var_os("UPDATE").is_some() {
        values["$defs"] = expected.clone();
        fs::write(&path, serde_json::to_string_pretty(&values).unwrap() + "\n").unwrap();
    }
    assert!(
        values["$defs"] == expected,
        "run `UPDATE=1 cargo test --test chart` and look at the difference in {}",
        path.display()
    );
    assert_eq!(values["properties"]["config"]["$ref"], "#/$defs/Configuration");
    // Umbrella charts give these to every chart.
    assert!(values["properties"]["global"].is_object() && values["properties"]["enabled"].is_object());
    assert_eq!(values["additionalProperties"], false);
}

/// A metric that is renamed, or a new one that nobody looks at, is seen here.
#[test]
fn alerts_and_dashboard_use_the_metrics_that_there_are_and_all_of_them() {
    let known: BTreeSet<String> = ALL.iter().map(|metric| metric.name.to_owned()).collect();
    let names = ["rules/recording.yaml", "rules/alerts.yaml", "dashboards/forgetd.json"];
    let texts = names.map(|name| text(&format!("helm/forgetd/{name}")));
    for (name, text) in names.iter().zip(&texts) {
        let used = metrics_in(text);
        assert!(used.len() > 3, "{name}: {used:?}");
        assert_eq!(used.difference(&known).collect::<Vec<_>>(), [""; 0], "{name} uses what the program does not have");
    }
    let used = metrics_in(&texts.join("\n"));
    assert_eq!(known.difference(&used).collect::<Vec<_>>(), [""; 0], "nobody looks at these");
}

#[test]
fn every_label_in_an_expression_is_one_of_its_metric() {
    let labels: BTreeSet<&str> = ALL.iter().flat_map(|metric| metric.labels.iter().copied()).collect();
    // What Prometheus adds, and what it calls a histogram's bounds.
    let others = BTreeSet::from(["cluster", "namespace", "job", "pod", "instance", "le"]);
    let mut seen = BTreeSet::new();
    for name in ["rules/recording.yaml", "rules/alerts.yaml", "dashboards/forgetd.json"] {
        let text = text(&format!("helm/forgetd/{name}"));
        for opening in ["by (", "on (", "group_left ("] {
            for part in text.split(opening).skip(1) {
                let list = part.split(')').next().unwrap();
                seen.extend(list.split(',').map(|label| label.trim().to_owned()));
            }
        }
    }
    assert!(seen.len() > 8, "{seen:?}");
    let unknown: Vec<_> =
        seen.iter().filter(|l| !labels.contains(l.as_str()) && !others.contains(l.as_str())).collect();
    assert_eq!(unknown, [""; 0]);
}

#[test]
fn every_alert_says_what_it_is_about_and_has_a_page_and_a_test() {
    let tests = text("tests/chart/alerts_test.yaml") + &text("tests/chart/alerts_of_days_test.yaml");
    let alerts = alerts();
    assert!(alerts.len() > 10, "{alerts:?}");
    for (name, lines) in &alerts {
        for key in ["labels: { severity: ", "summary: ", "description: "] {
            assert!(lines.contains(key), "{name} has no {key}");
        }
        assert!(lines.contains(&format!("runbook_url: https://forgetd.example/docs/runbooks/{name}.md")), "{name}");
        assert!(tests.contains(&format!("\"{name}\"")) || tests.contains(&format!("alertname: {name}\n")), "{name}");
        let page = text(&format!("docs/runbooks/{name}.md"));
        let headings: Vec<&str> = page.lines().filter(|line| line.starts_with('#')).collect();
        assert_eq!(headings, [&*format!("# {name}"), "## Meaning", "## Impact", "## Diagnosis", "## Mitigation"]);
        assert!(page.contains("\nforgetd ") || page.contains("`forgetd "), "{name}: its page gives nothing to type");
    }
    let pages =
        fs::read_dir(file("docs/runbooks")).unwrap().map(|page| page.unwrap().file_name().into_string().unwrap());
    let pages: BTreeSet<String> = pages.filter(|page| page != "README.md").collect();
    assert_eq!(pages, alerts.keys().map(|name| format!("{name}.md")).collect::<BTreeSet<_>>());
}

/// What a page tells somebody to type is understood by the program: verbs and options, not what they find.
#[test]
fn what_pages_say_to_type_is_understood() {
    let mut commands = 0;
    for page in pages() {
        for words in typed(&fs::read_to_string(&page).unwrap()) {
            commands += 1;
            let parsed = Cli::try_parse_from(&words);
            assert!(parsed.is_ok(), "{}: {words:?}\n{}", page.display(), parsed.unwrap_err());
        }
    }
    assert!(commands > 80, "only {commands} commands were found");
}

/// Every page for people: those of the docs, the first one, and those of examples and of the chart.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![file("README.md"), file("helm/forgetd/README.md")];
    for folder in ["docs", "docs/runbooks"] {
        let files = fs::read_dir(file(folder)).unwrap().map(|entry| entry.unwrap().path());
        pages.extend(files.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    let examples = fs::read_dir(file("examples")).unwrap().map(|entry| entry.unwrap().path().join("README.md"));
    pages.extend(examples.filter(|page| page.exists()));
    pages
}

/// The commands of ours in blocks of a shell.
fn typed(page: &str) -> Vec<Vec<String>> {
    let mut shell = false;
    let mut commands = vec![];
    for line in page.lines().map(str::trim) {
        if line.starts_with("```") {
            shell = line == "```sh";
        } else if shell {
            commands.extend(command(line));
        }
    }
    commands
}

/// The command of ours in a line, at its beginning or behind `--`.
fn command(line: &str) -> Option<Vec<String>> {
    let line = line.split(" #").next()?.split(" > ").next()?;
    let at = if line.starts_with("forgetd ") { 0 } else { line.find(" -- forgetd ")? + 4 };
    let parts = line[at..].split(" && ").next()?.split('"').enumerate();
    // Every second part stands in quotes.
    let words = parts.flat_map(|(n, part)| {
        if n % 2 == 1 { vec![part.to_owned()] } else { part.split_whitespace().map(str::to_owned).collect() }
    });
    Some(words.collect())
}
