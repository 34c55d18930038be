//! The `evidence:` section.

use std::path::Path;

use super::{databases::secret, say::Say};
use crate::config::{
    Control, Coordination, Database, Evidence, Store,
    place::Place,
    raw::{RawEvidence, RawFile, RawStore},
    read::{At, Field},
    words,
};

/// The longest origin; it stands in every checkpoint.
const ORIGIN_BYTES_MAX: usize = 255;

/// Where evidence goes. `databases` and `coordination` are absent where they are broken.
pub(super) fn evidence(
    raw: &RawFile,
    databases: Option<&[(Database, Place)]>,
    coordination: Option<Coordination>,
    folder: &Path,
    say: &mut Say<'_>,
) -> Option<Evidence> {
    let At { value: raw, .. } = raw.evidence.get()?;
    let origin = origin(raw, say);
    let signing_key = match &raw.signing_key {
        Field::Absent => {
            let fix = "run `forgetd keys new evidence --out FILE` and write `signing_key: { file: FILE }`";
            say.missing("`evidence.signing_key` is missing", fix);
            None
        }
        field => field.get().and_then(|key| secret(&key.value, key.place, folder, say)),
    };
    let receipt_keep = raw.receipt_keep.get().and_then(|keep| say.duration(&keep.value, keep.place));
    let receipts_pending_max = say.number(&raw.receipts_pending_max, &(1..=1_000_000), 1);
    let remember = match raw.remember.get() {
        None => None,
        Some(At { value, place }) => match &value.dir {
            Field::Absent => {
                say.at(*place, "`remember` has no `dir`", "write `remember: { dir: path }`");
                None
            }
            field => field.get().and_then(|dir| say.path(&dir.value, dir.place, folder)),
        },
    };
    let store = store(raw, databases, coordination, folder, say);
    Some(Evidence {
        store: store?,
        origin: origin?,
        signing_key: signing_key?,
        receipt_keep: receipt_keep?,
        receipts_pending_max,
        remember,
    })
}

fn origin(raw: &RawEvidence, say: &mut Say<'_>) -> Option<String> {
    let origin = match &raw.origin {
        Field::Absent => {
            let fix = "write a name that is yours alone, for example `origin: example.com/forgetd/shop-eu`";
            say.missing("`evidence.origin` is missing", fix);
            return None;
        }
        field => field.get()?,
    };
    let text = &origin.value;
    let printable = text.bytes().all(|b| b.is_ascii_graphic() && b != b'+');
    if text.is_empty() || text.len() > ORIGIN_BYTES_MAX || !printable || text.contains("://") {
        let message = "an origin is a URL without a scheme: printable characters without spaces and `+`";
        say.at(origin.place, message, "write for example example.com/forgetd/shop-eu");
        return None;
    }
    Some(text.clone())
}

fn store(
    raw: &RawEvidence,
    databases: Option<&[(Database, Place)]>,
    coordination: Option<Coordination>,
    folder: &Path,
    say: &mut Say<'_>,
) -> Option<Store> {
    let Some(At { value, place }) = raw.store.get() else {
        if !raw.store.is_absent() {
            return None;
        }
        let home = databases?.iter().find(|(database, _)| database.home)?;
        return Some(Store::Database(home.0.name.clone()));
    };
    match value {
        RawStore::Database(name) => {
            let databases = databases?;
            let Some((database, _)) = databases.iter().find(|(database, _)| database.name == *name) else {
                let names: Vec<&str> = databases.iter().map(|(database, _)| database.name.as_str()).collect();
                say.at(*place, "`store` names no entry of `databases`", words::meant(name, &names));
                return None;
            };
            if matches!(database.control, Control::At(_)) {
                let message = format!("database {} has no control tables of its own", words::key(name));
                say.at(*place, message, "keep the log in a database that has them");
                return None;
            }
            Some(Store::Database(name.clone()))
        }
        RawStore::Dir(dir) => {
            if matches!(coordination, Some(Coordination::Lease(_))) {
                let message = "a log in a folder needs `coordination: none`: two replicas would write two logs";
                say.at(*place, message, "keep the log in a database, or run one process alone");
            }
            say.path(dir, *place, folder).map(Store::Dir)
        }
    }
}
