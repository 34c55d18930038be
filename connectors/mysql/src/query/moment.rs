//! The moment that a row counts from, for people: the earliest among due rows, months, one row's own.

use forgetd_connector::{Column, ColumnKind, Fault, Latest, Since, SinceColumn, SinceForm, Table, Terms, WhenNull};
use jiff::tz::TimeZone;

use super::selection::Compiler;
use super::since::{Alike, OTHER, from_other, is_time, real};
use super::written::WrittenTime;
use super::{Query, Sql, of};
use crate::codec;
use crate::flavour::Flavour;

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
    /// It; NULL where there is none that a calendar can say.
    pub(crate) expr: String,
    /// What is in its order, and an index serves.
    pub(super) order: String,
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
    /// What the column holds; a text in its normal form.
    fn new(column: &Column, since: &SinceColumn, name: String, sql: &mut Sql, flavour: Flavour) -> Self {
        let written = if column.kind == ColumnKind::Text { WrittenTime::new(column, &name, since.form) } else { None };
        let kind = match (&written, since.form) {
            (None, _) => column.kind,
            (Some(_), Some(SinceForm::Date)) => ColumnKind::Date,
            (Some(_), Some(SinceForm::Iso8601)) => ColumnKind::Instant,
            (Some(_), _) => ColumnKind::NaiveTime,
        };
        let (expr, order) = match written {
            Some(time) => {
                let native = time.native(&sql.bind_once(time.pattern().as_str()));
                (native.clone(), native)
            }
            None if is_time(column) => (format!("(case when {} then {name} end)", real(&name)), name),
            None => (codec::read(column, &name), name),
        };
        Self {
            month: month(kind, since.form, &expr, flavour),
            expr,
            order,
            kind,
            form: since.form,
            zone: since.zone.clone(),
            type_name: column.type_name.clone(),
            beside: String::new(),
        }
    }

    /// The same kind of moment in another expression.
    fn of(self, expr: String, flavour: Flavour) -> Self {
        Self { month: month(self.kind, self.form, &expr, flavour), order: expr.clone(), expr, ..self }
    }

    /// Whether there is one.
    pub(super) fn is_there(&self) -> String {
        format!("{} is not null", self.expr)
    }

    /// Whether two moments are written alike, so that the server can compare them as they are.
    fn is_like(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.type_name == other.type_name
            && self.form == other.form
            && (self.zone == other.zone || matches!(self.kind, ColumnKind::Instant))
    }

    /// As a time of the server's in UTC. Absent where its zone has no name; NULL where the server does not know the zone.
    fn instant(&self, sql: &mut Sql, flavour: Flavour) -> Option<String> {
        match self.kind {
            ColumnKind::Instant => Some(format!("cast({} as datetime(6))", self.expr)),
            ColumnKind::NaiveTime | ColumnKind::Date => {
                let local = format!("cast({} as datetime(6))", self.expr);
                let zone = self.zone.as_ref()?;
                if *zone == TimeZone::UTC {
                    return Some(local);
                }
                Some(format!("convert_tz({local}, {}, '+00:00')", sql.bind_once(zone.iana_name()?)))
            }
            _ => Some(instant_of_number(&self.expr, self.form, flavour)),
        }
    }

    /// One of several: `pick` says which, from moments that are written alike.
    fn one_of(all: &[Self], sql: &mut Sql, flavour: Flavour, pick: fn(&[String]) -> String) -> Option<Self> {
        let first = all.first()?;
        let beside = all.iter().map(|moment| moment.beside.as_str()).collect();
        if all.iter().all(|moment| moment.is_like(first)) {
            let exprs: Vec<String> = all.iter().map(|moment| moment.expr.clone()).collect();
            return Some(Self { beside, ..first.clone().of(pick(&exprs), flavour) });
        }
        let instants = all.iter().map(|moment| moment.instant(sql, flavour)).collect::<Option<Vec<_>>>()?;
        let expr = pick(&instants);
        let months = instants.iter().zip(all).map(|(at, moment)| format!(" when {at} = {expr} then {}", moment.month));
        let month = format!("case{} end", months.collect::<String>());
        let kind = ColumnKind::Instant;
        Some(Self { order: expr.clone(), expr, month, kind, form: None, zone: None, type_name: String::new(), beside })
    }
}

