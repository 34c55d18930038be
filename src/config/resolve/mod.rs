//! From what was written to what it means: defaults, bounds, names that must exist, and what belongs together. Says
//! everything that is wrong; knows no file and opens nothing.

mod approvers;
mod condition;
mod databases;
mod evidence;
mod native;
mod pseudonym_keys;
mod quiet;
mod rules;
mod say;
mod schedule;
mod since;
mod throttle;
mod transform;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use forgetd_connector::{Predicate, Since};

use super::{
    Config, Coordination, Problem, limits,
    place::Sources,
    raw::{RawApprover, RawCoordination, RawFile, RawPseudonymKey},
    raw_rule::RawRule,
    raw_since::RawSince,
    raw_where::RawWhere,
    read::{At, Field, TextOr},
};
pub(super) use pseudonym_keys::{is_key_name, parse_moment};
use say::Say;

/// What adds up over files instead of being layered.
#[derive(Default)]
pub(super) struct Lists {
    pub(super) rules: Vec<Field<Vec<Field<RawRule>>>>,
    pub(super) keys: Vec<Field<Vec<Field<RawPseudonymKey>>>>,
    pub(super) approvers: Vec<Field<Vec<Field<RawApprover>>>>,
}

/// The configuration; nothing where a part is too broken to stand for anything. It counts only while `problems` is empty.
pub(super) fn config(
    raw: &RawFile,
    lists: Lists,
    folder: &Path,
    files: Vec<PathBuf>,
    sources: &Sources,
    problems: &mut Vec<Problem>,
) -> Option<Config> {
    let mut say = Say { sources, problems };
    let instance = instance(raw, &mut say);
    let coordination = coordination(raw, &mut say);
    let databases = databases::databases(&raw.databases, folder, &mut say);
    let evidence = evidence::evidence(raw, databases.as_deref(), coordination, folder, &mut say);
    let listen = listen(raw, &mut say);
    let pseudonym_keys = pseudonym_keys::keys(lists.keys, folder, &mut say);
    let domains = pseudonym_keys.as_ref().map(|keys| keys.iter().map(|key| key.domain.as_str()).collect::<Vec<_>>());
    let mut policy = rules::policy(lists.rules, &raw.defaults, databases.as_deref(), domains.as_deref(), &mut say);
    policy.approvers = approvers::approvers(&lists.approvers, &raw.approvals_required, &mut say);
    Some(Config {
        instance: instance?,
        coordination: coordination?,
        databases: databases?.into_iter().map(|(database, _)| database).collect(),
        evidence: evidence?,
        listen: listen?,
        pseudonym_keys: pseudonym_keys?,
        policy,
        files,
    })
}

fn instance(raw: &RawFile, say: &mut Say<'_>) -> Option<String> {
    let instance = match &raw.instance {
        Field::Absent => {
            say.missing("`instance` is missing", "name this forgetd, for example `instance: shop-eu`");
            return None;
        }
        field => field.get()?,
    };
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
    if !say::fits(&instance.value, fits) {
        let message =
            "an instance's name begins with a letter or digit and holds lower case letters, digits, `-`, `_` and `.`";
        say.at(instance.place, message, format!("write such a name of at most {} bytes", limits::NAME_BYTES_MAX));
        return None;
    }
    Some(instance.value.clone())
}

fn coordination(raw: &RawFile, say: &mut Say<'_>) -> Option<Coordination> {
    let coordination = raw.coordination.get()?;
    let RawCoordination::Lease(text) = &coordination.value else { return Some(Coordination::None) };
    let duration = say.duration(text, coordination.place)?;
    if !limits::LEASE_SECS.contains(&duration.as_secs()) {
        let fix = format!("write between {}s and {}s", limits::LEASE_SECS.start(), limits::LEASE_SECS.end());
        say.at(coordination.place, "the lease is too short or too long", fix);
        return None;
    }
    Some(Coordination::Lease(duration))
}

fn listen(raw: &RawFile, say: &mut Say<'_>) -> Option<SocketAddr> {
    let listen = raw.http.get()?.value.listen.get()?;
    let address = listen.value.parse().ok();
    if address.is_none() {
        say.at(listen.place, "`listen` is no address with a port", "write for example `listen: 0.0.0.0:9878`");
    }
    address
}

/// A condition that stands alone.
pub(super) fn condition(raw: &At<RawWhere>, sources: &Sources, problems: &mut Vec<Problem>) -> Option<Predicate> {
    condition::predicate(raw, &mut Say { sources, problems })
}

/// A `since` that stands alone.
pub(super) fn since(raw: &At<TextOr<RawSince>>, sources: &Sources, problems: &mut Vec<Problem>) -> Option<Since> {
    since::since(raw, None, &mut Say { sources, problems })
}
