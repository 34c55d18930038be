//! Whether the period of a row is over.

use forgetd_connector::{Cause, ColumnKind, Latest, Since, SinceColumn, TableRef, Terms, Until, WhenNull};

use super::composer::{Composer, Refused};
use super::form::Form;
use super::quote;

/// A column that holds a moment, as a statement writes it.
#[derive(Clone, Debug)]
pub(super) struct Written {
    /// The column's name.
    pub(super) name: String,
    /// The same as a statement writes it.
    pub(super) column: String,
    pub(super) form: Form,
}

/// The moments of another table that belong to a row.
#[derive(Clone, Debug)]
pub(super) struct Activity {
    pub(super) table: TableRef,
    /// ` from .. where ..`: the rows that belong, without those whose moment is NULL.
    pub(super) rows: String,
    pub(super) at: Written,
    /// What counts where there are none.
    pub(super) or: Option<Written>,
}

/// What a period counts from, resolved.
#[derive(Clone, Debug)]
pub(super) enum Counted {
    /// The first of these that is not NULL.
    First(Vec<Written>),
    /// The latest of these.
    Greatest(Vec<Written>),
    /// The latest activity, or what counts without any.
    Latest(Box<Activity>),
}

// === impl Composer ===

impl Composer<'_> {
    /// Whether the period of `terms` is over: 1 where it is; 0 or NULL where it is not, or not known to be.
    pub(super) fn over(&mut self, terms: &Terms, until: Until) -> Result<String, Refused> {
        let counted = self.counted(terms)?;
        let deletes = terms.when_null == WhenNull::Delete;
        Ok(match &counted {
            Counted::First(columns) => {
                let over: Vec<String> = columns.iter().map(|written| written.over(until, self)).collect();
                match (columns.as_slice(), over.as_slice()) {
                    ([since], [over]) if deletes => format!("({over}\n  or {} is null)", since.column),
                    ([since, _], [over, instead]) => format!("({over}\n  or ({} is null and {instead}))", since.column),
                    (_, over) => over.join("\n  or "),
                }
            }
            Counted::Greatest(columns) => {
                let over = columns.iter().map(|written| {
                    let over = written.over(until, self);
                    format!("({} is null or {over})", written.column)
                });
                let mut parts: Vec<String> = over.collect();
                if !deletes {
                    let columns: Vec<&str> = columns.iter().map(|written| written.column.as_str()).collect();
                    parts.push(format!("coalesce({}) is not null", columns.join(", ")));
                }
                format!("({})", parts.join("\n  and "))
            }
            Counted::Latest(activity) => {
                let over = activity.at.over(until, self);
                let without = match &activity.or {
                    Some(or) if deletes => format!("({} or {} is null)", or.over(until, self), or.column),
                    Some(or) => or.over(until, self),
                    None if deletes => "1".into(),
                    None => "null".into(),
                };
                // Not an EXISTS among the conditions: SQLite would make a join of it, and walk the other table.
                format!(
                    "case when exists (select 1{0} and not {over}) then 0\n  when exists (select 1{0}) then 1\n  \
                     else {without} end",
                    activity.rows
                )
            }
        })
    }

    /// Resolves what a period counts from.
    pub(super) fn counted(&self, terms: &Terms) -> Result<Counted, Refused> {
        let own = |since: &SinceColumn| self.written(since);
        match (&terms.since, &terms.when_null) {
            (Since::Column(since), WhenNull::Use(other)) => {
                let written = own(since)?;
                // Of the same type, so of the same form.
                let instead = Written { name: other.clone(), column: self.column(other), form: written.form.clone() };
                Ok(Counted::First(vec![written, instead]))
            }
            (Since::Column(since), _) => Ok(Counted::First(vec![own(since)?])),
            (_, WhenNull::Use(other)) => {
                let why = "another column counts only beside a single one";
                Err(Refused::new(Cause::Unsupported, other).with_detail(why))
            }
            (Since::Greatest(columns), _) => Ok(Counted::Greatest(columns.iter().map(own).collect::<Result<_, _>>()?)),
            (Since::Latest(latest), _) => Ok(Counted::Latest(Box::new(self.activity(latest)?))),
        }
    }

    /// A column of the rule's own table.
    pub(super) fn written(&self, since: &SinceColumn) -> Result<Written, Refused> {
        let name = &since.column;
        let Some(described) = self.step.table.column(name) else {
            return Err(Refused::new(Cause::ColumnMissing, name));
        };
        let form = Form::new(described.kind, since).map_err(|cause| Refused::new(cause, name))?;
        Ok(Written { name: name.clone(), column: self.column(name), form })
    }

    fn activity(&self, latest: &Latest) -> Result<Activity, Refused> {
        let Latest { table, at, on, or } = latest;
        let described = self.step.other(table).and_then(|other| other.column(&at.column));
        let kind = match described {
            Some(column) => column.kind,
            // The form then has to say everything.
            None => ColumnKind::Other,
        };
        let refused = |cause| Refused::new(cause, "").with_detail(format!("{table}.{}", at.column));
        let form = Form::new(kind, at).map_err(refused)?;
        let alias = self.other_alias();
        let theirs = |column: &str| format!("{alias}.{}", quote(column));
        let column = theirs(&at.column);
        let mut rows = format!(" from main.{} as {alias} where ", quote(&table.name));
        for joined in on {
            let (other, own) = (theirs(&joined.other), self.own(&joined.own));
            // The first half is for an index, the second is exact: neither affinity nor collation makes two values one.
            rows += &format!("{other} = {own} and +{other} = +{own} collate binary and ");
        }
        rows += &format!("{column} is not null");
        let at = Written { name: at.column.clone(), column, form };
        let or = or.as_ref().map(|or| self.written(or)).transpose()?;
        Ok(Activity { table: table.clone(), rows, at, or })
    }
}

// === impl Written ===

impl Written {
    fn over(&self, until: Until, composer: &mut Composer<'_>) -> String {
        self.form.over(&self.column, until, &mut composer.query)
    }
}
