//! The chart's rules, with the times in them made short. Nothing else is changed: what is compared with moments that the
//! program says stays as it is, and so those moments have to be real.

use std::path::Path;
use std::time::Duration;

/// Half a day of the rules is a second here.
const SHORTER: u32 = 43_200;

/// No time becomes shorter: a window must hold two scrapes.
const SHORTEST: Duration = Duration::from_secs(1);

/// What stands before a time: how long an alert waits, how often a group is looked at, how far back, how wide a window is.
const BEFORE: [&str; 4] = ["for: ", "interval: ", "offset ", "["];

/// The files that the chart includes.
pub(super) const FILES: [&str; 2] = ["recording.yaml", "alerts.yaml"];

/// An alert of the chart.
pub(super) struct Alert {
    pub(super) name: String,
    /// Whether it is pending before it fires.
    pub(super) waits: bool,
    /// The labels that its texts name.
    pub(super) labels: Vec<String>,
}

/// One of the files, as Prometheus gets it here.
pub(super) fn hastened_file(name: &str) -> String {
    hastened(&text(name))
}

/// Every alert of the chart, in its order.
pub(super) fn alerts() -> Vec<Alert> {
    let rules = text("alerts.yaml");
    let alert = |part: &str| Alert {
        name: part.lines().next().unwrap_or_default().trim().to_owned(),
        waits: part.contains("\n        for: "),
        labels: part.split("$labels.").skip(1).map(word).map(str::to_owned).collect(),
    };
    rules.split("- alert: ").skip(1).map(alert).collect()
}

/// How the rules were changed.
pub(super) fn said() -> String {
    format!("times of the rules divided by {SHORTER}, none below {SHORTEST:?}; nothing else of them changed")
}

fn text(name: &str) -> String {
    chart_file(&format!("rules/{name}"))
}

/// A file of the chart, as it is.
pub(super) fn chart_file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("helm/forgetd").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The same rules, with every time in them divided.
fn hastened(rules: &str) -> String {
    let (mut short, mut rest) = (String::new(), rules);
    while let Some(end) = BEFORE.iter().filter_map(|mark| Some(rest.find(mark)? + mark.len())).min() {
        let (before, behind) = rest.split_at(end);
        let time = word(behind);
        short.push_str(before);
        match seconds(time) {
            Some(long) => short.push_str(&format!("{}ms", (long / SHORTER).max(SHORTEST).as_millis())),
            None => short.push_str(time),
        }
        rest = &behind[time.len()..];
    }
    short + rest
}

/// The letters and digits that a text begins with.
fn word(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())]
}

/// A number and a unit.
fn seconds(time: &str) -> Option<Duration> {
    let (number, unit) = time.split_at(time.find(|c: char| !c.is_ascii_digit())?);
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(number.parse::<u64>().ok()? * unit))
}

#[test]
fn times_are_made_short_and_nothing_else() {
    for (rules, short) in [
        ("for: 14d\n", "for: 28000ms\n"),
        ("for: 15m\nlabels: { severity: info }", "for: 1000ms\nlabels: { severity: info }"),
        ("a offset 3d == 0 and b <= 2 * 25 * 3600 + 3600", "a offset 6000ms == 0 and b <= 2 * 25 * 3600 + 3600"),
        ("increase(a[1d])) > 0 [none] for up to 15m", "increase(a[2000ms])) > 0 [none] for up to 15m"),
        ("interval: 1m\n# for: a while", "interval: 1000ms\n# for: a while"),
    ] {
        assert_eq!(hastened(rules), short);
    }
    // As many as a person counts, so that one that is written otherwise is not left as it is.
    let rules = FILES.map(text).concat();
    let times = rules.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| seconds(word).is_some()).count();
    let short = FILES.map(hastened_file).concat().matches("000ms").count();
    assert!(times == short && short > 20, "{times} times in the rules, {short} of them made short");
}
