//! The entries of `databases:`.

use std::borrow::Cow;
use std::path::Path;

use forgetd_connector::UnsupportedEngine;

use super::say::{Say, is_name};
use super::{quiet, throttle};
use crate::config::{
    Control, Database, Secret, UrlSource, limits,
    place::Place,
    raw::{ByName, RawControl, RawDatabase, RawSecret, RawUnsupportedEngine, RawUrl},
    read::{At, Field, TextOr},
    words,
};

/// The databases, each with its place. Nothing: none was written, or one of them is too broken.
pub(super) fn databases(
    raw: &Field<ByName<RawDatabase>>,
    folder: &Path,
    say: &mut Say<'_>,
) -> Option<Vec<(Database, Place)>> {
    let given = match raw {
        Field::Absent => None,
        Field::Broken => return None,
        Field::Given(given) => Some(given),
    };
    let Some(given) = given.filter(|given| !given.value.0.is_empty()) else {
        say.missing("`databases` names no database", "add one: `databases: { crm: { url: { env: CRM_URL } } }`");
        return None;
    };
    let entries = &given.value.0;
    let single = entries.len() == 1;
    let resolved: Vec<Option<(Database, Place)>> = entries
        .iter()
        .map(|(name, field)| {
            let entry = field.get()?;
            if !is_name(name) {
                let message =
                    "a database's name begins with a letter or digit and holds lower case letters, digits, `-` and `_`";
                say.at(entry.place, message, format!("rename it, in at most {} bytes", limits::NAME_BYTES_MAX));
            }
            Some((database(name, entry, single, folder, say)?, entry.place))
        })
        .collect();
    controls(entries, say);
    // A broken entry may be the home database.
    let resolved: Vec<(Database, Place)> = resolved.into_iter().collect::<Option<_>>()?;
    home(&resolved, given.place, say);
    Some(resolved)
}

fn database(name: &str, raw: &At<RawDatabase>, single: bool, folder: &Path, say: &mut Say<'_>) -> Option<Database> {
    let entry = &raw.value;
    let max_connections = say.number(&entry.max_connections, &limits::MAX_CONNECTIONS_RANGE, limits::MAX_CONNECTIONS);
    let lock_wait_ms = say.number(&entry.lock_wait_ms, &limits::LOCK_WAIT_MS_RANGE, limits::LOCK_WAIT_MS);
    let throttle = throttle::throttle(&entry.throttle, say);
    let replicas = replicas(&entry.replicas, folder, say);
    let region = say.text(&entry.region);
    let control = control(&entry.control, say);
    let url = match &entry.url {
        Field::Absent => {
            let fix = "write `url: { file: path }`, `url: { env: NAME }`, or a URL without a password";
            say.at(raw.place, format!("database {} has no `url`", words::key(name)), fix);
            None
        }
        field => field.get().and_then(|url| self::url(url, folder, say)),
    };
    if let Some(At { value: false, place }) = entry.home.get().filter(|_| single) {
        say.at(*place, "the only database is the home database", "remove the key");
    }
    if let (Some(Control::At(_)), Some(given)) = (&control, entry.replicas.get()) {
        let fix = "remove the key, or give the database control tables of its own";
        say.at(given.place, "replicas are watched by the control tables, which are in another database", fix);
    }
    Some(Database {
        name: name.into(),
        url: url?,
        home: single || entry.home.value().copied().unwrap_or(false),
        control: control?,
        region,
        max_connections,
        lock_wait_ms,
        throttle,
        quiet: quiet::windows(&entry.throttle, say),
        replicas,
        unsupported_engine: match entry.unsupported_engine.value() {
            Some(RawUnsupportedEngine::Accept) => UnsupportedEngine::Accept,
            Some(RawUnsupportedEngine::Refuse) | None => UnsupportedEngine::Refuse,
        },
    })
}

fn replicas(raw: &Field<Vec<Field<TextOr<RawUrl>>>>, folder: &Path, say: &mut Say<'_>) -> Vec<UrlSource> {
    let Some(At { value, place }) = raw.get() else { return vec![] };
    if value.len() > limits::REPLICAS_MAX {
        say.at(*place, "there are too many replicas", format!("name at most {}", limits::REPLICAS_MAX));
    }
    value.iter().filter_map(|field| url(field.get()?, folder, say)).collect()
}

fn url(url: &At<TextOr<RawUrl>>, folder: &Path, say: &mut Say<'_>) -> Option<UrlSource> {
    let of_secret = |raw: RawSecret, say: &mut Say<'_>| secret(&raw, url.place, folder, say).map(UrlSource::Secret);
    match &url.value {
        TextOr::Full(RawUrl::File(path)) => of_secret(RawSecret::File(path.clone()), say),
        TextOr::Full(RawUrl::Env(name)) => of_secret(RawSecret::Env(name.clone()), say),
        TextOr::Full(RawUrl::Command(line)) => command(line, url.place, folder, say),
        TextOr::Text(text) => {
            let Ok(parsed) = url::Url::parse(&of_one_host(text)) else {
                let fix = "write one, for example postgres://app@db/crm, mysql://app@db/crm, mongodb://app@db/crm or \
                           sqlite:/data/crm.db, or { file: path }";
                say.at(url.place, "the text is no URL", fix);
                return None;
            };
            let in_query = parsed.query_pairs().any(|(name, _)| name.to_ascii_lowercase().contains("password"));
            if parsed.password().is_some() || in_query {
                let fix = "put the URL into a file or a variable and write { file: path } or { env: NAME }";
                say.at(url.place, "a URL with a password may not stand in the configuration", fix);
                return None;
            }
            let schemes = ["mongodb", "mongodb+srv", "mysql", "mariadb", "postgres", "postgresql", "sqlite"];
            if !schemes.contains(&parsed.scheme()) {
                let fix = "write a URL that begins with postgres://, mysql://, mongodb://, mongodb+srv:// or sqlite:";
                say.at(url.place, "the URL's scheme is that of no engine this version works with", fix);
                return None;
            }
            Some(UrlSource::Secret(Secret::Literal(beside(text, folder))))
        }
    }
}

