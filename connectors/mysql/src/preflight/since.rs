//! Values of `since` that are no moment: dates with a zero for their year, month or day.

use forgetd_connector::{ColumnKind, Finding, Notice, Since, Step, Table, TableRef, WhenNull};

use crate::codec;
use crate::query::{Sql, table_name};

/// How many rows are looked at: the first ones by the column, where an index leads there.
const ROWS: u64 = 20_000;

/// A column whose values are looked at.
pub(super) struct Zeros {
    table: TableRef,
    column: String,
    pub(super) sql: Sql,
}

/// The columns of times that the step counts from.
pub(super) fn columns(step: &Step) -> Vec<Zeros> {
    let terms = &step.selection.terms;
    let mut names: Vec<&str> = terms.since.columns().into_iter().map(|since| since.column.as_str()).collect();
    if let WhenNull::Use(other) = &terms.when_null {
        names.push(other);
    }
    let mut zeros: Vec<Zeros> = names.into_iter().filter_map(|name| Zeros::of(&step.table, name)).collect();
    if let Since::Latest(latest) = &terms.since
        && let Some(other) = step.other(&latest.table)
    {
        zeros.extend(Zeros::of(other, &latest.at.column));
    }
    zeros
}

// === impl Zeros ===

impl Zeros {
    fn of(table: &Table, name: &str) -> Option<Self> {
        let column = table.column(name)?;
        if !matches!(column.kind, ColumnKind::Instant | ColumnKind::NaiveTime | ColumnKind::Date) {
            return None;
        }
        let (quoted, from) = (codec::quote(name), table_name(&table.name));
        let order = if table.leads_index(name) { format!(" order by {quoted}") } else { String::new() };
        let mut sql = Sql::default();
        let rows = sql.bind(ROWS);
        let sql = sql.say(format!(
            "select count(*) from (select {quoted} as at from {from} where {quoted} is not null{order} limit {rows}) \
             as forgetd_rows where year(at) = 0 or month(at) = 0 or dayofmonth(at) = 0"
        ));
        Some(Self { table: table.name.clone(), column: name.into(), sql })
    }

    /// What so many of them mean.
    pub(super) fn finding(&self, rows: u64, step: &Step, database: &str) -> Option<Finding> {
        if rows == 0 {
            return None;
        }
        let Self { table, column, .. } = self;
        let then = match &step.selection.terms.when_null {
            WhenNull::Keep => "they are kept".to_owned(),
            WhenNull::Delete => "they are due at once".to_owned(),
            WhenNull::Use(other) => format!("{other} counts in their place"),
        };
        let message = format!(
            "at least {rows} rows hold a date with a zero for its year, month or day in {column}, which is no moment: as for \
             NULL, {then}"
        );
        let fix = "give those rows a date or NULL, or write `when_null` as they are meant";
        Some(Finding::warns(Notice::ZeroDates, format!("{database}.{table}.{column}"), message, fix))
    }
}
