//! The other tables that deciding about a row looks into: whether activity that comes at the very moment of a batch is met.
//! Pure.

use forgetd_connector::{Except, Finding, Joined, Latest, Notice, Since, Step, Table, Terms};

use crate::query::refers;

/// Where the period counts from another table, and no foreign key makes those who insert there wait for a batch.
pub(super) fn findings(step: &Step, database: &str) -> Vec<Finding> {
    let kept = step.selection.except.iter().filter_map(|except| match except {
        Except::Kept { terms, .. } => Some(terms),
        Except::Due(_) | Except::Child(_) => None,
    });
    let mut findings = vec![];
    for latest in std::iter::once(&step.selection.terms).chain(kept).filter_map(activity) {
        let Some(other) = step.other(&latest.table) else { continue };
        // Inserting such a row takes a lock on the row that is judged, or it is the row that the judged one references.
        if !refers(&step.table, other, &latest.on) {
            findings.push(unguarded(step, latest, other, database));
        }
    }
    findings
}

fn activity(terms: &Terms) -> Option<&Latest> {
    match &terms.since {
        Since::Latest(latest) => Some(latest.as_ref()),
        Since::Column(_) | Since::Greatest(_) => None,
    }
}

fn unguarded(step: &Step, latest: &Latest, other: &Table, database: &str) -> Finding {
    let list = |name: fn(&Joined) -> &String| latest.on.iter().map(name).cloned().collect::<Vec<_>>().join(", ");
    let (theirs, ours) = (list(|joined| &joined.other), list(|joined| &joined.own));
    let (own, other) = (&step.table.name, &other.name);
    let message = format!(
        "no foreign key of {other} references {own} by {theirs}: a row that is inserted there at the very moment a batch \
         judges is not met, and the row it belongs to can go"
    );
    let fix = format!(
        "add a foreign key from {theirs} to {ours}, or let the application lock the row of {own} (`select .. for update`) \
         before it inserts"
    );
    Finding::warns(Notice::LatestUnguarded, format!("{database}.{other}"), message, fix)
}
