//! The moment that a row counts from, for people: the earliest among due rows, months, one row's own.

use forgetd_connector::{Column, ColumnKind, Fault, Latest, Since, SinceColumn, SinceForm, Table, Terms, WhenNull};
use jiff::tz::TimeZone;

use super::selection::Compiler;
use super::since::{OTHER, from_other};
use super::written::WrittenTime;
use super::{Query, Sql, of};
use crate::codec;

/// Seconds since 1970 within which a number is a moment of the calendar.
const CALENDAR: &str = "between -62135596800 and 253402300799";

/// The alias of the latest activity of all rows, where it is worked out at once.
const ALL: &str = "forgetd_latest";

/// How many rows' moments are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    /// One row's.
    One,
    /// Those of many.
    Many,
}

/// An expression for a moment, and how to read it.
#[derive(Clone)]
pub(crate) struct Moment {
    pub(crate) expr: String,
    /// Its month, as `YYYY-MM`.
    pub(super) month: String,
    pub(crate) kind: ColumnKind,
    pub(crate) form: Option<SinceForm>,
    pub(crate) zone: Option<TimeZone>,
    type_name: String,
    /// What has to stand behind the table for the expression to mean anything.
    pub(super) beside: String,
}

// === impl Moment ===

impl Moment {
    /// What the column holds; a text in the type that it would have if it were none.
    fn new(column: &Column, since: &SinceColumn, expr: String, sql: &mut Sql) -> Self {
        let written = if column.kind == ColumnKind::Text { WrittenTime::new(&expr, since.form) } else { None };
        let kind = match (&written, since.form) {
            (None, _) => column.kind,
            (Some(_), Some(SinceForm::Date)) => ColumnKind::Date,
            (Some(_), Some(SinceForm::Iso8601)) => ColumnKind::Instant,
            (Some(_), _) => ColumnKind::NaiveTime,
        };
        let expr = match written {
            None => expr,
            Some(time) => time.native(&sql.bind_once(time.pattern().as_str().into())),
        };
        Self {
            month: month(kind, since.form, &expr),
            expr,
            kind,
            form: since.form,
            zone: since.zone.clone(),
            type_name: column.type_name.clone(),
            beside: String::new(),
        }
    }

    /// The same kind of moment in another expression.
    fn of(self, expr: String) -> Self {
        Self { month: month(self.kind, self.form, &expr), expr, ..self }
    }

    /// It, read as text.
    pub(crate) fn text(&self) -> String {
        codec::read(self.kind, &self.expr)
    }

    /// Whether it is one that a calendar can say.
    pub(super) fn is_finite(&self) -> String {
        match self.kind {
            ColumnKind::Instant | ColumnKind::NaiveTime | ColumnKind::Date => format!("isfinite({})", self.expr),
            _ => format!("{} is not null", self.expr),
        }
    }

    /// Whether two moments are written alike, so that the server can compare them as they are.
    fn is_like(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.type_name == other.type_name
            && self.form == other.form
            && (self.zone == other.zone || matches!(self.kind, ColumnKind::Instant))
    }

    /// As an instant of the server's. Absent where its zone has no name.
    fn instant(&self, sql: &mut Sql) -> Option<String> {
        let mut in_zone = |local: String| {
            let zone = self.zone.as_ref()?.iana_name()?;
            Some(format!("({local} at time zone {}::text)", sql.bind_once(zone.into())))
        };
        match self.kind {
            ColumnKind::Instant => Some(self.expr.clone()),
            ColumnKind::NaiveTime => in_zone(self.expr.clone()),
            ColumnKind::Date => in_zone(format!("{}::timestamp", self.expr)),
            _ => Some(instant_of_number(&self.expr, self.form)),
        }
    }

    /// One of several: `pick` says which, from moments that are written alike.
    fn one_of(all: &[Self], sql: &mut Sql, pick: &str) -> Option<Self> {
        let first = all.first()?;
        let list = |exprs: Vec<String>| format!("{pick}({})", exprs.join(", "));
        let beside = all.iter().map(|moment| moment.beside.as_str()).collect();
        if all.iter().all(|moment| moment.is_like(first)) {
            let expr = list(all.iter().map(|moment| moment.expr.clone()).collect());
            return Some(Self { beside, ..first.clone().of(expr) });
        }
        let instants = all.iter().map(|moment| moment.instant(sql)).collect::<Option<Vec<_>>>()?;
        let expr = list(instants.clone());
        let months = instants.iter().zip(all).map(|(at, moment)| format!(" when {at} = {expr} then {}", moment.month));
        let month = format!("case{} end", months.collect::<String>());
        let kind = ColumnKind::Instant;
        Some(Self { expr, month, kind, form: None, zone: None, type_name: String::new(), beside })
    }
}

