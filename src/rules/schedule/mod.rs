//! Schedules: five cron fields as people know them, in a zone.
//!
//! The `cron` crate reads another dialect (six or seven fields, weekdays from 1, days of month AND of week), so fields
//! are checked and translated here and never handed over raw.

mod field;
mod fire;

use std::fmt;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use field::{ALIASES, FIELDS, WEEKDAYS, days_in};

/// When a rule fires: five cron fields or an alias, in a zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    cron: String,
    zone: TimeZone,
    /// The same fields, read by the crate that knows the calendar.
    wall: cron::Schedule,
    /// How late a run may begin; nothing: however late.
    deadline: Option<SignedDuration>,
}

/// Why a text is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScheduleError {
    /// Another number of fields than five.
    #[error("has {0} fields, not five; write minute, hour, day of month, month and day of week{1}")]
    Fields(usize, &'static str),
    /// An alias nobody knows.
    #[error("is no alias; write @hourly, @daily, @weekly, @monthly, @yearly or five fields")]
    Alias,
    /// A field that cannot be read.
    #[error(
        "has a {field} that cannot be read; write *, a number from {min} to {max}, a range a-b, a list a,b or a step */n"
    )]
    Field {
        /// Its name.
        field: &'static str,
        /// Its least value.
        min: u8,
        /// Its greatest value.
        max: u8,
    },
    /// Day of month and day of week both restricted: some crons fire on either, some on both.
    #[error(
        "restricts day of month and day of week, which crons read differently; restrict one of them and write * for the other"
    )]
    TwoDays,
    /// No date fits.
    #[error("never fires: no month it names has such a day; correct day of month or month")]
    Never,
}

// === impl Schedule ===

impl Schedule {
    /// Reads five fields or an alias.
    pub fn parse(text: &str, zone: TimeZone) -> Result<Self, ScheduleError> {
        let text = text.trim();
        let fields = if text.starts_with('@') {
            let alias = ALIASES.iter().find(|(alias, _)| text.eq_ignore_ascii_case(alias));
            alias.ok_or(ScheduleError::Alias)?.1
        } else {
            text
        };
        let parts: Vec<&str> = fields.split_ascii_whitespace().collect();
        if parts.len() != FIELDS.len() {
            let hint = if parts.len() == 6 { "; seconds are not scheduled" } else { "" };
            return Err(ScheduleError::Fields(parts.len(), hint));
        }
        let sets: Vec<Vec<u8>> =
            FIELDS.iter().zip(&parts).map(|(field, part)| field.parse(part)).collect::<Result<_, _>>()?;
        let (days, months, weekdays) = (&sets[2], &sets[3], &sets[4]);
        // Crons that fire on either day look for the star: to them 0-6 is a restriction, and makes every day a match.
        let free = |field: usize| FIELDS[field].is_all(&sets[field]) && parts[field].starts_with('*');
        if (days.len() < 31 || weekdays.len() < 7) && !free(2) && !free(4) {
            return Err(ScheduleError::TwoDays);
        }
        if !months.iter().any(|month| days[0] <= days_in(*month)) {
            return Err(ScheduleError::Never);
        }
        let cron = FIELDS.iter().zip(&sets).map(|(field, set)| field.text(set)).collect::<Vec<_>>().join(" ");
        let wall = seven_fields(&cron).parse().map_err(|_| ScheduleError::Never)?;
        Ok(Self { cron, zone, wall, deadline: None })
    }

    /// The same, of which no run begins later than this after its fire time.
    #[must_use]
    pub fn starting_within(self, deadline: SignedDuration) -> Self {
        Self { deadline: Some(deadline), ..self }
    }

    /// How late a run may begin, if that is limited.
    pub const fn deadline(&self) -> Option<SignedDuration> {
        self.deadline
    }

    /// Whether it is too late to begin for this fire time.
    pub fn is_late(&self, fire: Timestamp, now: Timestamp) -> bool {
        self.deadline.is_some_and(|deadline| now.duration_since(fire) > deadline)
    }

    /// The five fields in normal form: names and ranges as numbers, Sunday as 0.
    pub fn cron(&self) -> &str {
        &self.cron
    }

    /// The zone the fields are read in; UTC unless said.
    pub const fn zone(&self) -> &TimeZone {
        &self.zone
    }
}

