//! Moments that are missing, or that say no time: what holds them would live for ever. And activity that nothing locks.

use forgetd_connector::{Except, Fault, Finding, Notice, Since, SinceColumn, Step, TableRef, Terms, WhenNull};
use mongodb::bson::{Document, doc};

use crate::connect::Link;
use crate::profile::types;
use crate::query::{Look, Scope, Written, looks, missing};

/// How many documents are looked at.
pub(super) const SAMPLE: u32 = 20_000;

/// A field that counts, of one of the collections.
#[derive(Clone, Debug, PartialEq)]
struct Counts<'a> {
    table: &'a TableRef,
    since: SinceColumn,
    /// What its documents do when it cannot be read.
    kept: &'static str,
}

pub(super) async fn check(link: &Link, step: &Step, scope: &Scope, place: &str) -> Result<Vec<Finding>, Fault> {
    let mut findings: Vec<Finding> =
        looks(&step.selection).iter().map(|look| unguarded(look, &link.context.database)).collect();
    let every = scope.with(Document::new(), vec![]);
    for counts in counting(step) {
        findings.extend(unreadable(link, &counts, &every).await?);
    }
    let terms = &step.selection.terms;
    if terms.when_null != WhenNull::Delete && !matches!(terms.since, Since::Latest(_)) {
        findings.extend(nothing_there(link, step, &every, place).await?);
    }
    Ok(findings)
}

/// Every field in which a moment can stand that decides, each once.
fn counting(step: &Step) -> Vec<Counts<'_>> {
    let mut counting: Vec<Counts<'_>> = vec![];
    let kept = step.selection.except.iter().filter_map(|except| match except {
        Except::Kept { terms, .. } => Some(terms),
        Except::Due(_) | Except::Child(_) => None,
    });
    for terms in std::iter::once(&step.selection.terms).chain(kept) {
        let own = columns(terms).into_iter();
        let own = own.map(|since| Counts { table: &step.table.name, since, kept: "they are kept" });
        let theirs = match &terms.since {
            Since::Latest(latest) => {
                Some(Counts { table: &latest.table, since: latest.at.clone(), kept: "what they belong to is kept" })
            }
            Since::Column(_) | Since::Greatest(_) => None,
        };
        for counts in own.chain(theirs) {
            if !counting.contains(&counts) {
                counting.push(counts);
            }
        }
    }
    counting
}

/// The fields of the document itself.
fn columns(terms: &Terms) -> Vec<SinceColumn> {
    let mut columns: Vec<SinceColumn> = terms.since.columns().into_iter().cloned().collect();
    if let (Since::Column(since), WhenNull::Use(other)) = (&terms.since, &terms.when_null) {
        columns.push(SinceColumn { column: other.clone(), ..since.clone() });
    }
    columns
}

/// What is no time in a field, by its types; an array by all that it holds.
async fn unreadable(link: &Link, counts: &Counts<'_>, every: &Scope) -> Result<Option<Finding>, Fault> {
    let Counts { table, since, kept } = counts;
    let place = link.place_of(table);
    let written = Written::new(since).map_err(|refused| refused.into_fault(&place))?;
    let found = types(link, table, every, sampled(every, written.unreadable()), &written.field).await?;
    if found.is_empty() {
        return Ok(None);
    }
    let looked = link.count("preflight", table, every, every.stages(None), Some(SAMPLE.into())).await?;
    let found: Vec<String> = found.iter().map(|(kind, rows)| format!("{rows} {kind}")).collect();
    let (found, column) = (found.join(", "), &since.column);
    Ok(Some(Finding::warns(
        Notice::SinceUnreadable,
        format!("{place}.{column}"),
        format!("of {looked} documents looked at, {found} hold no time in this form at {column}; {kept}"),
        "mend the values, or name the form with `as:`",
    )))
}

/// Documents without any moment, where that keeps them.
async fn nothing_there(link: &Link, step: &Step, every: &Scope, place: &str) -> Result<Option<Finding>, Fault> {
    let (table, terms) = (&step.table.name, &step.selection.terms);
    let missing = missing(terms).map_err(|refused| refused.into_fault(place))?;
    let rows = link.count("preflight", table, every, sampled(every, missing), None).await?;
    if rows == 0 {
        return Ok(None);
    }
    let looked = link.count("preflight", table, every, every.stages(None), Some(SAMPLE.into())).await?;
    let names: Vec<String> = columns(terms).into_iter().map(|since| since.column).collect();
    let fix = match (&terms.since, &terms.when_null) {
        (Since::Column(_), WhenNull::Keep) => {
            "write `when_null: { use: other_field }` or `when_null: delete` if that is not meant"
        }
        _ => "write `when_null: delete` if that is not meant",
    };
    Ok(Some(Finding::warns(
        Notice::SinceMissing,
        format!("{place}.{}", names.first().map_or("", String::as_str)),
        format!(
            "of {looked} documents looked at, {rows} have nothing at {}; they are kept for ever",
            names.join(" and ")
        ),
        fix,
    )))
}

/// Those of the documents looked at that meet a filter.
fn sampled(every: &Scope, filter: Document) -> Vec<Document> {
    let mut stages = every.stages(None);
    stages.extend([doc! { "$limit": SAMPLE }, doc! { "$match": filter }]);
    stages
}

/// Nothing here locks what lies in another collection.
fn unguarded(look: &Look<'_>, database: &str) -> Finding {
    let other = &look.latest.table;
    let by = look.rule.map_or_else(String::new, |rule| format!(", by which the rule {rule} keeps documents,"));
    let message = format!("activity that comes into {other}{by} while a batch of keys is worked on can be missed");
    let fix =
        "nothing to do where activity takes longer than a batch to matter; else keep the moment in the document itself";
    Finding::warns(Notice::LatestUnguarded, format!("{database}.{other}"), message, fix)
}
