//! Tables, roles and servers that a rule cannot work on.

use super::Seen;
use crate::harness::{Mongo, Policy, Program};
use crate::{documents, findings, silent_zero};

/// Databases and policies of the findings' cases, as long as one of their causes was not seen yet.
pub(super) fn cases(seen: &Seen) {
    for case in findings::that_block() {
        if case.causes.iter().any(|cause| !seen.has(cause)) {
            let (_database, program) = case.install();
            seen.serve(&case.name, &program);
        }
    }
    if let Some(documents) = Mongo::database() {
        let policy = Policy::new(&documents.url()).pseudonyms().rule(&documents::unversioned(&documents));
        seen.serve("a version that no document has", &Program::installed(&policy).pseudonym_key());
    }
}

/// Whatever keeps rows from going without a word.
pub(super) fn sabotage(seen: &Seen) {
    silent_zero::sabotaged(|name, cause, program| {
        if !seen.has(cause) {
            seen.serve(name, program);
        }
    });
}