/// The days of a week that a text names as the last of five fields would, Sunday as 0.
pub(super) fn weekdays(text: &str) -> Result<Vec<u8>, ScheduleError> {
    FIELDS[4].parse(text.trim())
}

/// A normal form in the `cron` crate's dialect: seconds first, weekdays by name, years last.
fn seven_fields(cron: &str) -> String {
    let (rest, weekdays) = cron.rsplit_once(' ').unwrap_or((cron, "*"));
    let weekdays = match weekdays {
        "*" => "*".into(),
        list => list
            .split(',')
            .filter_map(|day| WEEKDAYS.get(day.parse::<usize>().ok()?).copied())
            .collect::<Vec<_>>()
            .join(","),
    };
    format!("0 {rest} {weekdays} *")
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.cron, self.zone.iana_name().unwrap_or("UTC"))?;
        match self.deadline {
            Some(deadline) => write!(f, ", within {deadline:#}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::{Schedule, ScheduleError, seven_fields};

    fn parse(text: &str) -> Result<String, ScheduleError> {
        Schedule::parse(text, TimeZone::UTC).map(|schedule| schedule.cron)
    }

    #[test]
    fn fields_and_aliases_have_one_normal_form() {
        for (text, cron) in [
            ("15 3 * * *", "15 3 * * *"),
            ("  15   3 * * * ", "15 3 * * *"),
            ("@daily", "0 0 * * *"),
            ("@WEEKLY", "0 0 * * 0"),
            ("0 4 * * 7", "0 4 * * 0"),
            ("0 4 * * sun", "0 4 * * 0"),
            ("0 4 * * 5-7", "0 4 * * 0,5,6"),
            ("0 4 * * mon-fri", "0 4 * * 1,2,3,4,5"),
            ("0 4 * * 0-7", "0 4 * * *"),
            ("0 4 1-31 * 0-6", "0 4 * * *"),
            ("0 4 */1 * 1", "0 4 * * 1"),
            ("*/20 * * * *", "0,20,40 * * * *"),
            ("0 0-6/3 * * *", "0 0,3,6 * * *"),
            ("0 0 1 JAN,jul *", "0 0 1 1,7 *"),
            ("0 0 29 2 *", "0 0 29 2 *"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(cron), "{text}");
        }
    }

    #[test]
    fn weekdays_reach_the_cron_crate_by_name() {
        assert_eq!(seven_fields(&parse("0 4 * * 7,1").unwrap()), "0 0 4 * * sun,mon *");
    }

    #[test]
    fn what_crons_read_differently_is_refused() {
        let field = |field, min, max| ScheduleError::Field { field, min, max };
        for (text, error) in [
            ("0 15 3 * * *", ScheduleError::Fields(6, "; seconds are not scheduled")),
            ("15 3 * *", ScheduleError::Fields(4, "")),
            ("", ScheduleError::Fields(0, "")),
            ("@fortnightly", ScheduleError::Alias),
            ("60 3 * * *", field("minute", 0, 59)),
            ("0 24 * * *", field("hour", 0, 23)),
            ("0 0 0 * *", field("day of month", 1, 31)),
            ("0 0 * 13 *", field("month", 1, 12)),
            ("0 0 * * 8", field("day of week", 0, 7)),
            ("*/90 * * * *", field("minute", 0, 59)),
            ("*/0 * * * *", field("minute", 0, 59)),
            ("5/10 * * * *", field("minute", 0, 59)),
            ("6-5 * * * *", field("minute", 0, 59)),
            ("1,,2 * * * *", field("minute", 0, 59)),
            ("0 0 L * *", field("day of month", 1, 31)),
            ("0 0 ? * 1", field("day of month", 1, 31)),
            ("0 0 * * 1#2", field("day of week", 0, 7)),
            ("+5 0 * * *", field("minute", 0, 59)),
            ("0 0 1 * 1", ScheduleError::TwoDays),
            ("0 0 */2 * 1", ScheduleError::TwoDays),
            ("0 0 1 * 0-6", ScheduleError::TwoDays),
            ("0 0 1-31 * 1", ScheduleError::TwoDays),
            ("0 0 31 2,4 *", ScheduleError::Never),
        ] {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
    }
}
