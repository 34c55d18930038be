//! How resolving speaks, and the small readings that every part needs.

use std::{
    fmt::Display,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::tz::TimeZone;

use crate::{
    config::{
        Problem, limits,
        place::{Place, Sources},
        raw::PeriodText,
        read::{At, Field},
    },
    rules::Period,
};

/// Collects problems.
pub(super) struct Say<'a> {
    pub(super) sources: &'a Sources,
    pub(super) problems: &'a mut Vec<Problem>,
}

// === impl Say ===

impl Say<'_> {
    /// Something is wrong at `place`.
    pub(super) fn at(&mut self, place: Place, message: impl Into<String>, fix: impl Into<String>) {
        self.problems.push(self.sources.problem(place, message, fix));
    }

    /// Something is missing from the main file.
    pub(super) fn missing(&mut self, message: impl Into<String>, fix: impl Into<String>) {
        self.at(Place::default(), message, fix);
    }

    /// A period, however long.
    pub(super) fn period(&mut self, text: &PeriodText, place: Place) -> Option<Period> {
        match Period::parse(&text.0) {
            Ok(period) => Some(period),
            Err(error) => {
                let (message, fix) = split(&error);
                self.at(place, format!("the value {message}"), fix);
                None
            }
        }
    }

    /// A period without a calendar: days are 24 hours, months and years are refused.
    pub(super) fn duration(&mut self, text: &PeriodText, place: Place) -> Option<Duration> {
        let period = self.period(text, place)?;
        let duration = period.as_duration();
        if duration.is_none() {
            self.at(place, "months and years have no fixed length", "write days, hours, minutes or seconds");
        }
        duration
    }

    /// A number in range, or its default.
    pub(super) fn number<T: Copy + PartialOrd + Display>(
        &mut self,
        field: &Field<T>,
        range: &RangeInclusive<T>,
        default: T,
    ) -> T {
        let Some(At { value, place }) = field.get() else { return default };
        if !range.contains(value) {
            self.at(*place, "the number is out of range", format!("write {} to {}", range.start(), range.end()));
        }
        *value
    }

    /// A zone of the time zone database.
    pub(super) fn zone(&mut self, zone: &At<String>) -> Option<TimeZone> {
        match TimeZone::get(&zone.value) {
            // The name must mean the same everywhere, so a machine's own zone is none.
            Ok(found) if found.iana_name().is_some() => Some(found),
            _ => {
                let fix = "write a name of the time zone database, for example Europe/Stockholm or UTC";
                self.at(zone.place, "the time zone is not known", fix);
                None
            }
        }
    }

    /// Text that says something, trimmed.
    pub(super) fn text(&mut self, field: &Field<String>) -> Option<String> {
        let At { value, place } = field.get()?;
        if value.trim().is_empty() {
            self.at(*place, "the text is empty", "write something, or remove the key");
            return None;
        }
        Some(value.trim().into())
    }

    /// A path; a relative one counts from `folder`.
    pub(super) fn path(&mut self, text: &str, place: Place, folder: &Path) -> Option<PathBuf> {
        if text.trim().is_empty() {
            self.at(place, "the path is empty", "write a path");
            return None;
        }
        Some(folder.join(text))
    }
}

/// Whether a name begins with a letter or digit, is not too long, and holds nothing else than `allowed`.
pub(super) fn fits(name: &str, allowed: impl Fn(u8) -> bool) -> bool {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    first && name.len() <= limits::NAME_BYTES_MAX && name.bytes().all(allowed)
}

/// Whether a name can be that of a rule or a database: lower case letters, digits, `-` and `_`.
pub(super) fn is_name(name: &str) -> bool {
    fits(name, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
}

/// An error that says `what is wrong; what to do`, in two.
pub(super) fn split(error: &impl Display) -> (String, String) {
    let text = error.to_string();
    match text.split_once("; ") {
        Some((message, fix)) => (message.into(), fix.into()),
        None => (text, "correct it".into()),
    }
}
