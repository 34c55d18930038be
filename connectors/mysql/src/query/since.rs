//! Whether the period of a row is over, whatever it counts from.
//!
//! A date without a day, a month or a year, `0000-00-00` above all, is no moment: it counts as NULL does. The engine sorts
//! it before the days of its month, so that it lies among the rows of a walk; at or behind the cutoff it is never due.

use forgetd_connector::{
    Cause, Column, ColumnKind, Cutoff, Fault, Joined, Latest, Since, SinceColumn, Table, Terms, WhenNull,
};

use super::said::{Said, joined};
use super::selection::Compiler;
use super::table_name;
use super::written::WrittenTime;
use crate::codec;
use crate::kind::TypeName;

/// The alias of another table, in a subquery of its own.
pub(super) const OTHER: &str = "forgetd_other";

/// A column, and what it is compared with.
struct Compared<'a> {
    column: &'a Column,
    name: String,
    cutoff: String,
    /// Where it is text: what it has to look like, and how it is read.
    written: Option<(String, WrittenTime)>,
}

/// How texts of two tables are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alike {
    /// By the collation, where a foreign key compares them so.
    Collated,
    /// By code points too.
    Exactly,
}

/// The rows of another table that belong to a row.
struct Activity<'a> {
    /// `from .. where ..`: all that a foreign key takes for the row's, so that none of it is overlooked.
    rows: String,
    /// Those alone whose text is the row's own, so that none of another's makes it due.
    exact: String,
    at: Compared<'a>,
    or: Option<Compared<'a>>,
}

// === impl Compiler ===

impl<'a> Compiler<'a> {
    /// Every moment lies before the cutoff. Bounds stand alone where they can, so that indexes serve them.
    pub(super) fn over(&mut self, terms: &Terms) -> Result<Said, Fault> {
        let delete = terms.when_null == WhenNull::Delete;
        match (&terms.since, &terms.when_null) {
            (Since::Column(since), when_null) => {
                let since = self.compared(since, terms.cutoff)?;
                match when_null {
                    WhenNull::Keep => Ok(since.over()),
                    WhenNull::Delete => Ok(since.over_or_none()),
                    WhenNull::Use(name) => {
                        let other = self.used(terms, name, terms.cutoff)?;
                        Ok(Said::any(vec![since.over(), Said::all(vec![since.is_none(), other.over()])]))
                    }
                }
            }
            (_, WhenNull::Use(name)) => Err(self.refuse(Cause::Unsupported, name)),
            (Since::Greatest(columns), _) => {
                let columns = self.all(columns, terms.cutoff)?;
                let mut parts: Vec<Said> = columns.iter().map(Compared::over_or_none).collect();
                if !delete && columns.iter().all(Compared::can_be_none) {
                    parts.push(Said::any(columns.iter().map(Compared::is_some).collect()));
                }
                Ok(Said::all(parts))
            }
            (Since::Latest(latest), _) => {
                let Activity { rows, exact, at, or } = self.activity(latest, terms.cutoff)?;
                let over = Said::whole(format!("not exists (select 1 {rows} and {})", at.not_over().beside()));
                let any = || Said::whole(format!("exists (select 1 {exact} and {})", at.over().beside()));
                let rest = match or {
                    // No activity at all is as good as over.
                    None if delete => return Ok(over),
                    None => any(),
                    Some(or) if delete => Said::any(vec![any(), or.over_or_none()]),
                    Some(or) => Said::any(vec![any(), or.over()]),
                };
                Ok(Said::all(vec![over, rest]))
            }
        }
    }

