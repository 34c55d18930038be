//! Every statement that looks at or changes a row of a user's table. Names are quoted, values are bound.
//!
//! The predicate's parameters come first in every statement, so its text is the same wherever it stands.

mod account;
mod change;
mod coarse;
mod count;
mod done;
mod json;
mod lock;
mod lookup;
mod moment;
mod native;
mod rewrite;
mod said;
mod selection;
mod since;
mod span;
mod sql;
mod test;
mod trial;
mod undone;
mod weight;
mod written;

use forgetd_connector::{Column, ColumnKind, Fault, SinceColumn, Step, TableRef, Value, WhenNull};

use crate::codec;
pub(crate) use change::Returning;
pub(crate) use moment::Moment;
use rewrite::Writes;
pub(crate) use rewrite::{Among, BEFORE_KEYS, RowRead, RowToWrite};
use selection::Compiler;
pub(crate) use selection::{Condition, ReadAs, Reading};
pub(crate) use span::{LINE_BITS, tid_from};
pub(crate) use sql::{Param, Sql, Written};
pub(crate) use trial::SAMPLES_MAX;
pub(crate) use weight::Weight;

/// The statements of one step.
pub(crate) struct Query {
    step: Step,
    place: String,
    text_order: TextOrder,
    lead: Option<Lead>,
    /// The column that counts where the leading one is NULL.
    other: Option<Column>,
    key: Vec<Column>,
    conditions: Vec<Condition>,
    predicate: String,
    /// The parameters of the predicate. The first are what the leading column is compared with.
    bound: Sql,
    /// How many those are.
    bounds: usize,
    readings: Vec<Reading>,
    /// What is written, where rows stay.
    writes: Option<Writes>,
    /// Settings pinned where text forms depend on them.
    pins: String,
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

/// What the server's bytes of a text are in the order of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextOrder {
    /// Code points.
    CodePoints,
    /// Something else: its encoding's own.
    Encoding,
}

/// The alias of the table in every statement.
const ALIAS: &str = "t";

/// Quotes of a native condition are read as they were when it was looked through.
const STRINGS: &str = "; set local standard_conforming_strings = on";

/// The quoted name of a table.
pub(crate) fn table_name(table: &TableRef) -> String {
    match &table.schema {
        Some(schema) => format!("{}.{}", codec::quote(schema), codec::quote(&table.name)),
        None => codec::quote(&table.name),
    }
}

/// A table under the alias, without its inheritance children: those are tables of their own.
fn from(table: &TableRef) -> String {
    format!("only {} as {ALIAS}", table_name(table))
}

/// Two texts as they are compared for their order.
fn in_order(order: TextOrder, a: &str, sign: &str, b: &str) -> String {
    match order {
        TextOrder::CodePoints => format!("{a} collate \"C\" {sign} {b}"),
        TextOrder::Encoding => format!("convert_to({a}, 'UTF8') {sign} convert_to({b}, 'UTF8')"),
    }
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
    pub(crate) fn new(step: &Step, database: &str, text_order: TextOrder) -> Result<Self, Fault> {
        let place = step.place(database);
        let terms = &step.selection.terms;
        let mut compiler = Compiler::new(step, &place, text_order, Sql::default());
        // First, so that lookups, which know nothing else, bind it as the predicate does.
        let lead = match lead(step) {
            Some(since) => {
                let column = compiler.own(&since.column)?.clone();
                let cutoff = compiler.cutoff(&column, since, terms.cutoff)?;
                // Of several columns another one can hold the moment.
                let floor = step.selection.floor.filter(|_| terms.since.single().is_some());
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
        let conditions = compiler.selection(&step.selection)?;
        let bound = compiler.sql.clone();
        let writes = step.rewrite().map(|rewrite| Writes::new(&mut compiler, rewrite)).transpose()?;
        let Compiler { readings, pinned, pins_all, .. } = compiler;
        let texts: Vec<&str> = conditions.iter().map(|condition| condition.text.as_str()).collect();
        let predicate = texts.join(" and ");
        let mut read: Vec<&Column> = key.iter().chain(lead.iter().map(|lead| &lead.column)).collect();
        read.extend(&pinned);
        let mut pins = codec::pins(&read).to_owned();
        if pins_all {
            pins = codec::PINS.to_owned();
        }
        if readings.iter().any(|reading| matches!(reading.what, ReadAs::Native(_))) {
            // A native condition can depend on any of them, and a pooler's session brings what others left.
            pins = codec::PINS.to_owned();
            pins.push_str(STRINGS);
        }
        Ok(Self {
            step: step.clone(),
            place,
            text_order,
            lead,
            other,
            key,
            conditions,
            predicate,
            bound,
            bounds,
            readings,
            writes,
            pins,
        })
    }

    /// The predicate, exactly as it stands in every statement.
    pub(crate) fn predicate(&self) -> &str {
        &self.predicate
    }

    /// Settings, each behind `; `, that the statements' text forms need.
    pub(crate) fn pins(&self) -> &str {
        &self.pins
    }

    /// The columns that hold the key.
    pub(crate) fn key(&self) -> &[Column] {
        &self.key
    }

    /// The same, whose lookups and spans end at a value of the leading column. The predicate stands beside them as it is.
    pub(crate) fn until(mut self, until: Option<Value>) -> Self {
        if let Some(lead) = &mut self.lead {
            lead.until = until;
        }
        self
    }

    /// The column in whose order a lane can walk; absent where only the physical one is left.
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

    /// A statement in which the predicate can stand: its parameters are bound.
    fn with_predicate(&self) -> Sql {
        self.bound.clone()
    }

    /// A statement in which the leading column's cutoff and floor alone can stand.
    fn with_cutoff(&self) -> Sql {
        self.bound.first(self.bounds)
    }

    fn from(&self) -> String {
        from(&self.step.table.name)
    }
}
