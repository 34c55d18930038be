//! `action: { transform: .. }`.

use std::collections::BTreeMap;

use forgetd_connector::{Grain, Path, PathStep, Value};

use super::say::{Say, split};
use crate::{
    config::{
        limits,
        place::Place,
        raw_transform::{RawCheckDigit, RawGrain, RawReferences, RawTokenKind, RawTransform, RawTreatment},
        raw_where::RawWhere,
        read::{At, Field, TextOr},
        words,
    },
    rules::{Period, Transform},
    transform::{CheckDigit, TokenKind, Treatment},
};

/// Words of `generalize` that name a part of a date.
const PARTS: [(&str, Grain); 4] =
    [("day", Grain::Day), ("month", Grain::Month), ("quarter", Grain::Quarter), ("year", Grain::Year)];

/// The domains that have a key; absent where `pseudonym_keys` is broken.
pub(super) type Domains<'a> = Option<&'a [&'a str]>;

/// What a rule writes. Nothing: broken, and said.
pub(super) fn transform(
    raw: &RawTransform,
    place: Place,
    domains: Domains<'_>,
    say: &mut Say<'_>,
) -> Option<Transform> {
    let marker = match raw.marker.get() {
        Some(marker) if marker.value.is_empty() => {
            say.at(marker.place, "the name of the marker is empty", "name a column, or remove the key");
            None
        }
        marker => marker.map(|marker| marker.value.clone()),
    };
    let version = raw.version.get().and_then(|version| self::version(version, say));
    let sweep = sweep(raw, say);
    let Some(columns) = raw.columns.get() else {
        if raw.columns.is_absent() {
            let fix = "write `columns: { email: { pseudonymize: email, domain: .. }, name: { redact: null } }`";
            say.at(place, "`transform` has no `columns`", fix);
        }
        return None;
    };
    let entries = &columns.value.0;
    if entries.is_empty() || entries.len() > limits::PLACES_MAX {
        let fix = format!("name 1 to {} columns or places", limits::PLACES_MAX);
        say.at(columns.place, "a transform says what happens to its columns", fix);
        return None;
    }
    let read: Vec<Option<(Path, Treatment)>> = entries
        .iter()
        .map(|(name, field)| {
            let at = field.get()?;
            let path = path(name, at.place, say);
            let treatment = treatment(at, domains, say);
            Some((path?, treatment?))
        })
        .collect();
    let places: BTreeMap<Path, Treatment> = read.into_iter().collect::<Option<_>>()?;
    apart(&places, marker.as_deref(), columns.place, say);
    if let (Some(version), Some(at)) = (&version, raw.version.get()) {
        counts_alone(version, &places, marker.as_deref(), at.place, say);
    }
    let references_follow = matches!(raw.references.value(), Some(RawReferences::Follow));
    Some(Transform { places, marker, version, sweep, references_follow })
}

fn sweep(raw: &RawTransform, say: &mut Say<'_>) -> Period {
    let written = raw.sweep.get().and_then(|sweep| Some((say.period(&sweep.value, sweep.place)?, sweep.place)));
    let Some((period, place)) = written else { return limits::sweep() };
    if period.as_duration().is_some_and(|sweep| sweep < limits::SWEEP_MIN) {
        say.at(place, "a sweep reads the whole table: that often is too often", "write at least 1d");
    }
    if !limits::sweep_max().covers(&period) {
        let message =
            "rows that are written long after their moment are found by sweeps only: that seldom is too seldom";
        say.at(place, message, "write at most 1y");
    }
    period
}

fn path(name: &str, place: Place, say: &mut Say<'_>) -> Option<Path> {
    match Path::parse(name) {
        Ok(path) if path.steps.len() > limits::NESTING_MAX => {
            let fix = format!("name a place at most {} steps deep", limits::NESTING_MAX);
            say.at(place, "the path has too many steps", fix);
            None
        }
        Ok(path) => Some(path),
        Err(error) => {
            let (message, fix) = split(&error);
            say.at(place, message, fix);
            None
        }
    }
}

/// No place is written twice, and none lies in another one.
fn apart(places: &BTreeMap<Path, Treatment>, marker: Option<&str>, place: Place, say: &mut Say<'_>) {
    let paths: Vec<&Path> = places.keys().collect();
    for (n, path) in paths.iter().enumerate() {
        let inside = |other: &&&Path| other.column == path.column && other.steps.starts_with(&path.steps);
        if paths[n + 1..].iter().any(|other| inside(&other)) {
            let message = format!("{} is transformed as a whole and in parts", words::key(&path.to_string()));
            say.at(place, message, "keep the whole or the parts");
        }
        if marker == Some(path.column.as_str()) {
            let message = format!("the marker {} is transformed itself", words::key(&path.column));
            say.at(place, message, "name a column that says nothing but that the row is done");
        }
    }
}

/// The one field that counts versions.
fn version(at: &At<String>, say: &mut Say<'_>) -> Option<Path> {
    let path = path(&at.value, at.place, say)?;
    if path.steps.contains(&PathStep::Each) {
        say.at(at.place, "a version is one field, and `[]` means every element", "name the field that counts versions");
        return None;
    }
    Some(path)
}

/// Nothing else is written into the version, nor into what it lies in.
fn counts_alone(
    version: &Path,
    places: &BTreeMap<Path, Treatment>,
    marker: Option<&str>,
    place: Place,
    say: &mut Say<'_>,
) {
    let meets = |other: &Path| {
        let (one, other) = ((&version.column, &version.steps), (&other.column, &other.steps));
        one.0 == other.0 && (one.1.starts_with(other.1) || other.1.starts_with(one.1))
    };
    let marker = marker.and_then(|marker| Path::parse(marker).ok());
    if let Some(other) = places.keys().chain(&marker).find(|other| meets(other)) {
        let message = format!("the version is written by {} too", words::key(&other.to_string()));
        say.at(place, message, "name a number that only counts versions");
    }
}

fn treatment(at: &At<RawTreatment>, domains: Domains<'_>, say: &mut Say<'_>) -> Option<Treatment> {
    let raw = &at.value;
    let written = [!raw.pseudonymize.is_absent(), !raw.redact.is_absent(), !raw.generalize.is_absent()];
    if written.iter().filter(|written| **written).count() != 1 {
        let message = "a column takes one of `pseudonymize`, `redact` and `generalize`";
        say.at(at.place, message, "write one of them");
        return None;
    }
    let beside = [
        ("domain", raw.domain.get().map(|at| at.place)),
        ("check_digit", raw.check_digit.get().map(|at| at.place)),
        ("max", raw.max.get().map(|at| at.place)),
    ];
    if raw.pseudonymize.is_absent() {
        for (key, place) in beside.into_iter().filter_map(|(key, place)| Some((key, place?))) {
            say.at(place, format!("`{key}` stands beside `pseudonymize` only"), "remove it");
        }
    }
    if let Some(value) = raw.redact.get() {
        return constant(value, say).map(Treatment::Redact);
    }
    if let Some(grain) = raw.generalize.get() {
        return self::grain(grain, say).map(Treatment::Generalize);
    }
    pseudonymize(raw, at.place, domains, say)
}

fn pseudonymize(raw: &RawTreatment, place: Place, domains: Domains<'_>, say: &mut Say<'_>) -> Option<Treatment> {
    let domain = domain(raw, place, domains, say);
    let kind = raw.pseudonymize.value()?;
    let misplaced = |field: Option<Place>, key: &str, kind: &str, say: &mut Say<'_>| {
        if let Some(place) = field {
            say.at(place, format!("`{key}` stands beside `pseudonymize: {kind}` only"), "remove it");
        }
    };
    if !matches!(kind, RawTokenKind::Digits) {
        misplaced(raw.check_digit.get().map(|at| at.place), "check_digit", "digits", say);
    }
    if !matches!(kind, RawTokenKind::Integer) {
        misplaced(raw.max.get().map(|at| at.place), "max", "integer", say);
    }
    if let Some(max) = raw.max.get().filter(|max| max.value < limits::TOKEN_MAX_MIN) {
        let fix = format!("write at least {}", limits::TOKEN_MAX_MIN);
        say.at(max.place, "so few numbers keep nobody apart", fix);
    }
    let kind = match kind {
        RawTokenKind::Text => TokenKind::Text,
        RawTokenKind::Email => TokenKind::Email,
        RawTokenKind::Phone => TokenKind::Phone,
        RawTokenKind::Digits => {
            TokenKind::Digits { check: raw.check_digit.value().map(|RawCheckDigit::Luhn| CheckDigit::Luhn) }
        }
        RawTokenKind::Ip => TokenKind::Ip,
        RawTokenKind::Uuid => TokenKind::Uuid,
        RawTokenKind::Integer => TokenKind::Integer { max: raw.max.value().copied() },
    };
    Some(Treatment::Pseudonymize { kind, domain: domain? })
}

