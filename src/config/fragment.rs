//! Parts of a policy that stand alone: what `where` and `since` mean, without a file around them.

use forgetd_connector::{Predicate, Since};
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::{
    Problem, Problems, load,
    place::Sources,
    read::{self, Field},
    resolve,
};

/// Reads the YAML of a condition as it stands under `where`, in normal form.
pub fn condition(text: &str) -> Result<Predicate, Problems> {
    let (sources, raw, mut problems) = fragment("where", text)?;
    let condition = raw.get().and_then(|raw| resolve::condition(raw, &sources, &mut problems));
    whole(condition, problems)
}

/// Reads the YAML of a moment as it stands under `since`.
pub fn since(text: &str) -> Result<Since, Problems> {
    let (sources, raw, mut problems) = fragment("since", text)?;
    let since = raw.get().and_then(|raw| resolve::since(raw, &sources, &mut problems));
    whole(since, problems)
}

/// The moment that a date (its midnight in UTC) or a time of RFC 3339 names.
pub fn moment(text: &str) -> Option<Timestamp> {
    resolve::parse_moment(text)
}

/// Whether a pseudonym key or a domain can be called so.
pub fn is_key_name(name: &str) -> bool {
    resolve::is_key_name(name)
}

fn fragment<T: DeserializeOwned>(name: &str, text: &str) -> Result<(Sources, Field<T>, Vec<Problem>), Problems> {
    let mut sources = Sources::default();
    let mut problems = vec![];
    let source = sources.add(name, text);
    let node = load::tree(&mut sources, source, false, &mut problems);
    let node = node.ok_or_else(|| Problems::sorted(problems.clone()))?;
    let (raw, found) = read::read(&node, &sources);
    problems.extend(found);
    Ok((sources, raw.unwrap_or(Field::Broken), problems))
}

fn whole<T>(whole: Option<T>, problems: Vec<Problem>) -> Result<T, Problems> {
    match whole {
        Some(whole) if problems.is_empty() => Ok(whole),
        _ => Err(Problems::sorted(problems)),
    }
}
