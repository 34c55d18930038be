//! Statements that look at a part of a table before anything is changed.

use forgetd_connector::{Except, Fault, Selection, Step, Terms};

use super::composer::{Composer, Refused};
use super::period::{Counted, Written};
use super::span::index_for;
use super::text::integer;
use super::{Query, Shape, native, quote};

/// A look for values of one column that are neither NULL nor time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    /// The table.
    pub(crate) table: String,
    /// Its column.
    pub(crate) column: String,
    /// Each counts in another part of the table.
    pub(crate) queries: Vec<Query>,
}

/// Looks at `rows` rows for every column that a moment is read from: at each end of the index that leads with it, else
/// where the table begins.
pub(crate) fn unreadable(step: &Step, shape: &Shape, rows: u64, place: &str) -> Result<Vec<Sample>, Fault> {
    let composer = Composer::new(step, shape);
    let mut samples: Vec<Sample> = vec![];
    for (_, terms) in all_terms(&step.selection) {
        let counted = composer.counted(terms).map_err(|refused: Refused| refused.into_fault(place))?;
        let table = &step.table;
        let own = |written: &Written| sample(&table.name.name, index_for(table, &written.name), written, rows);
        match counted {
            Counted::First(columns) | Counted::Greatest(columns) => samples.extend(columns.iter().map(own)),
            Counted::Latest(activity) => {
                let at = Written { column: quote(&activity.at.name), ..activity.at.clone() };
                let index = step.other(&activity.table).and_then(|other| index_for(other, &at.name));
                samples.push(sample(&activity.table.name, index, &at, rows));
                samples.extend(activity.or.as_ref().map(own));
            }
        }
    }
    samples.sort_by(|a, b| (&a.table, &a.column).cmp(&(&b.table, &b.column)));
    samples.dedup();
    Ok(samples)
}

fn sample(table: &str, index: Option<&str>, written: &Written, rows: u64) -> Sample {
    let Written { column, form, name } = written;
    let orders: &[&str] = if index.is_some() { &["", " desc"] } else { &[] };
    let count = |order: &str| {
        let mut query = Query::default();
        let limit = query.bind(integer(rows));
        query.sql = format!(
            "select count(*)\nfrom (select {column} from main.{} where {column} is not null{order} limit {limit})\n\
             where not {}",
            quote(table),
            form.readable(column)
        );
        query
    };
    let queries = match orders {
        [] => vec![count("")],
        orders => orders.iter().map(|order| count(&format!(" order by {column}{order}"))).collect(),
    };
    Sample { table: table.into(), column: name.clone(), queries }
}

/// Every condition in the engine's own language: the rule that it belongs to, where that is another one, and a statement
/// that has nothing else in it.
pub(crate) fn natives(step: &Step) -> Vec<(Option<&str>, String)> {
    let table = quote(&step.table.name.name);
    let probe = |(rule, terms): (_, &Terms)| {
        let expression = native::expression(terms.native.as_deref()?).ok()?;
        Some((rule, format!("select 1 from main.{table} where {expression}")))
    };
    let mut probes: Vec<_> = all_terms(&step.selection).into_iter().filter_map(probe).collect();
    for except in &step.selection.except {
        if let Except::Child(child) = except {
            // Against the child's own table: inside the step a column that it lacks would be the parent's.
            for step in child.steps() {
                let named = |(rule, sql): (Option<_>, _)| (rule.or(Some(step.rule.as_str())), sql);
                probes.extend(natives(step).into_iter().map(named));
            }
        }
    }
    probes
}

/// All terms that a selection holds, each with the rule that keeps rows by them.
fn all_terms(selection: &Selection) -> Vec<(Option<&str>, &Terms)> {
    let mut terms = vec![(None, &selection.terms)];
    for except in &selection.except {
        match except {
            Except::Kept { rule, terms: kept } => terms.push((Some(rule.as_str()), kept)),
            Except::Due(selection) => terms.extend(all_terms(selection)),
            // Rules of their own table say what is wrong there.
            Except::Child(_) => {}
        }
    }
    terms
}