/// The first that is there.
fn first(exprs: &[String]) -> String {
    format!("coalesce({})", exprs.join(", "))
}

/// The latest of those that are there: the server's own has none where one of them is missing.
fn latest(exprs: &[String]) -> String {
    let [_, _, ..] = exprs else { return first(exprs) };
    let rotated = (0..exprs.len()).map(|n| {
        let mut turned = exprs.to_vec();
        turned.rotate_left(n);
        first(&turned)
    });
    format!("greatest({})", rotated.collect::<Vec<_>>().join(", "))
}

/// The month of a moment, as its column writes it.
fn month(kind: ColumnKind, form: Option<SinceForm>, expr: &str, flavour: Flavour) -> String {
    match kind {
        ColumnKind::Instant | ColumnKind::NaiveTime | ColumnKind::Date => format!("left({expr}, 7)"),
        _ => format!("left({}, 7)", instant_of_number(expr, form, flavour)),
    }
}

/// A number as a time of the server's; NULL where it lies outside the calendar.
fn instant_of_number(expr: &str, form: Option<SinceForm>, flavour: Flavour) -> String {
    let seconds = match form {
        Some(SinceForm::UnixMs) => format!("({expr} / 1000.0)"),
        Some(SinceForm::Julian) => format!("(({expr} - 2440587.5) * 86400)"),
        _ => expr.to_owned(),
    };
    let moment = flavour.moment(&format!("round({seconds} * 1000000)"));
    format!("(case when {seconds} {CALENDAR} then {moment} end)")
}

// === impl Query ===

impl Query {
    /// The moment that the rows of these terms count from. Absent where none can be said.
    pub(super) fn moment(&self, terms: &Terms, rows: Rows, sql: &mut Sql) -> Result<Option<Moment>, Fault> {
        let compiler = Compiler::new(&self.step, &self.place, self.flavour, Sql::default());
        let own = |since: &SinceColumn, sql: &mut Sql| {
            let column = compiler.own(&since.column)?;
            Ok::<_, Fault>(Moment::new(column, since, of(&column.name), sql, self.flavour))
        };
        match &terms.since {
            Since::Column(since) => {
                let one = own(since, sql)?;
                let WhenNull::Use(name) = &terms.when_null else { return Ok(Some(one)) };
                let used = own(&SinceColumn { column: name.clone(), ..since.clone() }, sql)?;
                Ok(Moment::one_of(&[one, used], sql, self.flavour, first))
            }
            Since::Greatest(columns) => {
                let all = columns.iter().map(|since| own(since, sql)).collect::<Result<Vec<_>, _>>()?;
                Ok(Moment::one_of(&all, sql, self.flavour, latest))
            }
            Since::Latest(latest) => {
                let table = compiler.other(&latest.table)?;
                let at = latest_activity(&compiler, table, latest, rows, sql)?;
                let Some(or) = &latest.or else { return Ok(Some(at)) };
                let or = own(or, sql)?;
                Ok(Moment::one_of(&[at, or], sql, self.flavour, first))
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
    let flavour = compiler.flavour;
    let at = Moment::new(column, &latest.at, format!("{OTHER}.{}", codec::quote(&column.name)), sql, flavour);
    let max = format!("max({})", at.expr);
    let joined: Vec<&str> = latest.on.iter().map(|joined| joined.other.as_str()).collect();
    let is_text = |name: &&str| table.column(name).is_some_and(|column| column.kind == ColumnKind::Text);
    if rows == Rows::One || leads_with(table, &joined) || joined.iter().any(is_text) {
        let belongs = compiler.belongs(table, latest, Alike::Collated)?;
        return Ok(at.of(format!("(select {max} from {} where {belongs})", from_other(table)), flavour));
    }
    let theirs = |name: &str| format!("{OTHER}.{}", codec::quote(name));
    let columns: Vec<String> = joined.iter().map(|name| theirs(name)).collect();
    let named: Vec<String> = columns.iter().enumerate().map(|(n, of)| format!("{of} as forgetd_c{n}")).collect();
    let equal: Vec<String> =
        latest.on.iter().enumerate().map(|(n, joined)| format!("{ALL}.forgetd_c{n} = {}", of(&joined.own))).collect();
    let mut moment = at.of(format!("{ALL}.forgetd_at"), flavour);
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
