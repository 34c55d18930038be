//! When a rule fires.

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::say::{Say, split};
use crate::{
    config::{
        limits,
        raw::PeriodText,
        raw_rule::RawSchedule,
        read::{At, Field, TextOr},
    },
    rules::Schedule,
};

/// How late a run may begin.
fn deadline(at: &At<PeriodText>, say: &mut Say<'_>) -> Option<SignedDuration> {
    let deadline = say.duration(&at.value, at.place)?;
    if deadline < limits::STARTING_DEADLINE_MIN {
        let seconds = limits::STARTING_DEADLINE_MIN.as_secs();
        say.at(at.place, "nobody begins that exactly", format!("write at least {seconds}s"));
    }
    SignedDuration::try_from(deadline).ok()
}

/// When a rule fires.
pub(super) fn schedule(at: &At<TextOr<RawSchedule>>, say: &mut Say<'_>) -> Option<Schedule> {
    let mut deadline = None;
    let (cron, place, zone) = match &at.value {
        TextOr::Text(cron) => (cron, at.place, Some(TimeZone::UTC)),
        TextOr::Full(raw) => {
            let zone = match raw.zone.get() {
                Some(zone) => say.zone(zone),
                None => Some(TimeZone::UTC),
            };
            deadline = raw.starting_deadline.get().and_then(|at| self::deadline(at, say));
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
        Ok(schedule) => zone.map(|_| match deadline {
            Some(deadline) => schedule.starting_within(deadline),
            None => schedule,
        }),
        Err(error) => {
            let (message, fix) = split(&error);
            say.at(place, format!("the schedule {message}"), fix);
            None
        }
    }
}
