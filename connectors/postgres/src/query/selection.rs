//! A selection as conditions in SQL: the period, `where`, the native condition, and what other rules keep.

use forgetd_connector::{
    Cause, Child, ClauseOf, Column, Except, Fault, FaultClass, Joined, Predicate, Selection, Stays, Step, Table,
    TableRef, Terms,
};

use super::said::{Said, joined};
use super::{ALIAS, Param, Sql, TextOrder, native, of, table_name};
use crate::codec;

/// What a native condition is called in a policy.
const NATIVE: &str = "where_native";

/// One condition of a selection, in the order they stand in the predicate.
pub(crate) struct Condition {
    /// Which; absent for what only the comparison of two policies, or a sweep, asks.
    pub(crate) what: Option<ClauseOf>,
    /// As it stands in the predicate.
    pub(crate) text: String,
    /// Whether it is true, as people are told: unknown where there is no moment, true where another rule keeps the row.
    pub(crate) holds: String,
    /// The terms whose moment it compares with a cutoff.
    pub(crate) terms: Option<Terms>,
}

/// Text that the server has to be able to read before anything is changed by it.
#[derive(Clone)]
pub(crate) struct Reading {
    pub(crate) what: ReadAs,
    /// Fails where it cannot be read. Returns nothing.
    pub(crate) sql: Sql,
}

/// What a text is read as.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum ReadAs {
    /// A literal, as the type of this column.
    Column(String),
    /// A native condition; of which rule, as people call it.
    Native(String),
}

/// Puts conditions into SQL; collects the parameters that they bind.
pub(super) struct Compiler<'a> {
    pub(super) step: &'a Step,
    pub(super) place: &'a str,
    pub(super) text_order: TextOrder,
    pub(super) sql: Sql,
    pub(super) readings: Vec<Reading>,
    /// Columns whose literals are read in the form that the session's settings say.
    pub(super) pinned: Vec<Column>,
    /// Whether every setting that literals and texts depend on is pinned.
    pub(super) pins_all: bool,
    /// Makes names of subqueries different from each other.
    pub(super) subqueries: usize,
    /// The rule whose conditions they are, where it is another one.
    keeper: Option<String>,
}

// === impl Compiler ===

impl<'a> Compiler<'a> {
    /// Goes on behind the parameters that `sql` binds already.
    pub(super) fn new(step: &'a Step, place: &'a str, text_order: TextOrder, sql: Sql) -> Self {
        Self {
            step,
            place,
            text_order,
            sql,
            readings: vec![],
            pinned: vec![],
            pins_all: false,
            subqueries: 0,
            keeper: None,
        }
    }

    pub(super) fn refuse(&self, cause: Cause, detail: &str) -> Fault {
        Fault::new(FaultClass::Blocked(cause), "build statements", self.place).with_detail(detail)
    }

