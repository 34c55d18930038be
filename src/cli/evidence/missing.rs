//! `evidence show --missing`: fire times that left no entry. Silence must be provable, so its absence must show.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;

use super::{log, print, say};
use crate::cli::{USAGE, load};
use crate::clock;
use crate::evidence::each;
use crate::rules::{Rule, Schedule};

/// No more fire times of one rule are looked for.
const FIRES_MAX: usize = 100_000;

/// What counts as served: an entry that one of these begins a fire time's answer with.
const ANSWERS: &[&str] = &["run.started", "run.skipped", "heartbeat"];

/// The parts of an entry that say that a rule was served.
#[derive(Deserialize)]
struct Said<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    at: Timestamp,
    #[serde(default)]
    rule: &'a str,
    /// The fire time it is about, where it says so: it may have been written later.
    fire: Option<Timestamp>,
}

/// Lists fire times of the policy's schedules, as they are now, that no entry answers: from the first entry of each
/// rule on, or from `since`. The newest fire time is left out while it may still be answered. The exit code: 0 where
/// there is none, 3 where there are some, another one where the log or the policy cannot be read.
pub(super) async fn run(file: &Path, rule: Option<&str>, since: Option<Timestamp>, json: bool) -> u8 {
    let config = match load(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    if let Some(rule) = rule.filter(|rule| config.policy.rule(rule).is_none()) {
        say(format_args!("there is no rule called {rule} in {}", file.display()));
        return USAGE;
    }
    let mut answers: BTreeMap<String, Vec<Timestamp>> = BTreeMap::new();
    let read = log::files(file, None, async |files| {
        each(files, &mut |_, entry| {
            if let Ok(said) = serde_json::from_slice::<Said<'_>>(entry)
                && ANSWERS.contains(&said.kind)
            {
                answers.entry(said.rule.to_owned()).or_default().push(said.fire.unwrap_or(said.at));
            }
            true
        })
        .await?;
        Ok(())
    });
    if let Err(code) = read.await {
        return code;
    }
    let mut found = 0;
    for known in config.policy.rules.iter().filter(|known| known.runs() && rule.is_none_or(|rule| rule == known.name)) {
        found += show(known, answers.remove(&known.name).unwrap_or_default(), since, json);
    }
    if found == 0 && !json {
        say("every fire time left an entry");
    }
    if found == 0 { 0 } else { 3 }
}

fn show(rule: &Rule, mut answers: Vec<Timestamp>, since: Option<Timestamp>, json: bool) -> usize {
    let Some(schedule) = &rule.schedule else { return 0 };
    answers.sort_unstable();
    let Some(from) = since.or_else(|| answers.first().copied()) else {
        say(format_args!("{}: there is no entry at all", rule.name));
        return 1;
    };
    let missing = missing(schedule, &answers, from, clock::now());
    for fire in &missing {
        if json {
            print(json!({ "rule": rule.name, "fire": fire }));
        } else {
            print(format_args!("{}  {fire}", rule.name));
        }
    }
    missing.len()
}

/// Fire times from `from` to `now` between which and the next one no answer stands. The newest is left out: its answer
/// may be on its way.
fn missing(schedule: &Schedule, answers: &[Timestamp], from: Timestamp, now: Timestamp) -> Vec<Timestamp> {
    let before = from.checked_sub(SignedDuration::from_secs(1)).unwrap_or(from);
    let mut fires = schedule.fires(before).take(FIRES_MAX).take_while(|fire| *fire <= now).peekable();
    let mut missing = vec![];
    while let Some(fire) = fires.next() {
        let Some(next) = fires.peek() else { break };
        let first = answers.partition_point(|answer| *answer < fire);
        if answers.get(first).is_none_or(|answer| answer >= next) {
            missing.push(fire);
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use jiff::{Timestamp, tz::TimeZone};

    use super::missing;
    use crate::rules::Schedule;

    fn at(text: &str) -> Timestamp {
        format!("2026-06-01T{text}Z").parse().unwrap()
    }

    #[test]
    fn a_fire_time_without_an_entry_before_the_next_one_is_missing() {
        let hourly = Schedule::parse("0 * * * *", TimeZone::UTC).unwrap();
        let found = |answers: &[&str], from: &str, now: &str| {
            let answers: Vec<_> = answers.iter().map(|answer| at(answer)).collect();
            missing(&hourly, &answers, at(from), at(now))
        };
        assert_eq!(found(&["03:00:01", "04:10:00", "05:00:00"], "03:00:00", "06:30:00"), []);
        assert_eq!(found(&["03:00:01", "05:00:00"], "03:00:00", "06:30:00"), [at("04:00:00")]);
        // A late answer is one to the last fire time before it alone.
        assert_eq!(found(&["03:00:01", "05:59:00"], "03:00:00", "06:30:00"), [at("04:00:00")]);
        // The newest may still be answered.
        assert_eq!(found(&[], "03:00:00", "03:30:00"), []);
        assert_eq!(found(&[], "03:00:00", "04:00:00"), [at("03:00:00")]);
    }
}
