//! Schedules: five cron fields as people know them, in a zone.
//!
//! The `cron` crate reads another dialect (six or seven fields, weekdays from 1, days of month AND of week), so fields
//! are checked and translated here and never handed over raw.

use std::fmt;

use jiff::tz::TimeZone;
use thiserror::Error;

/// When a rule fires: five cron fields or an alias, in a zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// The five fields in normal form: names and ranges as numbers, Sunday as 0.
    pub cron: String,
    /// The zone the fields are read in; UTC unless said.
    pub zone: TimeZone,
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

/// One of the five.
struct Field {
    name: &'static str,
    min: u8,
    max: u8,
    names: &'static [&'static str],
}

const WEEKDAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const FIELDS: [Field; 5] = [
    Field { name: "minute", min: 0, max: 59, names: &[] },
    Field { name: "hour", min: 0, max: 23, names: &[] },
    Field { name: "day of month", min: 1, max: 31, names: &[] },
    Field {
        name: "month",
        min: 1,
        max: 12,
        names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    },
    // 7 is Sunday too, as in Vixie's cron.
    Field { name: "day of week", min: 0, max: 7, names: WEEKDAYS },
];

const ALIASES: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

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
        if days.len() < 31 && weekdays.len() < 7 {
            return Err(ScheduleError::TwoDays);
        }
        if !months.iter().any(|month| days[0] <= days_in(*month)) {
            return Err(ScheduleError::Never);
        }
        let cron = FIELDS.iter().zip(&sets).map(|(field, set)| field.text(set)).collect::<Vec<_>>().join(" ");
        let schedule = Self { cron, zone };
        // The same text, read by the crate that will fire it.
        schedule.seven_fields().parse::<cron::Schedule>().map_err(|_| ScheduleError::Never)?;
        Ok(schedule)
    }

    /// The schedule in the `cron` crate's dialect: seconds first, weekdays by name, years last.
    pub fn seven_fields(&self) -> String {
        let (rest, weekdays) = self.cron.rsplit_once(' ').unwrap_or((&self.cron, "*"));
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
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.cron, self.zone.iana_name().unwrap_or("UTC"))
    }
}

// === impl Field ===

impl Field {
    /// The values the field's text stands for, ascending; never empty.
    fn parse(&self, text: &str) -> Result<Vec<u8>, ScheduleError> {
        let error = || ScheduleError::Field { field: self.name, min: self.min, max: self.max };
        let mut set = std::collections::BTreeSet::new();
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, Some(step.parse::<u8>().map_err(|_| error())?)),
                None => (part, None),
            };
            let (first, last) = match range.split_once('-') {
                _ if range == "*" => (self.min, self.last()),
                Some((first, last)) => (self.number(first).ok_or_else(error)?, self.number(last).ok_or_else(error)?),
                // A step counts through a range; through one number it says nothing.
                None if step.is_some() => return Err(error()),
                None => {
                    let only = self.number(range).ok_or_else(error)?;
                    (only, only)
                }
            };
            // A step longer than the field would silently mean "once".
            if first > last || step.is_some_and(|step| step == 0 || step > self.last() - self.min) {
                return Err(error());
            }
            set.extend((first..=last).step_by(step.unwrap_or(1).into()).map(|value| self.fold(value)));
        }
        Ok(set.into_iter().collect())
    }

    /// A number in range, or a name.
    fn number(&self, text: &str) -> Option<u8> {
        if let Some(index) = self.names.iter().position(|name| text.eq_ignore_ascii_case(name)) {
            return u8::try_from(index).ok().map(|index| index + self.min);
        }
        let plain = !text.is_empty() && text.len() <= 2 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|number| plain && (self.min..=self.max).contains(number))
    }

    /// The greatest value once 7 is Sunday.
    const fn last(&self) -> u8 {
        if self.max == 7 { 6 } else { self.max }
    }

    const fn fold(&self, value: u8) -> u8 {
        if value > self.last() { self.min } else { value }
    }

    fn text(&self, set: &[u8]) -> String {
        if set.len() == usize::from(self.last() - self.min) + 1 {
            return "*".into();
        }
        set.iter().map(u8::to_string).collect::<Vec<_>>().join(",")
    }
}

/// The most days a month can have.
const fn days_in(month: u8) -> u8 {
    match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::{Schedule, ScheduleError};

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
        let schedule = Schedule::parse("0 4 * * 7,1", TimeZone::UTC).unwrap();
        assert_eq!(schedule.seven_fields(), "0 0 4 * * sun,mon *");
        assert!(schedule.seven_fields().parse::<cron::Schedule>().is_ok());
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
            ("0 0 31 2,4 *", ScheduleError::Never),
        ] {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
    }
}