fn constant(at: &At<RawWhere>, say: &mut Say<'_>) -> Option<Value> {
    match &at.value {
        RawWhere::Null => Some(Value::Null),
        RawWhere::One(value) => Some(value.clone()),
        other @ (RawWhere::List(_) | RawWhere::Map(_)) => {
            let message = format!("expected one value, found {}", other.word());
            say.at(at.place, message, "write null, a text, a number or a truth value");
            None
        }
    }
}

fn grain(at: &At<TextOr<RawGrain>>, say: &mut Say<'_>) -> Option<Grain> {
    match &at.value {
        TextOr::Text(text) => word(text, at.place, say),
        TextOr::Full(raw) => full(raw, at.place, say),
    }
}

fn word(text: &str, place: Place, say: &mut Say<'_>) -> Option<Grain> {
    if let Some((_, grain)) = PARTS.iter().find(|(word, _)| *word == text) {
        return Some(grain.clone());
    }
    if let Some(length) = text.strip_prefix('/') {
        let v4 = length.parse::<u8>().ok().filter(|v4| limits::V4_PREFIX.contains(v4));
        if v4.is_none() {
            let fix = "write for example /24, or `{ v4: 24, v6: 48 }`";
            say.at(place, "this is no length of an IPv4 network", fix);
        }
        return Some(Grain::Network { v4: v4?, v6: limits::V6_PREFIX_DEFAULT });
    }
    let words: Vec<&str> = PARTS.iter().map(|(word, _)| *word).collect();
    let (message, fix) = words::unknown_word(text, &words);
    say.at(place, message, format!("{fix}, a network (/24), {{ step: 100 }}, {{ prefix: 3 }} or {{ v4: 24, v6: 48 }}"));
    None
}

