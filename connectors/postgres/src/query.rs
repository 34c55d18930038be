//! Every statement that looks at or changes a row of a user's table. Names are quoted, values are bound.
//!
//! The predicate's parameters come first in every statement, so its text is the same wherever it stands.

mod change;
mod count;
mod lookup;
mod span;
mod sql;

use forgetd_connector::{
    Cause, Check, Column, ColumnKind, Comparison, Fault, FaultClass, Predicate, Step, TableRef, Value, WhenNull,
};

use crate::codec;
pub(crate) use change::Returning;
pub(crate) use span::{LINE_BITS, tid_from};
pub(crate) use sql::{Param, Sql, Written};

/// The statements of one step.
pub(crate) struct Query {
    table: String,
    since: Column,
    /// The column that counts where `since` is NULL.
    other: Option<Column>,
    key: Vec<Column>,
    /// `$1`: the cutoff, as `since` is compared with it.
    cutoff: String,
    cutoff_param: Param,
    predicate: String,
    literals: Vec<Param>,
    /// Settings pinned where text forms depend on them.
    pins: &'static str,
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

/// A column of the aliased table.
fn of(column: &str) -> String {
    format!("{ALIAS}.{}", codec::quote(column))
}

// === impl Query ===

impl Query {
    /// Builds what all statements of the step share. Fails where a column is missing or cannot be compared exactly.
    pub(crate) fn new(step: &Step, database: &str) -> Result<Self, Fault> {
        let place = step.place(database);
        let column = |name: &str| {
            step.table.column(name).cloned().ok_or_else(|| {
                Fault::new(FaultClass::Blocked(Cause::ColumnMissing), "build statements", &*place).with_detail(name)
            })
        };
        let terms = &step.selection.terms;
        let Some(lead) = terms.since.single() else {
            return Err(Fault::new(FaultClass::Blocked(Cause::Unsupported), "build statements", place));
        };
        let since = column(&lead.column)?;
        let (cutoff_param, around) = codec::cutoff(&since, lead.form, lead.zone.as_ref(), terms.cutoff, &place)?;
        let cutoff = around("$1");
        let key = step.table.key.iter().map(|name| column(name)).collect::<Result<Vec<_>, _>>()?;
        let due = format!("{} < {cutoff}", of(&since.name));
        let mut other = None;
        let due = match &terms.when_null {
            WhenNull::Keep => due,
            WhenNull::Delete => format!("({due} or {} is null)", of(&since.name)),
            WhenNull::Use(name) => {
                let column = other.insert(column(name)?);
                format!("({due} or ({} is null and {} < {cutoff}))", of(&since.name), of(&column.name))
            }
        };
        let mut compare = Comparisons { step, place: &place, literals: vec![], parts: vec![due] };
        compare.add(&terms.predicate)?;
        let Comparisons { literals, parts, .. } = compare;
        let mut texts: Vec<&Column> = key.iter().collect();
        texts.push(&since);
        let pins = codec::pins(&texts);
        Ok(Self {
            table: table_name(&step.table.name),
            since,
            other,
            key,
            cutoff,
            cutoff_param,
            predicate: parts.join(" and "),
            literals,
            pins,
        })
    }

    /// The predicate, exactly as it stands in every statement.
    pub(crate) fn predicate(&self) -> &str {
        &self.predicate
    }

    /// Settings, each behind `; `, that the statements' text forms need.
    pub(crate) fn pins(&self) -> &'static str {
        self.pins
    }

    /// The columns that hold the key.
    pub(crate) fn key(&self) -> &[Column] {
        &self.key
    }

    /// The column that holds the moment a period counts from.
    pub(crate) fn since(&self) -> &Column {
        &self.since
    }

    /// A statement in which the predicate can stand: its parameters are bound.
    fn with_predicate(&self) -> Sql {
        let mut sql = self.with_cutoff();
        for literal in &self.literals {
            sql.bind(literal.clone());
        }
        sql
    }

    /// A statement in which the cutoff alone can stand.
    fn with_cutoff(&self) -> Sql {
        let mut sql = Sql::default();
        sql.bind(self.cutoff_param.clone());
        sql
    }

    /// The table under its alias, without its inheritance children: those are tables of their own.
    fn from(&self) -> String {
        format!("only {} as {ALIAS}", self.table)
    }
}

/// Collects comparisons of columns with literals.
struct Comparisons<'a> {
    step: &'a Step,
    place: &'a str,
    literals: Vec<Param>,
    parts: Vec<String>,
}

// === impl Comparisons ===

impl Comparisons<'_> {
    fn add(&mut self, predicate: &Predicate) -> Result<(), Fault> {
        match predicate {
            Predicate::All(parts) => parts.iter().try_for_each(|part| self.add(part)),
            Predicate::Test(test) => match &test.check {
                Check::Compare(Comparison::Equal, value) => {
                    self.compare(&test.path.column, std::slice::from_ref(value))
                }
                Check::In(values) => self.compare(&test.path.column, values),
                _ => Err(Fault::new(FaultClass::Blocked(Cause::Unsupported), "build statements", self.place)),
            },
            _ => Err(Fault::new(FaultClass::Blocked(Cause::Unsupported), "build statements", self.place)),
        }
    }

    /// `column = value`, or `column in (values)`; exact.
    fn compare(&mut self, name: &str, values: &[Value]) -> Result<(), Fault> {
        let refuse = |cause| Fault::new(FaultClass::Blocked(cause), "build statements", self.place).with_detail(name);
        let column = self.step.table.column(name).ok_or_else(|| refuse(Cause::ColumnMissing))?;
        let mut placeholders = vec![];
        for value in values {
            if !comparable(column.kind, value) {
                return Err(refuse(Cause::ColumnType));
            }
            self.literals.push(Param::Text(codec::text(value)));
            // $1 is the cutoff.
            placeholders.push(format!("${}", self.literals.len() + 1));
        }
        let list = |values: Vec<String>| match values.as_slice() {
            [one] => format!("= {one}"),
            many => format!("in ({})", many.join(", ")),
        };
        let typed = list(placeholders.iter().map(|p| format!("{p}::text::{}", column.type_name)).collect());
        self.parts.push(format!("{} {typed}", of(name)));
        if column.kind == ColumnKind::Text {
            // The type's own equality may be wider (citext, a nondeterministic collation) or trim blanks; this is not.
            let exact = list(placeholders.iter().map(|p| format!("{p}::text")).collect());
            self.parts.push(format!("{}::text collate \"C\" {exact}", of(name)));
        }
        Ok(())
    }
}

/// Only what is of one kind compares; other types are compared by their own equality with their own text form.
fn comparable(kind: ColumnKind, value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(_) => matches!(kind, ColumnKind::Bool),
        Value::Int(_) => matches!(kind, ColumnKind::Integer | ColumnKind::Number),
        Value::Real(_) => matches!(kind, ColumnKind::Number),
        Value::Text(_) => matches!(kind, ColumnKind::Text | ColumnKind::Other),
        Value::Typed { .. } => !matches!(kind, ColumnKind::Text),
        Value::Bytes(_) => false,
    }
}
