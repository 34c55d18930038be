//! Whether the period of a row is over, whatever it counts from.

use forgetd_connector::{
    Cause, Column, ColumnKind, Cutoff, Fault, Joined, Latest, Since, SinceColumn, Table, Terms, WhenNull,
};

use super::said::{Said, joined};
use super::selection::Compiler;
use super::written::WrittenTime;
use super::{of, table_name};
use crate::codec;

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

/// The rows of another table that belong to a row.
struct Activity<'a> {
    /// `from .. where ..`.
    rows: String,
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
                let due = since.over();
                match when_null {
                    WhenNull::Keep => Ok(Said::whole(due)),
                    WhenNull::Delete => Ok(Said::whole(format!("({due} or {})", since.is_null()))),
                    WhenNull::Use(name) => {
                        let other = self.used(terms, name, terms.cutoff)?;
                        let (null, used) = (since.is_null(), other.over());
                        Ok(Said::whole(format!("({due} or ({null} and {used}))")))
                    }
                }
            }
            (_, WhenNull::Use(name)) => Err(self.refuse(Cause::Unsupported, name)),
            (Since::Greatest(columns), _) => {
                let columns = self.all(columns, terms.cutoff)?;
                let mut parts: Vec<Said> = columns.iter().map(Compared::over_or_null).collect();
                if !delete && columns.iter().all(|column| column.column.nullable) {
                    parts.push(Said::any(columns.iter().map(|column| Said::whole(column.is_not_null())).collect()));
                }
                Ok(Said::all(parts))
            }
            (Since::Latest(latest), _) => {
                let Activity { rows, at, or } = self.activity(latest, terms.cutoff)?;
                let over = Said::whole(format!("not exists (select {rows} and {})", at.not_over()));
                let any = || Said::whole(format!("exists (select {rows} and {})", at.over()));
                let rest = match or {
                    // No activity at all is as good as over.
                    None if delete => return Ok(over),
                    None => any(),
                    Some(or) if delete => Said::any(vec![any(), or.over_or_null()]),
                    Some(or) => Said::any(vec![any(), Said::whole(or.over())]),
                };
                Ok(Said::all(vec![over, rest]))
            }
        }
    }

    /// Whether the moment lies at the floor or behind it, or may do; true where there is none. A bound on a single column
    /// stands alone where NULL is never due, so that an index serves it.
    pub(super) fn not_before(&mut self, terms: &Terms, floor: Cutoff) -> Result<Said, Fault> {
        let looked_at = |column: &Compared<'_>| {
            let looked_at = Said::whole(column.not_over());
            let null = || Said::whole(column.is_null());
            if column.column.nullable { Said::any(vec![looked_at, null()]) } else { looked_at }
        };
        match &terms.since {
            Since::Column(since) => {
                let since = self.compared(since, floor)?;
                match &terms.when_null {
                    WhenNull::Keep => Ok(Said::whole(since.not_over())),
                    WhenNull::Delete => Ok(looked_at(&since)),
                    WhenNull::Use(name) => {
                        let used = looked_at(&self.used(terms, name, floor)?);
                        let used = Said::all(vec![Said::whole(since.is_null()), used]);
                        Ok(Said::any(vec![Said::whole(since.not_over()), used]))
                    }
                }
            }
            Since::Greatest(columns) => {
                let columns = self.all(columns, floor)?;
                let mut parts: Vec<Said> = columns.iter().map(|column| Said::whole(column.not_over())).collect();
                if columns.iter().all(|column| column.column.nullable) {
                    parts.push(Said::all(columns.iter().map(|column| Said::whole(column.is_null())).collect()));
                }
                Ok(Said::any(parts))
            }
            Since::Latest(latest) => {
                let Activity { rows, at, or } = self.activity(latest, floor)?;
                let behind = Said::whole(format!("exists (select {rows} and {})", at.not_over()));
                let none = Said::whole(format!("not exists (select {rows} and {})", at.is_not_null()));
                let none = Said::all(std::iter::once(none).chain(or.as_ref().map(looked_at)).collect());
                Ok(Said::any(vec![behind, none]))
            }
        }
    }

    /// Whether a row has no moment, where [`Compiler::over`] says false for that although it is not known.
    pub(super) fn unknown_without_moment(&mut self, terms: &Terms) -> Result<Option<String>, Fault> {
        if terms.when_null != WhenNull::Keep || matches!(terms.since, Since::Column(_)) {
            return Ok(None);
        }
        self.no_moment(terms)
    }

    /// Whether a row has no moment; absent where every row has one.
    pub(super) fn no_moment(&mut self, terms: &Terms) -> Result<Option<String>, Fault> {
        let nulls = |compiler: &Self, names: Vec<&str>| {
            let columns = names.into_iter().map(|name| compiler.own(name)).collect::<Result<Vec<_>, _>>()?;
            let nullable = columns.iter().all(|column| column.nullable);
            let nulls = joined(columns.iter().map(|column| format!("{} is null", of(&column.name))));
            Ok::<_, Fault>(nullable.then_some(nulls))
        };
        match (&terms.since, &terms.when_null) {
            (Since::Column(since), WhenNull::Use(other)) => nulls(self, vec![&since.column, other]),
            (Since::Column(since), _) => nulls(self, vec![&since.column]),
            (Since::Greatest(columns), _) => nulls(self, columns.iter().map(|column| column.column.as_str()).collect()),
            (Since::Latest(latest), _) => {
                let Activity { rows, at, .. } = self.activity(latest, terms.cutoff)?;
                let none = format!("not exists (select {rows} and {})", at.is_not_null());
                let Some(or) = &latest.or else { return Ok(Some(none)) };
                Ok(nulls(self, vec![&or.column])?.map(|null| format!("{none} and {null}")))
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
        let mut columns = terms.since.columns();
        let mut text = columns.drain(..).map(|since| self.own(&since.column)).collect::<Result<Vec<_>, _>>()?;
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
        holds: fn(&Compared<'_>) -> String,
    ) -> Result<Said, Fault> {
        match &terms.since {
            Since::Column(since) => {
                let since = self.compared(since, cutoff)?;
                let first = Said::whole(holds(&since));
                let WhenNull::Use(name) = &terms.when_null else { return Ok(first) };
                let used = format!("({} and {})", since.is_null(), holds(&self.used(terms, name, cutoff)?));
                Ok(Said::any(vec![first, Said::whole(used)]))
            }
            Since::Greatest(columns) => {
                let columns = self.all(columns, cutoff)?;
                Ok(Said::any(columns.iter().map(|column| Said::whole(holds(column))).collect()))
            }
            Since::Latest(latest) => {
                let Activity { rows, at, or } = self.activity(latest, cutoff)?;
                let some = Said::whole(format!("exists (select {rows} and {})", holds(&at)));
                let Some(or) = or else { return Ok(some) };
                let none = format!("not exists (select {rows} and {})", at.is_not_null());
                Ok(Said::any(vec![some, Said::all(vec![Said::whole(none), Said::whole(holds(&or))])]))
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
        self.compared_as(column, of(&column.name), since, cutoff)
    }

    fn compared_as(
        &mut self,
        column: &'a Column,
        name: String,
        since: &SinceColumn,
        cutoff: Cutoff,
    ) -> Result<Compared<'a>, Fault> {
        let cutoff = self.cutoff(column, since, cutoff)?;
        let written = if column.kind == ColumnKind::Text { WrittenTime::new(&name, since.form) } else { None };
        let written = written.map(|time| (self.sql.bind_once(time.pattern().as_str().into()), time));
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
        Ok(Activity { rows: format!("from {} where {}", from_other(table), self.belongs(table, latest)?), at, or })
    }

    /// Which rows of the other table belong to a row. Text is compared exactly, behind what an index serves.
    pub(super) fn belongs(&self, table: &Table, latest: &Latest) -> Result<String, Fault> {
        let mut parts = vec![];
        for Joined { other, own } in &latest.on {
            let (other, own) = (self.of_other(table, other)?, self.own(own)?);
            let (theirs, ours) = (format!("{OTHER}.{}", codec::quote(&other.name)), of(&own.name));
            parts.push(format!("{theirs} = {ours}"));
            if other.kind == ColumnKind::Text || own.kind == ColumnKind::Text {
                parts.push(format!("{theirs}::text collate \"C\" = {ours}::text"));
            }
        }
        Ok(joined(parts))
    }

    /// A column of another table.
    pub(super) fn of_other(&self, table: &'a Table, name: &str) -> Result<&'a Column, Fault> {
        let missing = || self.refuse(Cause::ColumnMissing, &format!("{}.{name}", table.name));
        table.column(name).ok_or_else(missing)
    }
}

/// Another table under its alias, with its partitions and inheritance children: what is there counts.
pub(super) fn from_other(table: &Table) -> String {
    format!("{} as {OTHER}", table_name(&table.name))
}

// === impl Compared ===

impl Compared<'_> {
    /// It lies before the cutoff. What cannot be read does not.
    fn over(&self) -> String {
        self.is("<", false)
    }

    /// It lies at the cutoff or behind it, or may do.
    fn not_over(&self) -> String {
        self.is(">=", true)
    }

    fn behind(&self) -> String {
        self.is(">", false)
    }

    fn is(&self, sign: &str, unreadable: bool) -> String {
        let Self { name, cutoff, .. } = self;
        match &self.written {
            None => format!("{name} {sign} {cutoff}"),
            Some((pattern, time)) => format!(
                "case when {} then {} {sign} {cutoff} when {name} is not null then {unreadable} end",
                time.is_readable(pattern),
                time.normal()
            ),
        }
    }

    fn is_unreadable(&self) -> String {
        match &self.written {
            None => "false".into(),
            Some((pattern, time)) => format!("{} and not {}", self.is_not_null(), time.is_readable(pattern)),
        }
    }

    fn is_null(&self) -> String {
        format!("{} is null", self.name)
    }

    fn is_not_null(&self) -> String {
        format!("{} is not null", self.name)
    }

    /// Before the cutoff, or nothing that counts.
    fn over_or_null(&self) -> Said {
        let over = Said::whole(self.over());
        if self.column.nullable { Said::any(vec![over, Said::whole(self.is_null())]) } else { over }
    }
}
