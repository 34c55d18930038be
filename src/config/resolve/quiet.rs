//! The hours in which nothing is started in a database.

use jiff::tz::TimeZone;

use super::say::{Say, split};
use crate::config::raw::{RawQuiet, RawThrottle};
use crate::config::read::{At, Field};
use crate::rules::{QuietWindow, QuietWindows};

/// The windows of a database. What is wrong with them has been said.
pub(super) fn windows(throttle: &Field<RawThrottle>, say: &mut Say<'_>) -> QuietWindows {
    let Some(At { value, place }) = throttle.value().and_then(|throttle| throttle.quiet.get()) else {
        return QuietWindows::default();
    };
    let windows = value.iter().filter_map(|field| window(field.get()?, say)).collect();
    QuietWindows::new(windows).unwrap_or_else(|error| {
        let (message, fix) = split(&error);
        say.at(*place, format!("the quiet windows {message}"), fix);
        QuietWindows::default()
    })
}

fn window(at: &At<RawQuiet>, say: &mut Say<'_>) -> Option<QuietWindow> {
    let raw = &at.value;
    for (key, field) in [("from", &raw.from), ("to", &raw.to)] {
        if field.is_absent() {
            let fix = "write for example `{ from: \"08:00\", to: \"18:00\" }`";
            say.at(at.place, format!("the quiet window has no `{key}`"), fix);
        }
    }
    let zone = match raw.zone.get() {
        Some(zone) => say.zone(zone),
        None => Some(TimeZone::UTC),
    };
    let (from, to) = (raw.from.value()?, raw.to.value()?);
    let days = raw.days.value().map_or("*", String::as_str);
    match QuietWindow::parse(from, to, days, zone.clone().unwrap_or(TimeZone::UTC)) {
        Ok(window) => zone.map(|_| window),
        Err(error) => {
            let (message, fix) = split(&error);
            say.at(at.place, format!("the quiet window {message}"), fix);
            None
        }
    }
}