    /// Whether the moment lies at the floor or behind it, or may do; true where there is none. A bound on a single column
    /// stands alone where NULL is never due, so that an index serves it.
    pub(super) fn not_before(&mut self, terms: &Terms, floor: Cutoff) -> Result<Said, Fault> {
        let looked_at = |column: &Compared<'_>| {
            let looked_at = column.not_over();
            if column.can_be_none() { Said::any(vec![looked_at, column.is_none()]) } else { looked_at }
        };
        match &terms.since {
            Since::Column(since) => {
                let since = self.compared(since, floor)?;
                match &terms.when_null {
                    WhenNull::Keep => Ok(since.not_over()),
                    WhenNull::Delete => Ok(looked_at(&since)),
                    WhenNull::Use(name) => {
                        let used = looked_at(&self.used(terms, name, floor)?);
                        Ok(Said::any(vec![since.not_over(), Said::all(vec![since.is_none(), used])]))
                    }
                }
            }
            Since::Greatest(columns) => {
                let columns = self.all(columns, floor)?;
                let mut parts: Vec<Said> = columns.iter().map(Compared::not_over).collect();
                if columns.iter().all(Compared::can_be_none) {
                    parts.push(Said::all(columns.iter().map(Compared::is_none).collect()));
                }
                Ok(Said::any(parts))
            }
            Since::Latest(latest) => {
                let Activity { rows, at, or, .. } = self.activity(latest, floor)?;
                let behind = Said::whole(format!("exists (select 1 {rows} and {})", at.not_over().beside()));
                let none = Said::whole(format!("not exists (select 1 {rows} and {})", at.is_some().beside()));
                let none = Said::all(std::iter::once(none).chain(or.as_ref().map(looked_at)).collect());
                Ok(Said::any(vec![behind, none]))
            }
        }
    }

    /// Whether a row has no moment, where [`Compiler::over`] says false for that although it is not known.
    pub(super) fn unknown_without_moment(&mut self, terms: &Terms) -> Result<Option<String>, Fault> {
        if terms.when_null != WhenNull::Keep {
            return Ok(None);
        }
        self.no_moment(terms)
    }

    /// Whether a row has no moment; absent where every row has one.
    pub(super) fn no_moment(&mut self, terms: &Terms) -> Result<Option<String>, Fault> {
        let none = |columns: Vec<Compared<'_>>| {
            let all = columns.iter().all(Compared::can_be_none);
            all.then(|| joined(columns.iter().map(|column| column.is_none().alone())))
        };
        match (&terms.since, &terms.when_null) {
            (Since::Column(since), when_null) => {
                let mut columns = vec![self.compared(since, terms.cutoff)?];
                if let WhenNull::Use(other) = when_null {
                    columns.push(self.used(terms, other, terms.cutoff)?);
                }
                Ok(none(columns))
            }
            (Since::Greatest(columns), _) => Ok(none(self.all(columns, terms.cutoff)?)),
            (Since::Latest(latest), _) => {
                let Activity { rows, at, or, .. } = self.activity(latest, terms.cutoff)?;
                let no_activity = format!("not exists (select 1 {rows} and {})", at.is_some().beside());
                let Some(or) = or else { return Ok(Some(no_activity)) };
                Ok(none(vec![or]).map(|null| format!("{no_activity} and {null}")))
            }
        }
    }

    /// Whether the moment that counts lies behind `now`.
    pub(super) fn future(&mut self, terms: &Terms, now: Cutoff) -> Result<Said, Fault> {
        let behind = self.of_what_counts(terms, now, |column| column.behind())?;
        Ok(match self.unreadable(terms)? {
            Some(unreadable) => Said::all(vec![behind, unreadable.not()]),
            None => behind,
        })
    }

    /// Whether the moment that counts cannot be read; absent where each can.
    pub(super) fn unreadable(&mut self, terms: &Terms) -> Result<Option<Said>, Fault> {
        let columns = terms.since.columns();
        let mut text = columns.into_iter().map(|since| self.own(&since.column)).collect::<Result<Vec<_>, _>>()?;
        if let Since::Latest(latest) = &terms.since {
            text.push(self.of_other(self.other(&latest.table)?, &latest.at.column)?);
        }
        if text.iter().all(|column| column.kind != ColumnKind::Text) {
            return Ok(None);
        }
        self.of_what_counts(terms, terms.cutoff, |column| column.is_unreadable()).map(Some)
    }

    /// Whether something holds for the moment that counts: for one of several, for some activity.
    fn of_what_counts(
        &mut self,
        terms: &Terms,
        cutoff: Cutoff,
        holds: fn(&Compared<'_>) -> Said,
    ) -> Result<Said, Fault> {
        match &terms.since {
            Since::Column(since) => {
                let since = self.compared(since, cutoff)?;
                let WhenNull::Use(name) = &terms.when_null else { return Ok(holds(&since)) };
                let used = self.used(terms, name, cutoff)?;
                Ok(Said::any(vec![holds(&since), Said::all(vec![since.is_none(), holds(&used)])]))
            }
            Since::Greatest(columns) => {
                let columns = self.all(columns, cutoff)?;
                Ok(Said::any(columns.iter().map(holds).collect()))
            }
            Since::Latest(latest) => {
                let Activity { rows, at, or, .. } = self.activity(latest, cutoff)?;
                let some = Said::whole(format!("exists (select 1 {rows} and {})", holds(&at).alone()));
                let Some(or) = or else { return Ok(some) };
                let none = format!("not exists (select 1 {rows} and {})", at.is_some().beside());
                Ok(Said::any(vec![some, Said::all(vec![Said::whole(none), holds(&or)])]))
            }
        }
    }

    /// The column that counts where `since` is NULL.
    fn used(&mut self, terms: &Terms, name: &str, cutoff: Cutoff) -> Result<Compared<'a>, Fault> {
        let Some(since) = terms.since.single() else { return Err(self.refuse(Cause::Unsupported, name)) };
        self.compared(&SinceColumn { column: name.into(), ..since.clone() }, cutoff)
    }

    fn all(&mut self, columns: &[SinceColumn], cutoff: Cutoff) -> Result<Vec<Compared<'a>>, Fault> {
        columns.iter().map(|since| self.compared(since, cutoff)).collect()
    }

    fn compared(&mut self, since: &SinceColumn, cutoff: Cutoff) -> Result<Compared<'a>, Fault> {
        let column = self.own(&since.column)?;
        self.compared_as(column, self.of(&column.name), since, cutoff)
    }

    fn compared_as(
        &mut self,
        column: &'a Column,
        name: String,
        since: &SinceColumn,
        cutoff: Cutoff,
    ) -> Result<Compared<'a>, Fault> {
        let cutoff = self.cutoff(column, since, cutoff)?;
        let written = if column.kind == ColumnKind::Text { WrittenTime::new(column, &name, since.form) } else { None };
        let written = written.map(|time| (self.text(&time.pattern()), time));
        Ok(Compared { column, name, cutoff, written })
    }

    /// The cutoff as this column is compared with it. Bound once for all columns that write time alike.
    pub(super) fn cutoff(&mut self, column: &Column, since: &SinceColumn, cutoff: Cutoff) -> Result<String, Fault> {
        let (param, around) = codec::cutoff(column, since.form, since.zone.as_ref(), cutoff, self.place)?;
        Ok(around(&self.sql.bind_once(param)))
    }

    fn activity(&mut self, latest: &Latest, cutoff: Cutoff) -> Result<Activity<'a>, Fault> {
        let table = self.other(&latest.table)?;
        let column = self.of_other(table, &latest.at.column)?;
        let name = format!("{OTHER}.{}", codec::quote(&column.name));
        let at = self.compared_as(column, name, &latest.at, cutoff)?;
        let or = latest.or.as_ref().map(|or| self.compared(or, cutoff)).transpose()?;
        let from = from_other(table);
        let rows = |alike| Ok::<_, Fault>(format!("from {from} where {}", self.belongs(table, latest, alike)?));
        Ok(Activity { rows: rows(Alike::Collated)?, exact: rows(Alike::Exactly)?, at, or })
    }

    /// Which rows of the other table belong to a row. Texts are compared exactly, behind what an index serves, unless
    /// a foreign key says otherwise and it is asked for.
    pub(super) fn belongs(&self, table: &Table, latest: &Latest, alike: Alike) -> Result<String, Fault> {
        let exactly = alike == Alike::Exactly || !refers(&self.step.table, table, &latest.on);
        let mut parts = vec![];
        for Joined { other, own } in &latest.on {
            let (other, own) = (self.of_other(table, other)?, self.own(own)?);
            let (theirs, ours) = (format!("{OTHER}.{}", codec::quote(&other.name)), self.of(&own.name));
            // The server would read one of them as something else: an enum's label as its number, bytes as digits.
            if !are_comparable(other, own) {
                return Err(self.refuse(Cause::ColumnType, &format!("{}.{}", table.name, other.name)));
            }
            if other.kind != ColumnKind::Text {
                parts.push(format!("{theirs} = {ours}"));
                continue;
            }
            let collated = collated(other, own, &theirs, &ours);
            if exactly || collated.is_none() {
                parts.push(format!("{} = {}", codec::bytes_of(other, &theirs), codec::bytes_of(own, &ours)));
            }
            parts.extend(collated);
        }
        Ok(joined(parts))
    }

    /// A column of another table.
    pub(super) fn of_other(&self, table: &'a Table, name: &str) -> Result<&'a Column, Fault> {
        let missing = || self.refuse(Cause::ColumnMissing, &format!("{}.{name}", table.name));
        table.column(name).ok_or_else(missing)
    }
}

