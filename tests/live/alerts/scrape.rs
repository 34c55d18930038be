//! What Prometheus would have read.

use std::collections::BTreeMap;

use crate::serve::Watched;

/// One look at a process; nothing where it does not answer.
pub(super) struct Scrape(Vec<Sample>);

/// One line.
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

// === impl Scrape ===

impl Scrape {
    /// Reads the metrics of a process.
    pub(super) fn of(watched: &Watched) -> Self {
        let text = watched.metrics().unwrap_or_default();
        Self(text.lines().filter(|line| !line.starts_with('#')).map(Sample::read).collect())
    }

    /// The values of a label where a metric is 1.
    pub(super) fn on(&self, name: &str, label: &str) -> Vec<String> {
        let on = |sample: &&Sample| sample.name == name && sample.value == 1.0;
        self.0.iter().filter(on).map(|sample| sample.labels[label].clone()).collect()
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
