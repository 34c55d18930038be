//! The `approvers:` of all files, and how many of them must sign.

use super::say::{Say, is_name};
use crate::approval::{Approver, Approvers, SshKey};
use crate::config::{
    limits,
    place::Place,
    raw::RawApprover,
    read::{At, Field},
};

/// An entry and where it says what must not be said twice.
struct Read {
    approver: Approver,
    name: Place,
    key: Place,
}

/// The approvers, by name. They count only while nothing is wrong.
pub(super) fn approvers(
    files: &[Field<Vec<Field<RawApprover>>>],
    required: &Field<u32>,
    say: &mut Say<'_>,
) -> Approvers {
    let given: Vec<&At<RawApprover>> = files.iter().filter_map(Field::value).flatten().filter_map(Field::get).collect();
    if let Some(beyond) = given.get(limits::APPROVERS_MAX) {
        let message = format!("more than {} approvers", limits::APPROVERS_MAX);
        say.at(beyond.place, message, "name those who approve, not everybody who could");
        return Approvers::default();
    }
    let read: Vec<Read> = given.iter().filter_map(|at| entry(at, say)).collect();
    apart(&read, say);
    let named = given.len();
    let required = match required.get() {
        None => 1,
        Some(At { value, place }) => {
            if *value == 0 || usize::try_from(*value).unwrap_or(usize::MAX) > named {
                let message = format!("`approvals_required` is {value}, and `approvers` has {named}");
                let fix = match named {
                    0 => "name who may approve under `approvers`, or remove the key".into(),
                    1 => "write 1, or name more approvers".into(),
                    named => format!("write 1 to {named}, or name more approvers"),
                };
                say.at(*place, message, fix);
            }
            *value
        }
    };
    let mut named: Vec<Approver> = read.into_iter().map(|read| read.approver).collect();
    named.sort_by(|a, b| a.name.cmp(&b.name));
    Approvers { named, required }
}

/// Reads every part before it gives up, so that all of it is said.
fn entry(at: &At<RawApprover>, say: &mut Say<'_>) -> Option<Read> {
    let name = name(at, say);
    let key = key(at, say);
    let (name, (key, place)) = (name?, key?);
    Some(Read { approver: Approver { name: name.value.clone(), key }, name: name.place, key: place })
}

fn name<'a>(at: &'a At<RawApprover>, say: &mut Say<'_>) -> Option<&'a At<String>> {
    if at.value.name.is_absent() {
        say.at(at.place, "an approver has no `name`", "write for example `name: dpo`; evidence shows it");
        return None;
    }
    let name = at.value.name.get()?;
    if !is_name(&name.value) {
        let message =
            "an approver's name begins with a letter or digit and holds lower case letters, digits, `-` and `_`";
        say.at(name.place, message, format!("write such a name of at most {} bytes", limits::NAME_BYTES_MAX));
        return None;
    }
    Some(name)
}

fn key(at: &At<RawApprover>, say: &mut Say<'_>) -> Option<(SshKey, Place)> {
    if at.value.ssh_key.is_absent() {
        let fix = "write the line of that person's .pub file, for example `ssh_key: \"ssh-ed25519 AAAA...\"`";
        say.at(at.place, "an approver has no `ssh_key`", fix);
        return None;
    }
    let text = at.value.ssh_key.get()?;
    match SshKey::parse(&text.value) {
        Ok(key) => Some((key, text.place)),
        Err(error) => {
            let (message, fix) = super::say::split(&error);
            say.at(text.place, message, fix);
            None
        }
    }
}

/// One person is one name and one key: whoever had two would count twice.
fn apart(read: &[Read], say: &mut Say<'_>) {
    for (n, Read { approver, name, key }) in read.iter().enumerate() {
        let before = &read[..n];
        if let Some(first) = before.iter().find(|other| other.approver.name == approver.name) {
            let fix = format!("rename one of them; the first is at {}", say.sources.name(first.name));
            say.at(*name, format!("another approver is called `{}`", approver.name), fix);
        }
        if let Some(first) = before.iter().find(|other| other.approver.key == approver.key) {
            let fix = format!("remove one of them; the first is at {}", say.sources.name(first.key));
            say.at(*key, "another approver has the same key", fix);
        }
    }
}
