//! The fuzz targets' checks for a few seconds, on text that comes close to what is meant.

use proptest::prelude::*;

use crate::checks;

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

proptest! {
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
