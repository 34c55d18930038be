//! Every named fault point of a lane, before and after: the program dies there, or the answer is lost.

use forgetd_connector::fault_point::POINTS;

use crate::lane::{Coordination, Lane, Site};
use crate::ledger::Ledger;
use crate::report::Counts;
use crate::watch::Report;

/// Points that only one kind of lane passes.
const ATOMIC: &[&str] = &["change", "receipt", "commit"];
const SEALED: &[&str] = &["pick", "seal", "finish", "unseal"];

/// Points that no run passes; the tests of their verbs do.
const NEVER: &[&str] = &["key.destroy"];

/// Passes every point four ways and returns the last line, as an error where it must fail.
pub(crate) fn run(lane: Lane) -> Result<String, String> {
    let site = Site::new(lane);
    let mut counts = Counts::default();
    let mut ledger = Ledger::new();
    let mut missed = vec![];
    let other = if lane.is_sealed() { ATOMIC } else { SEALED };
    let points = POINTS.iter().filter(|point| !other.contains(point) && !NEVER.contains(point));
    for (point, side, action) in points.flat_map(|point| WAYS.map(|(side, action)| (point, side, action))) {
        // A later batch for what every batch passes, so that a position is carried over.
        let nth = if ATOMIC.contains(point) || SEALED.contains(point) { 3 } else { 1 };
        let place = format!("{point}.{side}");
        site.coordinate(Coordination::None);
        site.seed();
        ledger.begin();
        let report = Report::open(&site);
        let (variable, path) = report.variable();
        let fault = format!("{place}={action}@{nth}");
        let environment = [(variable, path.as_str()), ("FORGETD_FAULT", fault.as_str())];
        let output = site.start(&environment).wait();
        let reached = report.rest().contains(&format!("{place} {nth}"));
        if !reached || (action == "kill" && output.code != -1) {
            let said = output.stderr.lines().last().unwrap_or_default();
            missed.push(format!("{fault} (exit {}: {said})", output.code));
        }
        site.recover().map_err(|why| format!("{fault}: {why}"))?;
        ledger.end(site.gone());
        counts.rounds += 1;
    }
    ledger.compare(&site, &mut counts)?;
    let Counts { rounds, gone, in_log, lost, doubled, .. } = counts;
    let line = format!("points={rounds} gone={gone} in_log={in_log} lost={lost} doubled={doubled}");
    if !missed.is_empty() {
        return Err(format!("{line}\nnever reached: {}", missed.join(", ")));
    }
    if counts.agree() { Ok(line) } else { Err(line) }
}

/// Before it is done and after; the process dies, or the step's answer is a lost connection.
const WAYS: [(&str, &str); 4] = [("before", "kill"), ("before", "fail"), ("after", "kill"), ("after", "fail")];
