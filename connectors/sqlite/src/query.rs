//! Every statement that looks at or changes a user's rows. Built from quoted names and bound values alone.
//!
//! A statement is a *span* (which rows a batch looks at, by bounds that an index serves) and the *predicate* (which of
//! them are due, exactly). The predicate is the same text in every statement, and no index can serve any part of it:
//! so SQLite has one lower and one upper bound to choose from, the carried ones, and never walks from the head again.

mod account;
mod check;
mod coarse;
mod composer;
mod count;
mod exact;
mod form;
mod json;
mod keys;
mod like;
mod moment;
mod native;
mod period;
mod predicate;
mod rewrite;
mod sample;
mod span;
mod terms;
mod text;
mod undone;

use forgetd_connector::walk::{Peek, Span};
use forgetd_connector::{Cause, Cutoff, Fault, FaultClass, Key, Since, Statements, Step, TableKind, Value};
use rusqlite::types::Value as Sql;

pub(crate) use account::{Account, Reason};
pub(crate) use coarse::coarser;
use composer::Composer;
use form::Form;
use moment::Moments;
pub(crate) use moment::{Moment, earliest};
pub(crate) use native::REFUSED_FUNCTIONS;
pub(crate) use rewrite::{Becomes, Kept, Line, Rewriting};
pub(crate) use sample::{Sample, natives, unreadable};
pub(crate) use span::{Area, Walk};
use text::integer;
pub(crate) use text::{Query, quote};
pub(crate) use undone::shaped;

/// A step, resolved to names and expressions of this engine.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// The quoted table.
    table: String,
    /// The column in whose order due rows lie, quoted; absent where the period counts from another table.
    lead: Option<Lead>,
    /// Whether rows whose leading column is NULL can be due.
    walks_nulls: bool,
    /// How a row's moment is read.
    moments: Moments,
    shape: Shape,
    /// Whether a condition in SQLite's own language is part of the predicate.
    native: bool,
    /// How lanes walk.
    walk: Walk,
    /// The quoted columns of the walk's own key: the row id, or the primary key of a table without row ids.
    row: Vec<String>,
    /// The quoted columns of the table's key.
    key: Vec<String>,
    /// ` indexed by ..`, where the walk relies on an index.
    hint: String,
    cutoff: Cutoff,
    /// No row is due whose leading column lies before this one, if it is not NULL.
    floor: Option<Cutoff>,
    /// The predicate and its values; they come first in every statement, so its text is always the same.
    predicate: Query,
    /// What is written, for a transform.
    rewriting: Option<Rewriting>,
}

/// A column that bounds what can be due.
#[derive(Clone, Debug)]
struct Lead {
    column: String,
    form: Form,
}

/// What the described table does not say and a scope needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// How the row id is written in a statement; absent in a table without row ids, or where columns took all names.
    pub(crate) row_id: Option<String>,
    /// The columns of the primary key of a table without row ids.
    pub(crate) primary_key: Vec<String>,
    /// Whether VACUUM keeps them: only row ids that a column names stay.
    pub(crate) stable: bool,
    /// Whether texts are stored in an encoding whose order of bytes is that of code points: in UTF-8.
    pub(crate) code_points: bool,
    /// Whether a constraint of the table says what a conflict does.
    pub(crate) resolves_conflicts: bool,
}

impl Default for Shape {
    /// What nearly every table has.
    fn default() -> Self {
        Self {
            row_id: Some("rowid".into()),
            primary_key: vec![],
            stable: true,
            code_points: true,
            resolves_conflicts: false,
        }
    }
}

// === impl Scope ===

impl Scope {
    /// Resolves a step. Fails with a blocking fault where the step asks what this engine cannot say.
    pub(crate) fn new(step: &Step, shape: &Shape, place: &str) -> Result<Self, Fault> {
        let blocked = |cause, detail: &str| {
            Err(Fault::new(FaultClass::Blocked(cause), "build statements", place).with_detail(detail))
        };
        if step.table.kind != TableKind::Plain {
            return blocked(Cause::TableKind, "no plain table");
        }
        let row: Vec<String> = match &shape.row_id {
            Some(row_id) => vec![row_id.clone()],
            None => shape.primary_key.iter().map(|name| quote(name)).collect(),
        };
        if row.is_empty() {
            return blocked(Cause::NoKey, "columns named rowid, _rowid_ and oid hide the row id");
        }
        let mut composer = Composer::new(step, shape);
        let sql = composer.selection(&step.selection).map_err(|refused| refused.into_fault(place))?;
        let counted = composer.counted(&step.selection.terms).map_err(|refused| refused.into_fault(place))?;
        let lead = match step.lead() {
            Some(lead) => Some(composer.written(lead).map_err(|refused| refused.into_fault(place))?),
            None => None,
        };
        let predicate = Query { sql, values: composer.query.values.clone() };
        let index = step.lead().and_then(|lead| span::index_for(&step.table, &lead.column));
        Ok(Self {
            table: format!("main.{}", quote(&step.table.name.name)),
            lead: lead.map(|written| Lead { column: written.column, form: written.form }),
            walks_nulls: step.walks_nulls(),
            moments: Moments::new(counted),
            shape: shape.clone(),
            native: !natives(step).is_empty(),
            walk: if index.is_some() { Walk::Since } else { Walk::Rows },
            row,
            key: step.table.key.iter().map(|name| quote(name)).collect(),
            hint: index.map(|name| format!(" indexed by {}", quote(name))).unwrap_or_default(),
            cutoff: step.selection.terms.cutoff,
            floor: step.selection.floor.filter(|_| !matches!(step.selection.terms.since, Since::Greatest(_))),
            predicate,
            rewriting: Self::rewritten(step, shape, composer, place)?,
        })
    }

