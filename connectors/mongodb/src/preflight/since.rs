//! Documents whose moment is missing, or of a type that says no time: they would live for ever.

use forgetd_connector::{Fault, Finding, Notice, RowCap, Since, Step, WhenNull};
use mongodb::bson::Document;

use crate::connect::Link;
use crate::profile::types;
use crate::query::{Form, Scope, Written};

/// How many documents are looked at.
const SAMPLE: u64 = 20_000;

pub(super) async fn check(link: &Link, step: &Step, scope: &Scope, place: &str) -> Result<Vec<Finding>, Fault> {
    let since = match &step.selection.terms.since {
        Since::Column(since) => since,
        Since::Latest(latest) => return Ok(vec![unguarded(&latest.table.name, place)]),
        Since::Greatest(_) => return Ok(vec![]),
    };
    let Written { field, form } = Written::new(since).map_err(|refused| refused.into_fault(place))?;
    let every = scope.with(Document::new(), vec![]);
    let found = types(link, step, &every, &field, RowCap(Some(SAMPLE))).await?;
    let place = format!("{place}.{}", since.column);
    let mut findings = vec![];
    let looked: u64 = found.iter().map(|(_, rows)| rows).sum();
    // Elements of arrays are judged one by one, so an array is no wrong type yet.
    let mistyped = found.iter().filter(|(kind, _)| !said(&form, kind) && !absent(kind) && kind != "array");
    let mistyped: Vec<String> = mistyped.map(|(kind, rows)| format!("{rows} {kind}")).collect();
    if !mistyped.is_empty() {
        findings.push(Finding::warns(
            Notice::SinceUnreadable,
            &place,
            format!(
                "of {looked} documents looked at, {} hold no time in this form at {}; they are kept",
                mistyped.join(", "),
                since.column
            ),
            "mend the values, or name the form with `as:`",
        ));
    }
    let missing: u64 = found.iter().filter(|(kind, _)| absent(kind)).map(|(_, rows)| rows).sum();
    if missing > 0 && step.selection.terms.when_null == WhenNull::Keep {
        findings.push(Finding::warns(
            Notice::SinceMissing,
            &place,
            format!(
                "of {looked} documents looked at, {missing} have nothing at {}; they are kept for ever",
                since.column
            ),
            "write `when_null: { use: other_field }` or `when_null: delete` if that is not meant",
        ));
    }
    Ok(findings)
}

/// Nothing here locks what lies in another collection.
fn unguarded(other: &str, place: &str) -> Finding {
    let database = place.split('.').next().unwrap_or_default();
    let message = format!("activity that comes into {other} while a batch of keys is deleted can be missed");
    let fix =
        "nothing to do where activity takes longer than a batch to matter; else keep the moment in the document itself";
    Finding::warns(Notice::LatestUnguarded, format!("{database}.{other}"), message, fix)
}

fn said(form: &Form, kind: &str) -> bool {
    form.types().contains(&kind)
}

fn absent(kind: &str) -> bool {
    matches!(kind, "missing" | "null" | "undefined")
}