/// A program with its arguments. A program whose name is a path is found like every other path; one without is looked for
/// where programs are.
fn command(line: &[String], place: Place, folder: &Path, say: &mut Say<'_>) -> Option<UrlSource> {
    let Some((program, arguments)) = line.split_first().filter(|(program, _)| !program.trim().is_empty()) else {
        say.at(place, "`command` names no program", "write `{ command: [/usr/local/bin/crm-url] }`");
        return None;
    };
    if line.iter().any(|part| part.contains('\0')) {
        say.at(place, "`command` holds a NUL", "write text without it");
        return None;
    }
    let program = match program.contains('/') {
        true => folder.join(program).to_str()?.to_owned(),
        false => program.clone(),
    };
    Some(UrlSource::Command(std::iter::once(program).chain(arguments.iter().cloned()).collect()))
}

/// The URL with the first of its hosts alone: the members of a replica set stand side by side in one, which no other URL has.
fn of_one_host(text: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = text.split_once("://") else { return text.into() };
    if !scheme.eq_ignore_ascii_case("mongodb") {
        return text.into();
    }
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let hosts = authority.rfind('@').map_or(0, |at| at + 1);
    match authority[hosts..].find(',') {
        Some(comma) => format!("{scheme}://{}{}", &rest[..hosts + comma], &rest[authority.len()..]).into(),
        None => text.into(),
    }
}

/// A SQLite URL with a relative path counts from the configuration's folder, like every other path in it.
fn beside(text: &str, folder: &Path) -> String {
    let Some((scheme, path)) = text.split_once(':') else { return text.into() };
    let (true, Some(folder)) = (scheme.eq_ignore_ascii_case("sqlite"), folder.to_str()) else { return text.into() };
    if path.is_empty() || path.starts_with('/') || folder.is_empty() {
        return text.into();
    }
    // What would end the path of a URL is escaped, and so is the escape itself.
    let folder = folder.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    format!("sqlite:{folder}/{path}")
}

/// Where a secret is; it is not opened.
pub(super) fn secret(raw: &RawSecret, place: Place, folder: &Path, say: &mut Say<'_>) -> Option<Secret> {
    match raw {
        RawSecret::File(path) => say.path(path, place, folder).map(Secret::File),
        RawSecret::Env(name) if name.is_empty() || name.contains(['=', '\0']) => {
            say.at(place, "this is no name of a variable", "write the variable's name, not its value");
            None
        }
        RawSecret::Env(name) => Some(Secret::Env(name.clone())),
    }
}

fn control(field: &Field<RawControl>, say: &mut Say<'_>) -> Option<Control> {
    let Some(At { value, place }) = field.get() else {
        // A broken one has been said; the default keeps the rest readable.
        return Some(Control::Named(limits::CONTROL_NAME.into()));
    };
    match value {
        RawControl::At(other) => Some(Control::At(other.clone())),
        RawControl::Name(name) => {
            let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            let first = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
            if !plain || !first || name.len() > 32 {
                let message = "control tables are named in lower case letters, digits and `_`, beginning with a letter";
                say.at(*place, message, "write such a name of at most 32 bytes");
                return None;
            }
            Some(Control::Named(name.clone()))
        }
    }
}

/// Whether every `control: { at: .. }` leads to a database with control tables of its own.
fn controls(entries: &std::collections::BTreeMap<String, Field<RawDatabase>>, say: &mut Say<'_>) {
    let at = |name: &str| {
        let control = entries.get(name)?.value()?.control.get()?;
        match &control.value {
            RawControl::At(other) => Some((other.as_str(), control.place)),
            RawControl::Name(_) => None,
        }
    };
    let names: Vec<&str> = entries.keys().map(String::as_str).collect();
    for (name, field) in entries {
        let Some((other, place)) = at(name) else { continue };
        if other == name {
            say.at(place, "a database cannot hold its control tables elsewhere and in itself", "name another database");
        } else if !entries.contains_key(other) {
            say.at(place, "`at` names no entry of `databases`", words::meant(other, &names));
        } else if at(other).is_some() {
            let message = format!("the control tables of database {} are elsewhere themselves", words::key(other));
            say.at(place, message, "name a database that has its own");
        }
        if let Some(At { value: true, place }) = field.value().and_then(|entry| entry.home.get()) {
            let fix = "make a database with control tables of its own the home database";
            say.at(*place, "the home database needs control tables of its own", fix);
        }
    }
}

fn home(databases: &[(Database, Place)], place: Place, say: &mut Say<'_>) {
    let homes: Vec<&(Database, Place)> = databases.iter().filter(|(database, _)| database.home).collect();
    match homes.as_slice() {
        [] => say.at(place, "no database is the home database", "write `home: true` on one of them"),
        [_] => {}
        [first, rest @ ..] => {
            for (database, place) in rest {
                let message = format!("database {} is a second home database", words::key(&database.name));
                say.at(*place, message, format!("keep `home: true` on one; {} has it too", words::key(&first.0.name)));
            }
        }
    }
}
