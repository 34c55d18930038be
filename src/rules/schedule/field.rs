//! One field of a schedule: its text to the set of its values and back.

use std::collections::BTreeSet;

use super::ScheduleError;

/// One of the five.
pub(super) struct Field {
    name: &'static str,
    min: u8,
    max: u8,
    names: &'static [&'static str],
}

pub(super) const WEEKDAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

pub(super) const FIELDS: [Field; 5] = [
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

pub(super) const ALIASES: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

// === impl Field ===

impl Field {
    /// The values the field's text stands for, ascending; never empty.
    pub(super) fn parse(&self, text: &str) -> Result<Vec<u8>, ScheduleError> {
        let error = || ScheduleError::Field { field: self.name, min: self.min, max: self.max };
        let mut set = BTreeSet::new();
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

    /// Whether a set leaves out nothing.
    pub(super) fn is_all(&self, set: &[u8]) -> bool {
        set.len() == usize::from(self.last() - self.min) + 1
    }

    /// The normal form of a set.
    pub(super) fn text(&self, set: &[u8]) -> String {
        if self.is_all(set) {
            return "*".into();
        }
        set.iter().map(u8::to_string).collect::<Vec<_>>().join(",")
    }
}

/// The most days a month can have.
pub(super) const fn days_in(month: u8) -> u8 {
    match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
