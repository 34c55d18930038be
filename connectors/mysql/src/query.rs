//! Every statement that looks at or changes a row of a user's table. Names are quoted, values are bound.
//!
//! The predicate's values come first in every statement, so its text is the same wherever it stands.

mod account;
mod along;
mod carried;
mod change;
mod coarse;
mod count;
mod done;
mod json;
mod layout;
mod lock;
mod lookup;
mod moment;
mod native;
mod number;
mod reach;
mod rewrite;
mod rows;
mod said;
mod selection;
mod since;
mod span;
mod sql;
mod test;
mod trial;
mod undone;
mod written;

use forgetd_connector::walk::Position;
use forgetd_connector::{Cause, Column, ColumnKind, Fault, Key, SinceColumn, Step, TableRef, Value, WhenNull};

use crate::codec;
use crate::flavour::Flavour;
use crate::kind::TypeName;
pub(crate) use along::Referring;
pub(crate) use carried::Carrier;
pub(crate) use moment::Moment;
use rewrite::Writes;
pub(crate) use rewrite::{Due, Guard};
pub(crate) use rows::{Beside, Elements, RowsToWrite};
use selection::Compiler;
pub(crate) use selection::{Condition, Reading};
pub(crate) use since::refers;
pub(crate) use sql::{Param, Sql, may_stand, shown};

/// The statements of one step.
pub(crate) struct Query {
    step: Step,
    place: String,
    flavour: Flavour,
    lead: Option<Lead>,
    /// The column that counts where the leading one is NULL.
    other: Option<Column>,
    key: Vec<Column>,
    /// The last key that lookups among all keys find, where that is not the last one there is.
    until: Option<Key>,
    conditions: Vec<Condition>,
    predicate: String,
    /// The values of the predicate. The first are what the leading column is compared with.
    bound: Sql,
    /// How many those are.
    bounds: usize,
    readings: Vec<Reading>,
    /// The columns that a transform computes from.
    computed: Vec<Column>,
    /// Whether the marker says that a row was done.
    marked: String,
    /// What is written, where rows stay.
    writes: Option<Writes>,
}

/// The column in whose order a lane can walk.
pub(crate) struct Lead {
    pub(crate) column: Column,
    /// The cutoff, as the column is compared with it.
    cutoff: String,
    /// The floor, where no row is looked at whose value here lies before it.
    floor: Option<String>,
    /// Where the lane ends before the cutoff, where it does.
    until: Option<Value>,
}

/// The alias of the table in every statement.
const ALIAS: &str = "t";

/// The quoted name of a table.
pub(crate) fn table_name(table: &TableRef) -> String {
    match &table.schema {
        Some(schema) => format!("{}.{}", codec::quote(schema), codec::quote(&table.name)),
        None => codec::quote(&table.name),
    }
}

/// A table under the alias.
fn from(table: &TableRef) -> String {
    format!("{} as {ALIAS}", table_name(table))
}

/// A column of the aliased table.
fn of(column: &str) -> String {
    format!("{ALIAS}.{}", codec::quote(column))
}

/// The column in whose order a lane can walk. Times that are written as text have an order of their own.
pub(crate) fn lead(step: &Step) -> Option<&SinceColumn> {
    let text = |since: &&SinceColumn| step.table.column(&since.column).is_some_and(|c| c.kind == ColumnKind::Text);
    step.lead().filter(|since| !text(since))
}

// === impl Query ===

