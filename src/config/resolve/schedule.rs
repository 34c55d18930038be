//! When a rule fires.

use jiff::tz::TimeZone;

use super::say::{Say, split};
use crate::{
    config::{
        raw_rule::RawSchedule,
        read::{At, Field, TextOr},
    },
    rules::Schedule,
};

/// When a rule fires.
pub(super) fn schedule(at: &At<TextOr<RawSchedule>>, say: &mut Say<'_>) -> Option<Schedule> {
    let (cron, place, zone) = match &at.value {
        TextOr::Text(cron) => (cron, at.place, Some(TimeZone::UTC)),
        TextOr::Full(raw) => {
            let zone = match raw.zone.get() {
                Some(zone) => say.zone(zone),
                None => Some(TimeZone::UTC),
            };
            match &raw.cron {
                Field::Absent => {
                    say.at(at.place, "`schedule` has no `cron`", "write `schedule: { cron: \"15 3 * * *\" }`");
                    return None;
                }
                field => {
                    let cron = field.get()?;
                    (&cron.value, cron.place, zone)
                }
            }
        }
    };
    match Schedule::parse(cron, zone.clone().unwrap_or(TimeZone::UTC)) {
        Ok(schedule) => zone.map(|_| schedule),
        Err(error) => {
            let (message, fix) = split(&error);
            say.at(place, format!("the schedule {message}"), fix);
            None
        }
    }
}