    /// How lanes walk the table.
    pub(crate) const fn walk(&self) -> Walk {
        self.walk
    }

    /// Whether a lane that walks by `since` may turn to the order of row ids: rows that stay would be met again, and row ids
    /// that any change of the schema may number anew are no lasting position.
    pub(crate) fn turns(&self) -> bool {
        self.walk == Walk::Since && self.rewriting.is_none() && self.shape.row_id.is_some() && self.shape.stable
    }

    /// Whether rows whose leading column is NULL can be due.
    pub(crate) const fn walks_nulls(&self) -> bool {
        self.walks_nulls
    }

    /// How a row's moment is read.
    pub(crate) const fn moments(&self) -> &Moments {
        &self.moments
    }

    /// How the table's rows are named.
    pub(crate) const fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The fault of a statement, with its cause where a native condition is in it: no other part of ours fails on a row.
    pub(crate) fn blamed(&self, fault: Fault) -> Fault {
        let failed = fault.code.as_deref().is_some_and(|code| code.starts_with("SQLITE_ERROR"));
        if self.native && failed && fault.class == FaultClass::Internal {
            let fault = Fault { class: FaultClass::Blocked(Cause::Native), ..fault };
            return fault.with_detail("where_native, or a trigger, fails on a row");
        }
        fault
    }

    /// How many columns the table's key has.
    pub(crate) const fn key_width(&self) -> usize {
        self.key.len()
    }

    /// The predicate's values with an empty text: where every statement begins.
    fn begin(&self) -> Query {
        Query { sql: String::new(), values: self.predicate.values.clone() }
    }

    /// Deletes what is due in a span; returns the keys of what went, if they are wanted.
    pub(crate) fn delete(&self, area: &Area, want_keys: bool) -> Query {
        let mut query = self.begin();
        let within = self.within(area, &mut query);
        let hint = if area.uses_since() { &self.hint } else { "" };
        query.sql = format!("delete from {}{hint}\nwhere {within}\n  and {}", self.table, self.predicate.sql);
        if want_keys && !self.key.is_empty() {
            query.push(&format!("\nreturning {}", self.key.join(", ")));
        }
        query
    }

    /// Counts what is due in a span, up to `limit`.
    pub(crate) fn count_in(&self, area: &Area, limit: u64) -> Query {
        let mut query = self.begin();
        let within = self.within(area, &mut query);
        let limit = query.bind(integer(limit));
        let hint = if area.uses_since() { &self.hint } else { "" };
        query.sql = format!(
            "select count(*)\nfrom (select 1 from {}{hint}\nwhere {within}\n  and {}\nlimit {limit})",
            self.table, self.predicate.sql
        );
        query
    }

    /// The keys of what is due in a span.
    pub(crate) fn keys_in(&self, area: &Area) -> Query {
        let mut query = self.begin();
        let within = self.within(area, &mut query);
        let hint = if area.uses_since() { &self.hint } else { "" };
        query.sql = format!(
            "select {}\nfrom {}{hint}\nwhere {within}\n  and {}",
            self.key.join(", "),
            self.table,
            self.predicate.sql
        );
        query
    }

    /// The statements with bounds like those of a lane's first batch, by their names in [`Statements`].
    pub(crate) fn explainable(&self) -> Vec<(&'static str, Query)> {
        let span = Span::Range { from: None, inclusive: true, to: None };
        let rows = Some(Key(vec![Value::Int(0); self.row.len()]));
        let (area, peek) = match self.walk {
            Walk::Since => (Area::Since(span), self.peek(&Peek::Since { from: None, inclusive: true }, 1)),
            Walk::Rows => (Area::Rows { after: rows.clone(), to: rows.clone() }, self.peek_rows(rows.as_ref(), 1)),
        };
        let mut explainable = vec![("peek", peek)];
        match &self.rewriting {
            Some(rewriting) => {
                let sql = self.write_all(rewriting);
                explainable.push(("read", self.read_in(rewriting, &area)));
                let values = vec![Sql::Null; rewriting.places() + self.row.len()];
                explainable.push(("change", Query { sql, values }));
            }
            None => explainable.push(("change", self.delete(&area, false))),
        }
        explainable.push(("count", self.count(None)));
        explainable
    }

    /// What is shown to people: the texts that the lanes send.
    pub(crate) fn statements(&self) -> Statements {
        let area = self.example();
        Statements {
            predicate: self.predicate.sql.clone(),
            walk: match self.walk {
                Walk::Since => "since",
                Walk::Rows if self.row.len() == 1 && self.row != self.key => "physical",
                Walk::Rows => "key",
            }
            .into(),
            peek: self.peek_example().sql,
            change: match &self.rewriting {
                Some(rewriting) => {
                    format!("{};\n{}", self.read_in(rewriting, &area).sql, self.write_all(rewriting))
                }
                None => self.delete(&area, false).sql,
            },
            count: self.count(None).sql,
        }
    }
}