    /// A column of the step's own table.
    pub(super) fn own(&self, name: &str) -> Result<&'a Column, Fault> {
        self.step.table.column(name).ok_or_else(|| self.refuse(Cause::ColumnMissing, name))
    }

    /// The description of another table.
    pub(super) fn other(&self, name: &TableRef) -> Result<&'a Table, Fault> {
        self.step.other(name).ok_or_else(|| self.refuse(Cause::TableMissing, &name.to_string()))
    }

    /// A literal, as text.
    pub(super) fn text(&mut self, text: &str) -> String {
        self.sql.bind(Param::Text(Some(text.into())))
    }

    pub(super) fn selection(&mut self, selection: &Selection) -> Result<Vec<Condition>, Fault> {
        let mut conditions = vec![self.since(&selection.terms)?];
        conditions.extend(self.matching(&selection.terms)?);
        conditions.extend(self.undone(&selection.terms, &selection.undone)?);
        conditions.extend(self.floor(selection)?);
        for except in &selection.except {
            conditions.push(self.except(except)?);
        }
        Ok(conditions)
    }

    /// Rows whose moment lies before the floor are left out.
    pub(super) fn floor(&mut self, selection: &Selection) -> Result<Option<Condition>, Fault> {
        let Some(floor) = selection.floor else { return Ok(None) };
        let text = self.not_before(&selection.terms, floor)?.beside();
        Ok(Some(Condition { what: None, holds: text.clone(), text, terms: None }))
    }

    fn since(&mut self, terms: &Terms) -> Result<Condition, Fault> {
        let over = self.over(terms)?;
        let text = over.beside();
        let holds = match self.unknown_without_moment(terms)? {
            Some(missing) => format!("case when {missing} then null else {text} end"),
            None => text.clone(),
        };
        Ok(Condition { what: Some(ClauseOf::Since), text, holds, terms: Some(terms.clone()) })
    }

    /// Everything of the terms but the period.
    pub(super) fn matching(&mut self, terms: &Terms) -> Result<Vec<Condition>, Fault> {
        let mut conditions = vec![];
        for part in top_level(&terms.predicate) {
            let text = self.predicate(part)?.beside();
            let what = Some(ClauseOf::Where(part.paths()));
            conditions.push(Condition { what, holds: text.clone(), text, terms: None });
        }
        if let Some(native) = &terms.native {
            let text = self.native(native)?;
            conditions.push(Condition { what: Some(ClauseOf::Native), holds: text.clone(), text, terms: None });
        }
        Ok(conditions)
    }

    /// On lines of its own, because it may end with a comment.
    fn native(&mut self, native: &str) -> Result<String, Fault> {
        let what = self.keeper.as_ref().map_or(NATIVE.into(), |rule| format!("{NATIVE} of the rule {rule}"));
        if let Some(complaint) = native::complaint(native) {
            return Err(self.refuse(Cause::Native, &format!("{what}: {complaint}")));
        }
        let from = super::from(&self.step.table.name);
        let sql = Sql::new(format!("select from {from} where (\n{native}\n) limit 0"), vec![]);
        self.readings.push(Reading { what: ReadAs::Native(what), sql });
        Ok(format!("(\n{native}\n)"))
    }

    fn except(&mut self, except: &Except) -> Result<Condition, Fault> {
        match except {
            Except::Kept { rule, terms } => {
                let outside = self.keeper.replace(rule.clone());
                let kept = self.kept(terms)?;
                self.keeper = outside;
                Ok(Condition {
                    what: Some(ClauseOf::Kept(rule.clone())),
                    text: format!("not coalesce({kept}, false)"),
                    holds: kept,
                    terms: Some(terms.clone()),
                })
            }
            Except::Due(selection) => {
                let due = joined(self.selection(selection)?.into_iter().map(|condition| condition.text));
                let text = format!("not coalesce({due}, false)");
                Ok(Condition { what: None, holds: text.clone(), text, terms: None })
            }
            Except::Child(child) => {
                let holds = self.held(child)?;
                let what = Some(ClauseOf::Child(child.foreign_key.clone()));
                Ok(Condition { what, text: format!("not {holds}"), holds, terms: None })
            }
        }
    }

    /// Whether a child that must stay hangs on a row.
    ///
    /// The child's row stands once more under the alias that its conditions are written for; the planner sees through it.
    pub(super) fn held(&mut self, child: &Child) -> Result<String, Fault> {
        self.subqueries += 1;
        let alias = format!("forgetd_child{}", self.subqueries);
        let belongs =
            child.on.iter().map(|Joined { other, own }| format!("{alias}.{} = {}", codec::quote(other), of(own)));
        let belongs = joined(belongs.collect::<Vec<_>>());
        let stays = self.stays(child)?;
        Ok(format!(
            "exists (select from only {} as {alias} where {belongs} and (select {stays} from (select {alias}.*) as {ALIAS}))",
            table_name(&child.table),
        ))
    }

    /// Whether a child stays as it is.
    fn stays(&mut self, child: &Child) -> Result<String, Fault> {
        let mut parts = vec![];
        for step in child.steps() {
            parts.push(self.on_rows_of(step, |inner| match &child.stays {
                Stays::UnlessDue(_) => {
                    let due = joined(inner.selection(&step.selection)?.into_iter().map(|condition| condition.text));
                    Ok(format!("not coalesce({due}, false)"))
                }
                Stays::IfKept(_) => inner.kept(&step.selection.terms),
            })?);
        }
        Ok(match child.stays {
            Stays::UnlessDue(_) if parts.is_empty() => "true".into(),
            Stays::UnlessDue(_) => joined(parts),
            Stays::IfKept(_) => format!("(({}))", parts.join(") or (")),
        })
    }

    /// Writes something about the rows of another step's table, which stand under the same alias further in; parameters go
    /// on in the same statement.
    fn on_rows_of<T>(
        &mut self,
        step: &Step,
        write: impl FnOnce(&mut Compiler<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut inner = Compiler::new(step, self.place, self.text_order, std::mem::take(&mut self.sql));
        inner.subqueries = self.subqueries;
        inner.keeper = Some(step.rule.clone());
        let written = write(&mut inner);
        (self.sql, self.subqueries) = (inner.sql, inner.subqueries);
        self.pinned.extend(inner.pinned);
        self.pins_all |= inner.pins_all;
        // A literal that cannot be read there is said by the rule of that table.
        self.readings.extend(inner.readings.into_iter().filter(|reading| matches!(reading.what, ReadAs::Native(_))));
        written
    }

    /// Whether these terms keep a row: it matches, and its period is not known to be over.
    pub(super) fn kept(&mut self, terms: &Terms) -> Result<String, Fault> {
        let mut parts: Vec<String> = self.matching(terms)?.into_iter().map(|condition| condition.text).collect();
        parts.push(format!("not coalesce({}, false)", self.over(terms)?.beside()));
        Ok(joined(parts))
    }

    pub(super) fn predicate(&mut self, predicate: &Predicate) -> Result<Said, Fault> {
        let parts = |compiler: &mut Self, parts: &[Predicate]| {
            parts.iter().map(|part| compiler.predicate(part)).collect::<Result<Vec<_>, _>>()
        };
        Ok(match predicate {
            Predicate::All(all) => Said::all(parts(self, all)?),
            Predicate::Any(any) => Said::any(parts(self, any)?),
            Predicate::Not { part, or_null: false } => self.predicate(part)?.not(),
            Predicate::Not { part, or_null: true } => self.predicate(part)?.not().or(true),
            Predicate::Test(test) => {
                let said = self.test(test)?;
                if test.or_null { said.or(true) } else { said }
            }
        })
    }
}

/// The parts that stand beside each other.
fn top_level(predicate: &Predicate) -> Vec<&Predicate> {
    match predicate {
        Predicate::All(parts) => parts.iter().flat_map(top_level).collect(),
        other => vec![other],
    }
}
