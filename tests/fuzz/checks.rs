//! What must hold for any bytes, for libFuzzer's targets and for their short twins among the tests.

use std::path::Path;

use forgetd::config::{self, LoadOptions, Problems};
use forgetd::evidence::log::{checkpoint, note, tile, tlog_proof};
use forgetd::rules::{Period, Schedule, written};
use forgetd_connector::Path as FieldPath;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A policy file is loaded, or refused with problems that each say where and what to do.
pub(crate) fn config(bytes: &[u8], folder: &Path) {
    let file = folder.join("forgetd.yaml");
    std::fs::write(&file, bytes).expect("the folder is writable");
    if let Err(problems) = config::load(&LoadOptions { file: Some(file), ..LoadOptions::default() }) {
        refused(problems);
    }
}

fn refused(problems: Problems) {
    assert!(!problems.0.is_empty(), "refused without a reason");
    for problem in problems.0 {
        assert!(!problem.place.is_empty() && !problem.fix.is_empty(), "{problem}");
    }
}

/// A condition of `where` is refused with reasons, or written again it means the same. So is a moment of `since`.
pub(crate) fn condition(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match config::condition(text) {
        Ok(condition) => {
            let shown = written::condition(&condition).expect("what was read can be written").to_string();
            let again = config::condition(&shown).unwrap_or_else(|problems| panic!("{shown}: {problems}"));
            assert_eq!(again, condition, "{shown}");
        }
        Err(problems) => refused(problems),
    }
    match config::since(text) {
        Ok(since) => {
            let shown = written::since(&since).expect("what was read can be written").to_string();
            let again = config::since(&shown).unwrap_or_else(|problems| panic!("{shown}: {problems}"));
            assert_eq!(again, since, "{shown}");
        }
        Err(problems) => refused(problems),
    }
}

/// A path is refused with a place inside it, or reads back from its one form.
pub(crate) fn path(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match FieldPath::parse(text) {
        Ok(path) => {
            let shown = path.to_string();
            assert_eq!(FieldPath::parse(&shown).as_ref(), Ok(&path), "{text:?} is shown as {shown:?}");
        }
        Err(error) => assert!((1..=text.chars().count() + 1).contains(&error.at), "{text:?}: {error}"),
    }
}

/// A period reads back from its canonical form, and its cutoff is never early.
pub(crate) fn period(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(period) = Period::parse(text) else { return };
    let shown = period.to_string();
    assert_eq!(Period::parse(&shown).as_ref(), Ok(&period), "{text:?} is shown as {shown:?}");
    let span: jiff::Span = shown.parse().expect("a shown period is a span");
    let zone = TimeZone::get("Europe/Stockholm").expect("the zones are bundled");
    // The end of a short month, both changes of summer time, and a month after the hour that it skips.
    for now in [1_709_200_800, 1_711_846_800, 1_761_354_000, 1_714_437_000] {
        let now = Timestamp::from_second(now).expect("a time of this age of the world");
        if let Some(cutoff) = period.cutoff(now, &zone) {
            let over = cutoff.to_zoned(zone.clone()).checked_add(span).expect("it came from going back");
            assert!(cutoff < now && over.timestamp() <= now, "{shown} before {now} is early: {cutoff}");
        }
    }
}

/// A schedule reads back from its normal form, and fires: later each time, on whole minutes, within its interval.
pub(crate) fn schedule(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // They change their clocks at the end of a day, have left out a day, and change them by half an hour.
    for zone in ["America/Nuuk", "Pacific/Apia", "Australia/Lord_Howe"] {
        let zone = TimeZone::get(zone).expect("the zones are bundled");
        let Ok(schedule) = Schedule::parse(text, zone.clone()) else { continue };
        let again = Schedule::parse(schedule.cron(), zone);
        assert_eq!(again.as_ref(), Ok(&schedule), "{text:?} has the normal form {:?}", schedule.cron());
        // Before the day that was left out, and before changes of autumn and spring.
        for now in [1_325_152_800, 1_729_987_200, 1_774_742_399] {
            let now = Timestamp::from_second(now).expect("a time of this age of the world");
            // An hour that is shown twice may lie between two times of one day.
            let longest =
                schedule.interval(now).expect("it fires again before the year 2100") + SignedDuration::from_hours(1);
            let fires: Vec<Timestamp> = std::iter::once(now).chain(schedule.fires(now).take(8)).collect();
            assert_eq!(fires.len(), 9, "{schedule} after {now} fires {fires:?}");
            for (last, fire) in fires.iter().zip(&fires[1..]) {
                assert!(fire > last && fire.as_second() % 60 == 0, "{schedule}: {fire} after {last}");
                assert!(*last == now || fire.duration_since(*last) <= longest, "{schedule}: {fire} after {last}");
            }
        }
    }
}

/// A note, verifier key, checkpoint or proof is read or refused.
pub(crate) fn note(bytes: &[u8]) {
    let _note = note::parse(bytes);
    if let Ok((checkpoint, _)) = checkpoint::parse(bytes) {
        assert!(bytes.starts_with(checkpoint.text().as_bytes()), "a checkpoint is shown as it was signed");
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _key = note::VerifierKey::parse(text);
        let _proof = tlog_proof::parse(text);
    }
}

/// A tile's path reads back, and a bundle is exactly its entries.
pub(crate) fn tile(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(path) = tile::parse_path(text)
    {
        assert_eq!(path.to_string(), text, "a path has one form");
    }
    let _hashes = tile::parse_hashes(bytes);
    if let Ok(entries) = tile::parse_bundle(bytes) {
        let mut bundle = vec![];
        for entry in entries {
            tile::push_entry(&mut bundle, entry).expect("it came from a bundle");
        }
        assert_eq!(bundle, bytes, "a bundle has one form");
    }
}
