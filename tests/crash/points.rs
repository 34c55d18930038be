//! Every named fault point of a lane, before and after: the program dies there, or the answer is lost.

use forgetd_connector::fault_point::POINTS;

use crate::lane::{ABSENT, Coordination, Lane, Site};
use crate::ledger::Ledger;
use crate::report::{Counts, Found};
use crate::watch::Report;

/// Rows that are due each time: some batches behind the one in which a point is met.
const ROWS: u64 = 60;

/// Points that only one kind of lane passes.
const ATOMIC: &[&str] = &["change", "receipt", "commit"];
const SEALED: &[&str] = &["pick", "seal", "finish", "unseal"];

/// Points that no run passes; the tests of their verbs do.
const NEVER: &[&str] = &["key.destroy", "standing.keep", "request.answer"];

/// In how many ways points are passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ways {
    /// Each in every way.
    All,
    /// Those of batches in every way, the others in one: where only what batches do differs from another lane.
    OfBatches,
}

/// Passes every point and returns the last line, as an error where it must fail.
pub(crate) fn run(lane: Lane, ways: Ways) -> Result<String, String> {
    let Some(site) = Site::new(lane, ROWS) else { return Ok(ABSENT.into()) };
    let mut counts = Counts::default();
    let mut ledger = Ledger::new();
    let mut missed = vec![];
    let other = if lane.is_sealed() { ATOMIC } else { SEALED };
    let points = POINTS.iter().filter(|point| !other.contains(point) && !NEVER.contains(point));
    let of_batches = |point: &str| ATOMIC.contains(&point) || SEALED.contains(&point);
    let ways = |point: &str| if ways == Ways::All || of_batches(point) { &WAYS[..] } else { &WAYS[..1] };
    for (point, (side, action)) in points.flat_map(|point| ways(point).iter().map(move |way| (point, way))) {
        // A later batch for what every batch passes, so that a position is carried over.
        let nth = if of_batches(point) { 3 } else { 1 };
        let place = format!("{point}.{side}");
        site.coordinate(Coordination::None);
        site.seed();
        ledger.begin();
        let report = Report::open(site.program());
        let (variable, path) = report.variable();
        let fault = format!("{place}={action}@{nth}");
        let environment = [(variable, path.as_str()), ("FORGETD_FAULT", fault.as_str())];
        let output = site.start(&environment).wait();
        let reached = report.rest().contains(&format!("{place} {nth}"));
        if !reached || (*action == "kill" && output.code != -1) {
            let said = output.stderr.lines().last().unwrap_or_default();
            missed.push(format!("{fault} (exit {}: {said})", output.code));
        }
        ledger.died(&site, &mut counts);
        site.recover().map_err(|why| format!("{fault}: {why}"))?;
        ledger.end(&site, &mut counts).map_err(|why| format!("{fault}: {why}"))?;
        counts.rounds += 1;
    }
    ledger.compare(&site, &mut counts)?;
    let line = format!("points={}{}", counts.rounds, Found(lane, &counts));
    if !missed.is_empty() {
        return Err(format!("{line}\nnever reached: {}", missed.join(", ")));
    }
    if counts.agree() { Ok(line) } else { Err(line) }
}

/// After it is done and before; the process dies, or the step's answer is a lost connection.
const WAYS: [(&str, &str); 4] = [("after", "kill"), ("before", "kill"), ("before", "fail"), ("after", "fail")];
