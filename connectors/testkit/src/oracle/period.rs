//! Whether the period of a row is over.

use forgetd_connector::{Joined, Latest, Since, SinceColumn, SinceForm, Terms, WhenNull};
use jiff::Timestamp;
use serde_json::Value as Json;

use super::moment::{Moment, read};
use super::number::Number;
use super::{Truth, World};

use crate::Kind;
use crate::table::{Cell, Row, TableSpec};

/// What is known of several moments together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Activity {
    /// There is none.
    None,
    /// All of them lie before the cutoff.
    Over,
    /// One of them does not, or cannot be read.
    Running,
}

/// Whether the period is over: unknown where there is no moment, and the terms do not say what that means.
pub(super) fn over(world: &World<'_>, table: &TableSpec, row: &Row, terms: &Terms) -> Truth {
    let cutoff = terms.cutoff.0;
    let of = |since: &SinceColumn| activity([read_in(table, row, since)], cutoff);
    let activity = match &terms.since {
        Since::Column(since) => match (of(since), &terms.when_null) {
            (Activity::None, WhenNull::Use(other)) => of(&SinceColumn { column: other.clone(), ..since.clone() }),
            (activity, _) => activity,
        },
        Since::Greatest(all) => activity(all.iter().map(|since| read_in(table, row, since)), cutoff),
        Since::Latest(latest) => match (elsewhere(world, table, row, latest, cutoff), &latest.or) {
            (Activity::None, Some(or)) => of(or),
            (activity, _) => activity,
        },
    };
    match activity {
        Activity::Over => Truth::True,
        Activity::Running => Truth::False,
        Activity::None if terms.when_null == WhenNull::Delete => Truth::True,
        Activity::None => Truth::Unknown,
    }
}

/// What a column of a row says about time. How it writes it is known from its kind where the rule does not say.
fn read_in(table: &TableSpec, row: &Row, since: &SinceColumn) -> Moment {
    let kind = table.kind(&since.column);
    let written = match kind {
        Kind::NaiveText => Some(SinceForm::Timestamp),
        Kind::DateText => Some(SinceForm::Date),
        Kind::Iso8601 => Some(SinceForm::Iso8601),
        _ => None,
    };
    let moment = read(&table.cell(row, &since.column), &SinceColumn { form: since.form.or(written), ..since.clone() });
    match kind.second_digits() {
        Some(digits) => moment.until_the_end(digits),
        None => moment,
    }
}

fn activity(moments: impl IntoIterator<Item = Moment>, cutoff: Timestamp) -> Activity {
    let mut all = Activity::None;
    for moment in moments {
        match moment {
            moment if moment.is_missing(cutoff) => {}
            moment if moment.is_before(cutoff) => {
                if all == Activity::None {
                    all = Activity::Over;
                }
            }
            _ => all = Activity::Running,
        }
    }
    all
}

fn elsewhere(world: &World<'_>, table: &TableSpec, row: &Row, latest: &Latest, cutoff: Timestamp) -> Activity {
    let other = world.table(&latest.table);
    let belongs = |theirs: &&Row| belongs(&latest.on, (other, theirs), (table, row));
    let rows = other.rows.iter().filter(belongs);
    activity(rows.map(|theirs| read_in(other, theirs, &latest.at)), cutoff)
}

/// Whether a row of another table belongs to a row.
pub(super) fn belongs(on: &[Joined], (other, theirs): (&TableSpec, &Row), (table, row): (&TableSpec, &Row)) -> bool {
    on.iter().all(|joined| same(&other.cell(theirs, &joined.other), &table.cell(row, &joined.own)))
}

/// Whether two columns hold the same value, or, in documents, lists that share one. NULL is the same as nothing.
fn same(a: &Cell, b: &Cell) -> bool {
    let (a, b) = (values(a), values(b));
    a.iter().any(|a| b.iter().any(|b| same_value(a, b)))
}

/// What a cell holds: each of a list's elements, or itself.
fn values(cell: &Cell) -> Vec<Cell> {
    let Cell::Json(Json::Array(elements)) = cell else { return vec![cell.clone()] };
    let element = |element: &Json| match element {
        Json::Null => Cell::Null,
        Json::Bool(value) => Cell::Bool(*value),
        Json::String(text) => Cell::Text(text.clone()),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(value), _) => Cell::Int(value),
            (None, Some(value)) => Cell::Real(value),
            (None, None) => Cell::Json(element.clone()),
        },
        other => Cell::Json(other.clone()),
    };
    elements.iter().map(element).collect()
}

fn same_value(a: &Cell, b: &Cell) -> bool {
    let number = |cell: &Cell| match cell {
        Cell::Int(value) => Some(Number::Int((*value).into())),
        Cell::Unsigned(value) => Some(Number::Int((*value).into())),
        Cell::Real(value) => Some(Number::Real(*value)),
        _ => None,
    };
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a.compare(b) == Some(std::cmp::Ordering::Equal),
        _ => *a != Cell::Null && a == b,
    }
}