impl Query {
    /// Builds what all statements of the step share. Fails where a column is missing or cannot be compared exactly.
    pub(crate) fn new(step: &Step, database: &str, flavour: Flavour) -> Result<Self, Fault> {
        let place = step.place(database);
        let terms = &step.selection.terms;
        let mut compiler = Compiler::new(step, &place, flavour, Sql::default());
        // First, so that lookups, which know nothing else, bind it as the predicate does.
        let lead = match lead(step) {
            Some(since) => {
                let column = compiler.own(&since.column)?.clone();
                let cutoff = compiler.cutoff(&column, since, terms.cutoff)?;
                // Of several columns another one can hold the moment; and a row without one is looked at whatever the
                // floor, where it can be due.
                let keeps = terms.when_null == WhenNull::Keep || !column.nullable && !since::is_time(&column);
                let floor = step.selection.floor.filter(|_| terms.since.single().is_some() && keeps);
                let floor = floor.map(|floor| compiler.cutoff(&column, since, floor)).transpose()?;
                Some(Lead { column, cutoff, floor, until: None })
            }
            None => None,
        };
        let bounds = compiler.sql.bound();
        let other = match &terms.when_null {
            WhenNull::Use(name) => Some(compiler.own(name)?.clone()),
            WhenNull::Keep | WhenNull::Delete => None,
        };
        let key = step.table.key.iter().map(|name| compiler.own(name).cloned()).collect::<Result<Vec<_>, _>>()?;
        // In the order of their bits, which no literal lies in.
        if let Some(set) = key.iter().find(|column| TypeName::of(column).base == "set") {
            return Err(compiler.refuse(Cause::NoKey, &set.name));
        }
        let conditions = compiler.selection(&step.selection)?;
        let computed = match step.rewrite() {
            Some(rewrite) => {
                rewrite.computed().into_iter().map(|name| compiler.own(name).cloned()).collect::<Result<Vec<_>, _>>()?
            }
            None => vec![],
        };
        let marked = compiler.marked()?;
        let bound = compiler.sql.clone();
        let writes = step.rewrite().map(|rewrite| Writes::new(&mut compiler, rewrite)).transpose()?;
        let Compiler { readings, .. } = compiler;
        let texts: Vec<&str> = conditions.iter().map(|condition| condition.text.as_str()).collect();
        let predicate = texts.join(" and ");
        Ok(Self {
            step: step.clone(),
            place: place.clone(),
            flavour,
            lead,
            other,
            key,
            until: None,
            conditions,
            predicate,
            bound,
            bounds,
            readings,
            computed,
            marked,
            writes,
        })
    }

    /// What the server is.
    pub(crate) fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// The step.
    pub(crate) fn step(&self) -> &Step {
        &self.step
    }

    /// What is written, if rows stay.
    fn writes(&self) -> Option<&Writes> {
        self.writes.as_ref()
    }

    /// The predicate as it stands in every statement that is built, with its placeholders.
    pub(crate) fn predicate(&self) -> &str {
        &self.predicate
    }

    /// Whether texts inside JSON are compared.
    pub(crate) fn unquotes(&self) -> bool {
        let pending = self.writes.as_ref().map(Writes::pending_text).unwrap_or_default();
        [self.predicate.as_str(), pending].iter().any(|text| text.contains(json::UNQUOTE))
    }

    /// The columns that hold the key.
    pub(crate) fn key(&self) -> &[Column] {
        &self.key
    }

    /// The columns whose new values are computed.
    pub(crate) fn computed(&self) -> &[Column] {
        &self.computed
    }

    /// Whether the marker says that a row was done: true or false.
    pub(crate) fn marked(&self) -> &str {
        &self.marked
    }

    /// The column in whose order a lane can walk; absent where only that of the key is left.
    pub(crate) fn lead(&self) -> Option<&Column> {
        self.lead.as_ref().map(|lead| &lead.column)
    }

    /// What has to be readable before the predicate means anything.
    pub(crate) fn readings(&self) -> &[Reading] {
        &self.readings
    }

    /// Whether a row's fate can change while the row itself does not.
    pub(crate) fn looks_elsewhere(&self) -> bool {
        self.step.selection.looks_elsewhere()
    }

    /// A statement in which the predicate can stand: its values are bound.
    pub(crate) fn with_predicate(&self) -> Sql {
        self.bound.clone()
    }

    /// A statement in which the leading column's cutoff and floor alone can stand.
    pub(crate) fn with_cutoff(&self) -> Sql {
        self.bound.first(self.bounds)
    }

    /// The same, whose lookups and spans end at a value of the leading column or behind a key. The predicate stands beside them as
    /// it is.
    pub(crate) fn until(mut self, until: Option<&Position>) -> Self {
        match (until, &mut self.lead) {
            (Some(Position::From(value)), Some(lead)) => lead.until = Some(value.clone()),
            (Some(Position::Keys { after }), _) => self.until.clone_from(after),
            _ => {}
        }
        self
    }

    /// The table under its alias.
    pub(crate) fn from(&self) -> String {
        from(&self.step.table.name)
    }
}
