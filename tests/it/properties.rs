//! The fuzz targets' checks for a few seconds, on text that comes close to what is meant.

use proptest::prelude::*;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use forgetd::rules::Period;

use crate::{calendar, checks};

/// A policy file that loads; changed in one or two places it mostly does not.
const POLICY: &str = "version: 1
instance: shop
databases:
  crm: { url: { file: crm.url }, throttle: { batch_rows_max: 100 } }
evidence:
  origin: example.org/forgetd/shop
  signing_key: { file: evidence.key }
defaults: { schedule: \"15 3 * * *\", guard: { share_max: 0.2 } }
rules:
  - name: leads
    database: crm
    table: public.lead
    keep_for: 6mo
    since: { column: closed_at, zone: Europe/Stockholm }
    when_null: keep
    where: { status: [closed, lost], region: eu }
    action: delete
    mode: enforce
";

/// Pieces that mean something in YAML or in a policy.
fn piece() -> impl Strategy<Value = String> {
    let pieces = [
        ": ",
        "- ",
        "{",
        "}",
        "[",
        "]",
        "&a",
        "*a",
        "<<: *a",
        "!!int",
        "|\n",
        "\n  ",
        "\t",
        "\"",
        "'",
        "#",
        "null",
        "~",
        "0x10",
        "1e999",
        "-1",
        "30d",
        "P1Y2M",
        "\u{0}",
        "\u{feff}",
        "\u{1f600}",
        "rules:",
        "---\n",
        "...",
        ",",
    ];
    prop_oneof![proptest::sample::select(pieces.to_vec()).prop_map(String::from), "[ -~\n]{0,12}",]
}

#[test]
fn the_policy_that_is_changed_below_loads() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("forgetd.yaml");
    std::fs::write(&file, POLICY).unwrap();
    let options = forgetd::config::LoadOptions { file: Some(file), ..Default::default() };
    let loaded = forgetd::config::load(&options);
    assert!(loaded.is_ok(), "{}", loaded.err().map(|problems| problems.to_string()).unwrap_or_default());
}

#[test]
fn a_period_that_begins_in_the_hour_that_summer_time_skips_is_not_early() {
    for period in ["30d", "1mo", "1y 1mo"] {
        checks::period(period.as_bytes());
    }
}

/// Zones with ordinary changes, a change of half an hour, changes at midnight and over it, and a day that never was.
const ZONES: [&str; 7] = [
    "UTC",
    "Europe/Stockholm",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Pacific/Apia",
    "Asia/Beirut",
];

/// Checks the cutoff of a period against arithmetic that is not its own.
fn cutoff_is_right(period: &str, zone: &str, now: Timestamp) {
    let zone = TimeZone::get(zone).unwrap();
    let cutoff = Period::parse(period).unwrap().cutoff(now, &zone).unwrap();
    assert_eq!(calendar::complaint(cutoff, period, &zone, now), None, "{period} in {zone:?}");
}

#[test]
fn no_row_is_early_whose_period_ends_where_the_calendar_is_uneven() {
    for (period, zone, now) in [
        // A period that began at 02:30 ends at 03:30, behind one that began at 03:10.
        ("30d", "Europe/Stockholm", "2026-03-29T01:10:00Z"),
        ("1mo 12h", "Europe/Stockholm", "2026-03-29T13:10:00Z"),
        // Twelve hours after the second 02:10, a month after it: the first 02:50 is before it and ends later.
        ("1mo 12h", "Europe/Stockholm", "2026-11-25T13:10:00Z"),
        // 31 March ends on 30 April, as 30 March does: late on the 30th ends later than early on the 31st.
        ("1mo 7d 2h", "UTC", "2029-05-08T01:00:00Z"),
        // Going back leads to 30 January, but 1 February is over too.
        ("1mo 49d", "UTC", "2009-04-20T15:30:00Z"),
        // What ends on the day that never was ends on the next.
        ("10d", "Pacific/Apia", "2011-12-31T01:00:00Z"),
    ] {
        cutoff_is_right(period, zone, now.parse().unwrap());
    }
}

proptest! {
    #[test]
    fn calendar_periods_end_neither_early_nor_late(
        second in 631_152_000_i64..2_208_988_800,
        (years, months, days, hours) in (0..4_u32, 0..14_u32, 0..70_u32, 0..40_u32),
        zone in proptest::sample::select(&ZONES[..]),
        around in proptest::option::of(-90_000..90_000_i64),
    ) {
        // Half of the moments lie around a change of the zone's offset.
        let at = Timestamp::from_second(second).unwrap();
        let change = TimeZone::get(zone).unwrap().following(at).next().map(|change| change.timestamp());
        let now = change.zip(around).map_or(at, |(change, around)| change + jiff::SignedDuration::from_secs(around));
        let period = format!("{years}y {months}mo {days}d {hours}h");
        if (years, months, days, hours) != (0, 0, 0, 0) {
            cutoff_is_right(&period, zone, now);
        }
    }

    #[test]
    fn a_changed_policy_is_loaded_or_refused_with_reasons(
        edits in proptest::collection::vec((0..POLICY.len(), 0..20_usize, piece()), 1..3),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut text = POLICY.to_owned();
        for (at, length, piece) in edits {
            let from = at.min(text.len());
            let to = (from + length).min(text.len());
            if text.is_char_boundary(from) && text.is_char_boundary(to) {
                text.replace_range(from..to, &piece);
            }
        }
        checks::config(text.as_bytes(), folder.path());
    }

    #[test]
    fn any_bytes_are_no_policy(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let folder = tempfile::tempdir().unwrap();
        checks::config(&bytes, folder.path());
    }

    #[test]
    fn periods_read_back_and_are_never_early(text in "(P?T?[0-9]{1,6} ?(s|m|h|d|w|mo|y|D|W|M|Y|H|S|days|months|years|ms)? ?){1,4}") {
        checks::period(text.as_bytes());
    }

    #[test]
    fn schedules_read_back_and_fire_later_each_time(
        times in "@(daily|weekly|monthly)|([0-9]|[1-5][0-9]|\\*|\\*/[0-9]{1,2}|[0-9,]{1,6}) ([0-9]|[12][0-9]|\\*|\\*/[0-9]|[0-9]-[0-9]{2}(/[0-9])?)",
        days in "| (\\*|[0-9]{1,2}|[12][0-9]-[23][0-9]|[0-9,/*-]{1,5}) ([*]|[0-9]{1,2}|FEB|feb-Apr|[0-9,/*-]{1,5}) [*]| [*] ([*]|1[0-2]|sep) ([0-7]|mon|Sun-fri|[0-7]-[0-7]|[0-9,/*-]{1,5})",
    ) {
        checks::schedule(format!("{times}{days}").as_bytes());
    }

    #[test]
    fn notes_are_read_or_refused(text in "([a-z./+]{1,12}\n[0-9]{1,20}\n[A-Za-z0-9+/]{43}=\n)?(\n?\u{2014} [a-z+]{1,8} [A-Za-z0-9+/]{4,100}={0,2}\n){0,3}") {
        checks::note(text.as_bytes());
    }

    #[test]
    fn tiles_are_read_or_refused(
        text in "tile/(entries|[0-9]{1,3})(/x?[0-9]{3}){0,4}(\\.p/[0-9]{1,3})?",
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        checks::tile(text.as_bytes());
        checks::tile(&bytes);
    }
}
