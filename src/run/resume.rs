//! Whether a run that broke off goes on, or a new one takes its place.

use forgetd_connector::{Catalog, Fault, RunRow};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;

use super::{Session, Site, close};
use crate::rules::{QuietWindows, Rule};

/// The interval of a rule that nothing fires, or nothing any more.
const INTERVAL: SignedDuration = SignedDuration::from_hours(24);

/// No run goes on that rested for longer, however seldom its rule fires: its guards judged what was due when it began.
const RESTS_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Whether a run of the rule goes on that was last at work at a moment: less than one interval of the rule ago. Time in
/// which its database is quiet does not count, since it could not go on then; so neither do days that a purge needs at
/// night, nor hours that it worked.
pub(super) fn is_young(rule: &Rule, quiet: &QuietWindows, at: Timestamp, now: Timestamp) -> bool {
    let interval = rule.schedule.as_ref().and_then(|schedule| schedule.interval(now)).unwrap_or(INTERVAL);
    let most = interval.min(RESTS_MAX);
    quiet.open_between(at, now, most) < most
}

/// The run of this rule that broke off and goes on. Those that do not are closed as superseded.
pub(super) async fn resume(
    session: &Session<'_>,
    site: &Site<'_>,
    rule: &Rule,
    catalog: &Catalog,
    now: Timestamp,
) -> Result<Option<RunRow>, Fault> {
    let mut open: Option<RunRow> = None;
    for row in site.control.unfinished().await? {
        if row.rule != rule.name {
            continue;
        }
        let same = row.rule_digest == rule.digest() && row.catalog_digest == hex::encode(catalog.digest());
        if same && open.is_none() && goes_on(session, site, rule, &row, now).await? {
            open = Some(row);
        } else {
            close::supersede(session, site, row).await?;
        }
    }
    Ok(open)
}

async fn goes_on(
    session: &Session<'_>,
    site: &Site<'_>,
    rule: &Rule,
    row: &RunRow,
    now: Timestamp,
) -> Result<bool, Fault> {
    let quiet = session.config.quiet(&rule.database);
    let known = session.broke_off(&rule.name, &row.run).unwrap_or(row.started_at).max(row.started_at);
    if is_young(rule, quiet, known, now) {
        return Ok(true);
    }
    // A process that was killed wrote down nothing but its batches.
    let bodies = site.control.batches(&row.run).await?;
    let newest = bodies.iter().filter_map(|body| written_at(body)).max();
    Ok(newest.is_some_and(|at| is_young(rule, quiet, at, now)))
}

fn written_at(body: &[u8]) -> Option<Timestamp> {
    serde_json::from_slice::<Json>(body).ok()?["at"].as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp, tz::TimeZone};

    use super::is_young;
    use crate::rules::testing::rule;
    use crate::rules::{QuietWindow, QuietWindows, Rule, Schedule};

    fn fires(cron: &str) -> Rule {
        Rule { schedule: Some(Schedule::parse(cron, TimeZone::UTC).unwrap()), ..rule("old", "t") }
    }

    /// How many whole hours after a Monday noon a run of the rule goes on that broke off then.
    fn hours(rule: &Rule, quiet: &QuietWindows) -> i64 {
        let noon: Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
        let young = |hour: &i64| is_young(rule, quiet, noon, noon + SignedDuration::from_hours(*hour));
        (0..24 * 60).take_while(young).count().try_into().unwrap()
    }

    #[test]
    fn a_run_goes_on_for_one_interval_and_a_week_at_most() {
        let never = QuietWindows::default();
        for (cron, expected) in
            [("0 * * * *", 1), ("0 */6 * * *", 6), ("15 3 * * *", 24), ("15 3 * * mon,thu", 96), ("0 0 1 * *", 168)]
        {
            assert_eq!(hours(&fires(cron), &never), expected, "{cron}");
        }
        assert_eq!(hours(&rule("old", "t"), &never), 24, "nothing fires it");
        let noon: Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
        let before = noon - SignedDuration::from_hours(1);
        assert!(is_young(&fires("0 * * * *"), &never, noon, before), "a clock that was set back");
    }

    #[test]
    fn quiet_time_does_not_count() {
        let window = |from, to, days| QuietWindow::parse(from, to, days, TimeZone::UTC).unwrap();
        let daily = fires("15 3 * * *");
        // Two nights of twelve hours.
        let days = QuietWindows::new(vec![window("08:00", "20:00", "*")]).unwrap();
        assert_eq!(hours(&daily, &days), 8 + 12 + 12 + 12);
        // All but one hour of a week, which is on Sunday night.
        let week = vec![window("00:00", "24:00", "mon-sat"), window("00:00", "23:00", "sun")];
        let week = QuietWindows::new(week).unwrap();
        assert_eq!(hours(&fires("0 * * * *"), &week), 12 + 6 * 24);
    }
}