/// Whether a row that joins also references, or is referenced.
pub(crate) fn refers(own: &Table, other: &Table, on: &[Joined]) -> bool {
    let joins = |theirs: &[String], ours: &[String]| {
        let pairs = theirs.iter().zip(ours);
        pairs.into_iter().all(|(theirs, ours)| on.iter().any(|joined| joined.other == *theirs && joined.own == *ours))
    };
    let here = own.referenced_by.iter().filter(|key| key.child == other.name && key.parent == own.name);
    let there = other.referenced_by.iter().filter(|key| key.child == own.name && key.parent == other.name);
    here.into_iter().any(|key| joins(&key.child_columns, &key.parent_columns))
        || there.into_iter().any(|key| joins(&key.parent_columns, &key.child_columns))
}

/// Whether the values of two columns mean the same as they stand.
fn are_comparable(one: &Column, other: &Column) -> bool {
    let is_number = |column: &Column| {
        matches!(column.kind, ColumnKind::Integer | ColumnKind::Number | ColumnKind::Bool)
            || TypeName::of(column).base == "bit"
    };
    if is_number(one) || is_number(other) {
        return is_number(one) && is_number(other);
    }
    let (one_name, other_name) = (TypeName::of(one), TypeName::of(other));
    let alike = one_name.base == other_name.base || (one_name.is_bytes() && other_name.is_bytes());
    one.kind == other.kind && (one.kind != ColumnKind::Other || alike)
}