/// The month of a moment, as its column writes it.
fn month(kind: ColumnKind, form: Option<SinceForm>, expr: &str) -> String {
    let local = match kind {
        ColumnKind::Instant => format!("{expr} at time zone 'UTC'"),
        ColumnKind::NaiveTime => expr.to_owned(),
        ColumnKind::Date => format!("{expr}::timestamp"),
        _ => format!("{} at time zone 'UTC'", instant_of_number(expr, form)),
    };
    format!("to_char({local}, 'YYYY-MM')")
}

/// A number as an instant of the server's; NULL where it lies outside the calendar.
fn instant_of_number(expr: &str, form: Option<SinceForm>) -> String {
    let seconds = match form {
        Some(SinceForm::UnixMs) => format!("({expr} / 1000.0)"),
        Some(SinceForm::Julian) => format!("(({expr} - 2440587.5) * 86400)"),
        _ => expr.to_owned(),
    };
    format!("(case when {seconds} {CALENDAR} then to_timestamp({seconds}) end)")
}

// === impl Query ===

impl Query {
    /// The moment that the rows of these terms count from. Absent where none can be said.
    pub(super) fn moment(&self, terms: &Terms, rows: Rows, sql: &mut Sql) -> Result<Option<Moment>, Fault> {
        let compiler = Compiler::new(&self.step, &self.place, self.text_order, Sql::default());
        let own = |since: &SinceColumn, sql: &mut Sql| {
            let column = compiler.own(&since.column)?;
            Ok::<_, Fault>(Moment::new(column, since, of(&column.name), sql))
        };
        match &terms.since {
            Since::Column(since) => {
                let first = own(since, sql)?;
                let WhenNull::Use(name) = &terms.when_null else { return Ok(Some(first)) };
                let used = own(&SinceColumn { column: name.clone(), ..since.clone() }, sql)?;
                Ok(Moment::one_of(&[first, used], sql, "coalesce"))
            }
            Since::Greatest(columns) => {
                let all = columns.iter().map(|since| own(since, sql)).collect::<Result<Vec<_>, _>>()?;
                Ok(Moment::one_of(&all, sql, "greatest"))
            }
            Since::Latest(latest) => {
                let table = compiler.other(&latest.table)?;
                let at = latest_activity(&compiler, table, latest, rows, sql)?;
                let Some(or) = &latest.or else { return Ok(Some(at)) };
                let or = own(or, sql)?;
                Ok(Moment::one_of(&[at, or], sql, "coalesce"))
            }
        }
    }
}

/// The latest activity of a row: looked up for each row where an index serves that, else worked out for all at once.
fn latest_activity(
    compiler: &Compiler<'_>,
    table: &Table,
    latest: &Latest,
    rows: Rows,
    sql: &mut Sql,
) -> Result<Moment, Fault> {
    let column = compiler.of_other(table, &latest.at.column)?;
    let at = Moment::new(column, &latest.at, format!("{OTHER}.{}", codec::quote(&column.name)), sql);
    let max = format!("max({})", at.expr);
    let joined: Vec<&str> = latest.on.iter().map(|joined| joined.other.as_str()).collect();
    let is_text = |name: &&str| table.column(name).is_some_and(|column| column.kind == ColumnKind::Text);
    if rows == Rows::One || leads_with(table, &joined) || joined.iter().any(is_text) {
        let belongs = compiler.belongs(table, latest)?;
        return Ok(at.of(format!("(select {max} from {} where {belongs})", from_other(table))));
    }
    let theirs = |name: &str| format!("{OTHER}.{}", codec::quote(name));
    let columns: Vec<String> = joined.iter().map(|name| theirs(name)).collect();
    let named: Vec<String> = columns.iter().enumerate().map(|(n, of)| format!("{of} as forgetd_c{n}")).collect();
    let equal: Vec<String> =
        latest.on.iter().enumerate().map(|(n, joined)| format!("{ALL}.forgetd_c{n} = {}", of(&joined.own))).collect();
    let mut moment = at.of(format!("{ALL}.forgetd_at"));
    moment.beside = format!(
        " left join (select {}, {max} as forgetd_at from {} group by {}) as {ALL} on {}",
        named.join(", "),
        from_other(table),
        columns.join(", "),
        equal.join(" and "),
    );
    Ok(moment)
}

/// Whether an index of the table begins with these columns, in any order.
pub(crate) fn leads_with(table: &Table, columns: &[&str]) -> bool {
    table.indexes.iter().any(|index| {
        let first = index.columns.get(..columns.len()).unwrap_or_default();
        !first.is_empty() && columns.iter().all(|column| first.iter().any(|name| name == column))
    })
}
