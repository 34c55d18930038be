//! The `pseudonym_keys:` of all files.

use std::{collections::BTreeMap, path::Path};

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{
    databases::secret,
    say::{Say, fits},
};
use crate::config::{
    PseudonymKey, limits,
    place::Place,
    raw::RawPseudonymKey,
    read::{At, Field},
};

/// An entry and where it says what must not be said twice.
struct Read {
    key: PseudonymKey,
    id: Place,
    active_from: Place,
}

/// The keys, by domain and then by when they become active; nothing where one is broken. No file of them is opened.
pub(super) fn keys(
    files: Vec<Field<Vec<Field<RawPseudonymKey>>>>,
    folder: &Path,
    say: &mut Say<'_>,
) -> Option<Vec<PseudonymKey>> {
    let given: Vec<&At<RawPseudonymKey>> =
        files.iter().filter_map(Field::value).flatten().filter_map(Field::get).collect();
    if let Some(beyond) = given.get(limits::PSEUDONYM_KEYS_MAX) {
        let message = format!("more than {} keys", limits::PSEUDONYM_KEYS_MAX);
        say.at(beyond.place, message, "remove those whose tokens are gone from every database");
        return None;
    }
    let mut read: Vec<Read> = vec![];
    let mut complete = true;
    for at in given {
        match entry(at, folder, say) {
            Some(entry) => read.push(entry),
            None => complete = false,
        }
    }
    apart(&read, say);
    let mut keys: Vec<PseudonymKey> = read.into_iter().map(|read| read.key).collect();
    keys.sort_by(|a, b| (&a.domain, a.active_from, &a.id).cmp(&(&b.domain, b.active_from, &b.id)));
    complete.then_some(keys)
}

/// Reads every part before it gives up, so that all of it is said.
fn entry(at: &At<RawPseudonymKey>, folder: &Path, say: &mut Say<'_>) -> Option<Read> {
    let raw = &at.value;
    let id = name(&raw.id, "id", at.place, say);
    let domain = name(&raw.domain, "domain", at.place, say);
    let file = match &raw.file {
        Field::Absent => {
            let fix = "run `forgetd keys new pseudonym --out FILE` and write `file: FILE`";
            say.at(at.place, "a key has no `file`", fix);
            None
        }
        field => field.get().and_then(|file| say.path(&file.value, file.place, folder)),
    };
    let kek = raw.kek.get().map(|kek| secret(&kek.value, kek.place, folder, say));
    let active_from = raw.active_from.get().map(|from| moment(from, say));
    if matches!(kek, Some(None)) || matches!(active_from, Some(None)) {
        return None;
    }
    let (id, domain) = (id?, domain?);
    let (kek, active_from) = (kek.flatten(), active_from.flatten());
    let place = raw.active_from.get().map_or(id.place, |from| from.place);
    let key = PseudonymKey { id: id.value.clone(), domain: domain.value.clone(), file: file?, kek, active_from };
    Some(Read { key, id: id.place, active_from: place })
}

/// The name of a key or a domain.
fn name<'a>(field: &'a Field<String>, what: &str, entry: Place, say: &mut Say<'_>) -> Option<&'a At<String>> {
    if field.is_absent() {
        let example = if what == "id" { "id: k1" } else { "domain: crm-people" };
        say.at(entry, format!("a key has no `{what}`"), format!("write for example `{example}`"));
        return None;
    }
    let at = field.get()?;
    if !is_key_name(&at.value) {
        let message =
            format!("`{what}` begins with a letter or digit and holds lower case letters, digits, `-`, `_` and `.`");
        say.at(at.place, message, format!("write such a name of at most {} bytes", limits::NAME_BYTES_MAX));
        return None;
    }
    Some(at)
}

/// Whether a name can be that of a key or a domain.
pub(in crate::config) fn is_key_name(name: &str) -> bool {
    fits(name, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.'))
}

/// A date or a time, as a moment.
fn moment(at: &At<String>, say: &mut Say<'_>) -> Option<Timestamp> {
    let moment = parse_moment(&at.value);
    if moment.is_none() {
        let fix = "write a date such as 2026-01-31, or a time with its zone such as 2026-01-31T12:00:00Z";
        say.at(at.place, "`active_from` is no date", fix);
    }
    moment
}

/// A date, which is its midnight in UTC, or a time of RFC 3339.
pub(in crate::config) fn parse_moment(text: &str) -> Option<Timestamp> {
    if text.len() == "2026-01-31".len() {
        let date: Date = text.parse().ok()?;
        return date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    }
    text.parse().ok()
}

/// Keys that cannot be told apart, and keys of which nobody could say which is active.
fn apart(read: &[Read], say: &mut Say<'_>) {
    let (mut ids, mut begins) = (BTreeMap::new(), BTreeMap::new());
    for Read { key, id, active_from } in read {
        if let Some(first) = ids.insert((&key.domain, &key.id), *id) {
            let message = format!("domain `{}` has a key `{}` already", key.domain, key.id);
            let fix = format!("rename one of them; the first is at {}", say.sources.name(first));
            say.at(*id, message, fix);
        } else if let Some(first) = begins.insert((&key.domain, key.active_from), *active_from) {
            let message = format!("another key of domain `{}` is active from the same moment", key.domain);
            let fix = format!("give one of them another `active_from`; the first is at {}", say.sources.name(first));
            say.at(*active_from, message, fix);
        }
    }
}