/// Another table under its alias.
pub(super) fn from_other(table: &Table) -> String {
    format!("{} as {OTHER}", table_name(&table.name))
}

/// Equality by the other column's collation, which its index is in the order of. Absent where that is not known: texts of
/// two collations cannot be compared as they are.
fn collated(other: &Column, own: &Column, theirs: &str, ours: &str) -> Option<String> {
    let collation = other.fit.collation.as_deref()?;
    if own.fit.collation.as_deref() == Some(collation) {
        return Some(format!("{theirs} = {ours}"));
    }
    let plain = collation.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let charset = collation.split('_').next()?;
    plain.then(|| format!("{theirs} = convert({ours} using {charset}) collate {collation}"))
}

// === impl Compared ===

impl Compared<'_> {
    fn is_time(&self) -> bool {
        is_time(self.column)
    }

    /// It lies before the cutoff. What cannot be read does not, and what is no moment does not.
    fn over(&self) -> Said {
        let over = self.is("<", false);
        if self.is_time() { Said::all(vec![over, Said::whole(real(&self.name))]) } else { over }
    }

    /// It lies at the cutoff or behind it, or may do.
    fn not_over(&self) -> Said {
        self.is(">=", true)
    }

    fn behind(&self) -> Said {
        let behind = self.is(">", false);
        if self.is_time() { Said::all(vec![behind, Said::whole(real(&self.name))]) } else { behind }
    }

    fn is(&self, sign: &str, unreadable: bool) -> Said {
        let Self { name, cutoff, .. } = self;
        Said::whole(match &self.written {
            None => format!("{name} {sign} {cutoff}"),
            Some((pattern, time)) => format!(
                "case when {} then {} {sign} {cutoff} when {name} is not null then {unreadable} end",
                time.is_readable(pattern),
                time.normal()
            ),
        })
    }

    fn is_unreadable(&self) -> Said {
        match &self.written {
            None => Said::whole("false"),
            Some((pattern, time)) => Said::all(vec![
                Said::whole(format!("{} is not null", self.name)),
                Said::whole(format!("not ({})", time.is_readable(pattern))),
            ]),
        }
    }

    /// There is no moment in it. At or behind the cutoff only NULL counts as none.
    fn is_none(&self) -> Said {
        let Self { name, cutoff, .. } = self;
        let null = Said::whole(format!("{name} is null"));
        if !self.is_time() {
            return null;
        }
        let unreal = Said::whole(format!("{name} < {cutoff} and {}", unreal(name)));
        Said::any(vec![null, unreal])
    }

    /// There is a moment in it.
    fn is_some(&self) -> Said {
        Said::whole(if self.is_time() { real(&self.name) } else { format!("{} is not null", self.name) })
    }

    fn can_be_none(&self) -> bool {
        self.column.nullable || self.is_time()
    }

    /// Before the cutoff, or nothing that counts.
    fn over_or_none(&self) -> Said {
        let before = self.is("<", false);
        let null = Said::whole(format!("{} is null", self.name));
        if self.column.nullable { Said::any(vec![before, null]) } else { before }
    }
}

/// Whether the engine's own type keeps a time there, in which a day or a month can be 0.
pub(super) fn is_time(column: &Column) -> bool {
    matches!(column.kind, ColumnKind::Instant | ColumnKind::NaiveTime | ColumnKind::Date)
}

/// Whether a time is a moment; unknown for NULL.
pub(super) fn real(name: &str) -> String {
    format!("(dayofmonth({name}) > 0 and month({name}) > 0 and year({name}) > 0)")
}

fn unreal(name: &str) -> String {
    format!("(dayofmonth({name}) = 0 or month({name}) = 0 or year({name}) = 0)")
}
