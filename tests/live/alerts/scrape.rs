//! What Prometheus would have read, and whether an alert would fire on it.

use std::collections::BTreeMap;

use crate::serve::Watched;

/// One look at every process of an instance.
pub(super) struct Scrape {
    /// When, by the clock of the processes.
    at: f64,
    /// How many of them answered.
    answered: usize,
    samples: Vec<Sample>,
}

/// One line.
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

/// An alert, and whether it fires behind these looks; the last is now.
pub(super) type Alert = (&'static str, fn(&[Scrape]) -> bool);

/// The alerts whose metrics exist.
pub(super) const ALERTS: &[Alert] = &[
    ("ForgetdComplianceLagExceeded", |looks| {
        // Every rule of these tests keeps for 30 days.
        let late = |now: &Scrape, oldest: f64| oldest > 0.0 && now.at - oldest > 33.0 * 86_400.0;
        last(looks, |now| now.any("forgetd_rule_oldest_due_timestamp_seconds", |oldest| late(now, oldest)))
    }),
    ("ForgetdRuleNotSucceeding", |looks| {
        let scheduled = |now: &Scrape| now.any("forgetd_rule_schedule_interval_seconds", |interval| interval > 0.0);
        last(looks, |now| scheduled(now) && now.any("forgetd_rule_last_clean_timestamp_seconds", |clean| clean == 0.0))
    }),
    ("ForgetdBacklogGrowing", |looks| {
        let due = |look: &Scrape| look.sum("forgetd_rule_due_rows");
        matches!(looks, [.., before, now] if due(now) > due(before))
    }),
    ("ForgetdNoLeader", |looks| last(looks, |now| now.answered > 0 && now.sum("forgetd_holder") == 0.0)),
    ("ForgetdSplitLeader", |looks| last(looks, |now| now.sum("forgetd_holder") > 1.0)),
    ("ForgetdAbsent", |looks| last(looks, |now| now.answered == 0)),
    ("ForgetdConfigInvalid", |looks| last(looks, |now| now.any("forgetd_config_valid", |valid| valid == 0.0))),
    ("ForgetdRuleBlocked", |looks| last(looks, |now| now.any("forgetd_rule_blocked", |blocked| blocked == 1.0))),
    ("ForgetdThrottledTooLong", |looks| {
        last(looks, |now| now.any("forgetd_paused", |paused| paused == 1.0) && now.sum("forgetd_rule_due_rows") > 0.0)
    }),
    ("ForgetdDatabaseDown", |looks| last(looks, |now| now.any("forgetd_database_up", |up| up == 0.0))),
    ("ForgetdEvidenceAppendFailing", |looks| {
        last(looks, |now| now.sum("forgetd_evidence_append_failures_total") > 0.0)
    }),
    ("ForgetdEvidenceVerifyFailed", |looks| {
        last(looks, |now| now.any("forgetd_evidence_verify_ok", |sound| sound == 0.0))
    }),
    ("ForgetdEvidenceCheckpointStale", |looks| {
        last(looks, |now| {
            let interval = now.sum("forgetd_rule_schedule_interval_seconds");
            let stale = |signed: f64| signed > 0.0 && interval > 0.0 && now.at - signed > 2.0 * interval;
            now.any("forgetd_evidence_last_checkpoint_timestamp_seconds", stale)
        })
    }),
    ("ForgetdPolicySplit", |looks| last(looks, |now| now.any("forgetd_policy_split", |split| split == 1.0))),
    ("ForgetdObservingForgotten", |looks| {
        let observes = |sample: &Sample| sample.name == "forgetd_rule_info" && sample.labels["mode"] == "observe";
        last(looks, |now| now.samples.iter().any(observes))
    }),
];

fn last(looks: &[Scrape], fires: impl Fn(&Scrape) -> bool) -> bool {
    looks.last().is_some_and(fires)
}

// === impl Scrape ===

impl Scrape {
    /// Reads the metrics of these processes, whose clock is so many seconds ahead of the machine's.
    pub(super) fn of(processes: &[&Watched], ahead: f64) -> Self {
        let texts: Vec<String> = processes.iter().filter_map(|process| process.metrics()).collect();
        let now = forgetd::clock::now().duration_since(jiff::Timestamp::UNIX_EPOCH).as_secs_f64();
        let lines = texts.iter().flat_map(|text| text.lines()).filter(|line| !line.starts_with('#'));
        Self { at: now + ahead, answered: texts.len(), samples: lines.map(Sample::read).collect() }
    }

    /// The values of a label where a metric is 1.
    pub(super) fn on(&self, name: &str, label: &str) -> Vec<String> {
        let on = |sample: &&Sample| sample.name == name && sample.value == 1.0;
        self.samples.iter().filter(on).map(|sample| sample.labels[label].clone()).collect()
    }

    fn any(&self, name: &str, holds: impl Fn(f64) -> bool) -> bool {
        self.samples.iter().any(|sample| sample.name == name && holds(sample.value))
    }

    fn sum(&self, name: &str) -> f64 {
        let named = self.samples.iter().filter(|sample| sample.name == name && !sample.value.is_nan());
        named.map(|sample| sample.value).sum()
    }
}

// === impl Sample ===

impl Sample {
    fn read(line: &str) -> Self {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels.trim_end_matches('}').split("\",").filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (label, value) = pair.split_once("=\"").unwrap();
            (label.to_owned(), value.trim_end_matches('"').to_owned())
        };
        Self { name: name.into(), labels: labels.map(pair).collect(), value: value.parse().unwrap() }
    }
}
