//! Numbers and moments as people read them.

use jiff::{SignedDuration, Timestamp};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A moment: how far it is, and when exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// `3 h ago`, `in 5 d`.
    pub(super) text: String,
    /// RFC 3339, UTC.
    pub(super) exact: String,
}

/// A part of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Whether it is to be typed, or stands in a file.
    pub(super) code: bool,
    pub(super) text: String,
}

/// With a comma at the thousands.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 rule`, `2 rules`.
pub(super) fn counted(n: usize, one: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {one}{s}", count(n as u64))
}

/// A length of time in its largest unit that still says something.
pub(super) fn long(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match seconds {
        0..90 => format!("{seconds} s"),
        90..5400 => format!("{} min", seconds / MINUTE),
        5400..129_600 => format!("{} h", seconds / HOUR),
        // Two months of days.
        129_600..5_184_000 => format!("{} d", seconds / DAY),
        // Two years of months, of 30.44 days.
        5_184_000..63_072_000 => format!("{} mo", seconds * 100 / (DAY * 3044)),
        _ => format!("{} y", seconds * 100 / (DAY * 36_525)),
    }
}

/// How long a run took.
pub(super) fn took(seconds: f64) -> String {
    if seconds < 10.0 { format!("{seconds:.1} s") } else { long(seconds as i64) }
}

/// How long `at` lies back.
pub(super) fn since(at: Timestamp, now: Timestamp) -> String {
    long(now.duration_since(at).as_secs())
}

pub(super) fn moment(at: Timestamp, now: Timestamp) -> Moment {
    let away = at.duration_since(now);
    let text = match away.as_secs() {
        0 => "now".into(),
        ahead @ 1.. => format!("in {}", long(ahead)),
        back => format!("{} ago", long(-back)),
    };
    Moment { text, exact: exact(at) }
}

/// RFC 3339 in UTC, to the second.
pub(super) fn exact(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The day alone.
pub(super) fn day(at: Timestamp) -> String {
    at.strftime("%-d %b %Y").to_string()
}

/// A sentence whose parts between backticks are code.
pub(super) fn prose(text: &str) -> Vec<Piece> {
    let pieces = text.split('`').enumerate().map(|(at, part)| Piece { code: at % 2 == 1, text: part.into() });
    pieces.filter(|piece| !piece.text.is_empty()).collect()
}

/// The command of a sentence that names a rule, with this rule's name.
pub(super) fn command(fix: &str, rule: &str) -> Option<String> {
    let command = fix.split('`').skip(1).step_by(2).find(|code| code.contains("RULE"))?;
    Some(command.replace("RULE", rule))
}

/// How much later than it should have gone a row of `oldest` is there.
pub(super) fn late(oldest: Timestamp, keep_for: &str, now: Timestamp) -> Option<SignedDuration> {
    let end = crate::rules::Period::parse(keep_for).ok()?.after(oldest)?;
    Some(now.duration_since(end)).filter(SignedDuration::is_positive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_lengths_are_short() {
        for (n, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567"), (10_000, "10,000")] {
            assert_eq!(count(n), text);
        }
        assert_eq!((counted(1, "rule"), counted(0, "rule")), ("1 rule".into(), "0 rules".into()));
        for (seconds, text) in [
            (-5, "0 s"),
            (89, "89 s"),
            (90, "1 min"),
            (5_399, "89 min"),
            (5_400, "1 h"),
            (35 * HOUR, "35 h"),
            (36 * HOUR, "1 d"),
            (59 * DAY, "59 d"),
            (60 * DAY, "1 mo"),
            (365 * DAY, "11 mo"),
            (731 * DAY, "2 y"),
        ] {
            assert_eq!(long(seconds), text, "{seconds}");
        }
        assert_eq!((took(0.04), took(12.7)), ("0.0 s".into(), "12 s".into()));
    }

    #[test]
    fn moments_say_how_far_and_when() {
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        for (at, text) in [
            ("2026-11-26T12:00:00Z", "now"),
            ("2026-11-26T15:00:00Z", "in 3 h"),
            ("2026-11-26T11:59:18.4Z", "41 s ago"),
            ("2026-11-20T12:00:00Z", "6 d ago"),
        ] {
            assert_eq!(moment(at.parse().unwrap(), now).text, text);
        }
        assert_eq!(moment(now, now).exact, "2026-11-26T12:00:00Z");
        assert_eq!(day(now), "26 Nov 2026");
    }

    #[test]
    fn commands_are_found_in_fixes() {
        let fix = forgetd_connector::Cause::CoolOff.fix();
        assert_eq!(command(fix, "leads").unwrap(), "forgetd approve leads");
        assert_eq!(command("set `mode: enforce` on the rule", "leads"), None);
        let pieces = prose("look at `forgetd plan`, then wait");
        let parts: Vec<_> = pieces.iter().map(|piece| (piece.code, piece.text.as_str())).collect();
        assert_eq!(parts, [(false, "look at "), (true, "forgetd plan"), (false, ", then wait")]);
    }

    #[test]
    fn rows_are_late_by_the_calendar() {
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        for (oldest, keep_for, hours) in [
            ("2026-10-27T12:00:00Z", "30d", None),
            ("2026-10-27T10:00:00Z", "30d", Some(2)),
            ("2026-05-26T11:00:00Z", "6mo", Some(1)),
            ("2026-05-26T11:00:00Z", "what", None),
        ] {
            let found = late(oldest.parse().unwrap(), keep_for, now).map(|late| late.as_hours());
            assert_eq!(found, hours, "{oldest} {keep_for}");
        }
    }
}
