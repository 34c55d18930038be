//! Statements that tell about rows what the predicate alone does not: their months, why they stay, and each condition
//! on one of them.

use forgetd_connector::{Cause, ClauseOf, Cutoff, Except, Fault, FaultClass, KeptWhy, Key, Selection, WhenNull};

use super::moment::Rows;
use super::said::joined;
use super::selection::Compiler;
use super::{ALIAS, Moment, Query, Sql, of};
use crate::codec;

/// One condition on one row, and where its answer stands.
pub(crate) struct Asked {
    pub(crate) what: ClauseOf,
    /// The moment that it compares, in the column behind its truth.
    pub(crate) moment: Option<Moment>,
}

impl Query {
    /// Due rows by month, of at most `cap` of them: month, rows, and the number of the last row that was met.
    pub(crate) fn months(&self, cap: Option<u64>) -> Result<Sql, Fault> {
        let mut sql = self.with_predicate();
        let moment = self.moment(&self.step.selection.terms, Rows::Many, &mut sql)?;
        let month = moment.as_ref().map_or("null", |moment| &moment.month);
        let beside = moment.as_ref().map_or("", |moment| &moment.beside);
        let from = format!("{}{beside} where {}", self.from(), self.predicate);
        let (limit, counted) = match cap {
            None => (String::new(), "*".into()),
            Some(cap) => {
                // One more tells "exactly the cap" from "more".
                let limit = format!(" limit {}", sql.bind(cap.saturating_add(1)));
                (limit, format!("case when forgetd_n <= {} then 1 end", sql.bind(cap)))
            }
        };
        let text = format!(
            "select forgetd_month, count({counted}), max(forgetd_n) from (select *, row_number() over () as forgetd_n from \
             (select {month} as forgetd_month from {from}{limit}) as {ALIAS}) as {ALIAS} \
             group by forgetd_month order by forgetd_month"
        );
        Ok(sql.say(text))
    }

    /// Counts the rows that stay, reason by reason, each up to `limit`: rows that the conditions mean, whatever the
    /// period says.
    pub(crate) fn staying(&self, now: Cutoff, limit: Option<u64>) -> Result<Vec<(KeptWhy, Sql)>, Fault> {
        let terms = &self.step.selection.terms;
        let mut staying = vec![];
        if terms.when_null != WhenNull::Delete {
            let mut compiler = self.compiler();
            if let Some(missing) = compiler.no_moment(terms)? {
                staying.push((KeptWhy::Null, self.counted(compiler, missing, limit)?));
            }
        }
        let mut compiler = self.compiler();
        let future = compiler.future(terms, now)?.beside();
        staying.push((KeptWhy::Future, self.counted(compiler, future, limit)?));
        let mut compiler = self.compiler();
        if let Some(unreadable) = compiler.unreadable(terms)? {
            staying.push((KeptWhy::Unreadable, self.counted(compiler, unreadable.beside(), limit)?));
        }
        for except in &self.step.selection.except {
            let mut compiler = self.compiler();
            let over = compiler.over(terms)?.beside();
            let (why, kept) = match except {
                Except::Kept { rule, terms } => (KeptWhy::Rule(rule.clone()), compiler.kept(terms)?),
                Except::Child(child) => (KeptWhy::Child(child.foreign_key.clone()), compiler.held(child)?),
                Except::Due(_) => continue,
            };
            let floor = compiler.floor(&self.step.selection)?.map(|floor| floor.text);
            staying.push((why, self.counted(compiler, joined([over, kept].into_iter().chain(floor)), limit)?));
        }
        Ok(staying)
    }

    fn compiler(&self) -> Compiler<'_> {
        Compiler::new(&self.step, &self.place, self.flavour, Sql::default())
    }

    /// Counts the rows that the conditions mean and for which `condition` holds too.
    fn counted(&self, mut compiler: Compiler<'_>, condition: String, limit: Option<u64>) -> Result<Sql, Fault> {
        let Selection { terms, undone, .. } = &self.step.selection;
        let mut conditions = compiler.matching(terms)?;
        conditions.extend(compiler.undone(terms, undone)?);
        let parts = std::iter::once(condition).chain(conditions.into_iter().map(|condition| condition.text));
        let mut sql = compiler.sql;
        let rows = format!("from {} where {}", self.from(), joined(parts));
        let text = match limit {
            None => format!("select count(*) {rows}"),
            Some(limit) => {
                format!("select count(*) from (select 1 {rows} limit {}) as {ALIAS}", sql.bind(limit))
            }
        };
        Ok(sql.say(text))
    }

    /// Every condition on the row with this key: whether it is due, then one truth for each of the conditions, and
    /// behind it the moment that it compares, where it compares one.
    pub(crate) fn judge(&self, key: &Key) -> Result<(Sql, Vec<Asked>), Fault> {
        if self.key.is_empty() || self.key.len() != key.0.len() {
            return Err(Fault::new(FaultClass::Blocked(Cause::NoKey), "judge", &self.place));
        }
        let mut sql = self.with_predicate();
        let mut columns = vec![format!("coalesce({}, false)", self.predicate)];
        let mut asked = vec![];
        for condition in &self.conditions {
            let Some(what) = condition.what.clone() else { continue };
            columns.push(condition.holds.clone());
            let moment = match &condition.terms {
                Some(terms) => self.moment(terms, Rows::One, &mut sql)?,
                None => None,
            };
            columns.extend(moment.as_ref().map(|moment| moment.expr.clone()));
            asked.push(Asked { what, moment });
        }
        let equal = self.key.iter().zip(&key.0);
        let equal =
            equal.map(|(column, value)| format!("{} = {}", of(&column.name), codec::bind(column, value, &mut sql)));
        let equal = joined(equal);
        let text = format!("select {} from {} where {equal}", columns.join(", "), self.from());
        Ok((sql.say(text), asked))
    }
}