fn full(raw: &RawGrain, place: Place, say: &mut Say<'_>) -> Option<Grain> {
    let network = !raw.v4.is_absent() || !raw.v6.is_absent();
    let written = [!raw.step.is_absent(), !raw.prefix.is_absent(), network];
    if written.iter().filter(|written| **written).count() != 1 {
        say.at(place, "`generalize` takes one of `step`, `prefix`, and `v4` and `v6`", "write one of them");
        return None;
    }
    if let Some(step) = raw.step.get() {
        if !(step.value.is_finite() && step.value > 0.0) {
            say.at(step.place, "a step is above 0", "write for example 10 or 0.01");
            return None;
        }
        return Some(Grain::Step(step.value.to_string()));
    }
    if let Some(prefix) = raw.prefix.get() {
        if !limits::PREFIX_CHARS.contains(&prefix.value) {
            let fix = "write how many characters stay, for example 3; `redact` takes all of them";
            say.at(prefix.place, "the number is out of range", fix);
            return None;
        }
        return Some(Grain::Prefix(prefix.value));
    }
    let mut length = |field: &Field<u32>, range: std::ops::RangeInclusive<u8>, default: u8| {
        let range = u32::from(*range.start())..=u32::from(*range.end());
        let found = say.number(field, &range, u32::from(default));
        u8::try_from(found).ok().filter(|_| range.contains(&found))
    };
    let v4 = length(&raw.v4, limits::V4_PREFIX, limits::V4_PREFIX_DEFAULT);
    let v6 = length(&raw.v6, limits::V6_PREFIX, limits::V6_PREFIX_DEFAULT);
    (network && (raw.v4.get().is_some() || raw.v6.get().is_some()))
        .then_some(())
        .and_then(|()| Some(Grain::Network { v4: v4?, v6: v6? }))
}

/// The domain whose key makes the tokens.
fn domain(raw: &RawTreatment, place: Place, domains: Domains<'_>, say: &mut Say<'_>) -> Option<String> {
    let At { value, place } = match &raw.domain {
        Field::Absent => {
            let fix = "name the domain whose key makes the tokens, as `pseudonym_keys` names it";
            say.at(place, "`pseudonymize` has no `domain`", fix);
            return None;
        }
        field => field.get()?,
    };
    match domains {
        Some([]) => {
            let fix = "run `forgetd keys new pseudonym` and add what it says";
            say.at(*place, "`domain` names no entry of `pseudonym_keys`, which is empty", fix);
            None
        }
        Some(known) if !known.contains(&value.as_str()) => {
            say.at(*place, "`domain` names no entry of `pseudonym_keys`", words::meant(value, known));
            None
        }
        _ => Some(value.clone()),
    }
}
