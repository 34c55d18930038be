//! Statements that count.

use forgetd_connector::{
    Action, Atomicity, Cutoff, Fault, Path, Predicate, Selection, Shape, Since, SinceColumn, Step, Table, Terms,
    WhenNull,
};

use super::moment::Rows;
use super::selection::Compiler;
use super::undone::Look;
use super::{ALIAS, Moment, Query, Sql, from, of};
use crate::flavour::Flavour;

impl Query {
    /// Counts what is due, at most `limit`.
    pub(crate) fn count(&self, limit: Option<u64>) -> Sql {
        let mut sql = self.with_predicate();
        let text = match limit {
            None => format!("select count(*) from {} where {}", self.from(), self.predicate),
            Some(limit) => format!(
                "select count(*) from (select 1 from {} where {} limit {}) as {ALIAS}",
                self.from(),
                self.predicate,
                sql.bind(limit)
            ),
        };
        sql.say(text)
    }

    /// Counts all that is due, and finds the earliest moments among it, as texts: see [`Query::moments`]. One scan for
    /// all.
    pub(crate) fn count_and_oldest(&self) -> Result<Sql, Fault> {
        let mut sql = self.with_predicate();
        let moments = self.moments(&mut sql)?;
        let text = format!("select count(*){} from {}", least(&moments), self.due_beside(&moments));
        Ok(sql.say(text))
    }

    /// The earliest moments alone, right when counting stops early: where a single column is counted from, its order is
    /// followed. All of a count would walk over every dead entry that a purge left in an index.
    pub(crate) fn oldest_first(&self) -> Result<Sql, Fault> {
        let mut sql = self.with_predicate();
        let moments = self.moments(&mut sql)?;
        if self.step.selection.terms.since.single().is_none() {
            let text = format!("select null{} from {}", least(&moments), self.due_beside(&moments));
            return Ok(sql.say(text));
        }
        let first = |(moment, counts): &(Moment, String)| {
            let (from, Moment { expr, order, .. }) = (self.from(), moment);
            format!(", (select {expr} from {from} where {counts} and {} order by {order} limit 1)", self.predicate)
        };
        let texts: String = moments.iter().map(first).collect();
        Ok(sql.say(format!("select null{texts}")))
    }

    /// The due rows, and what their moments need.
    fn due_beside(&self, moments: &[(Moment, String)]) -> String {
        let beside: String = moments.iter().map(|(moment, _)| moment.beside.as_str()).collect();
        format!("{}{beside} where {}", self.from(), self.predicate)
    }

    /// The moments that due rows count from, and where each of them counts. Columns that stand for each other are two,
    /// so that each is read in its own order.
    pub(crate) fn moments(&self, sql: &mut Sql) -> Result<Vec<(Moment, String)>, Fault> {
        let mut moments = vec![];
        let terms = &self.step.selection.terms;
        let plain = Terms { when_null: WhenNull::Keep, ..terms.clone() };
        if let Some(moment) = self.moment(&plain, Rows::Many, sql)? {
            let there = moment.is_there();
            moments.push((moment, there));
        }
        if let (Some(since), Some(other)) = (terms.since.single(), &self.other) {
            let used = SinceColumn { column: other.name.clone(), ..since.clone() };
            let first = moments.first().map(|(moment, _)| format!("{} is null", moment.expr));
            if let Some(moment) = self.moment(&Terms { since: Since::Column(used), ..plain }, Rows::Many, sql)? {
                // Where `since` is there, the other column does not count.
                let null = first.unwrap_or_else(|| format!("{} is null", of(&since.column)));
                let counts = format!("{null} and {}", moment.is_there());
                moments.push((moment, counts));
            }
        }
        Ok(moments)
    }

    /// Counts the rows of a table that have a value of this shape at a place.
    pub(crate) fn shaped(
        table: &Table,
        path: &Path,
        shape: &Shape,
        database: &str,
        flavour: Flavour,
    ) -> Result<Sql, Fault> {
        let terms = Terms {
            since: Since::Greatest(vec![]),
            cutoff: Cutoff(jiff::Timestamp::MIN),
            when_null: WhenNull::Keep,
            predicate: Predicate::always(),
            native: None,
        };
        let step = Step {
            rule: String::new(),
            selection: Selection::new(table.name.clone(), terms),
            table: table.clone(),
            others: vec![],
            action: Action::Delete,
            atomicity: Atomicity::Sealed,
            may_cascade: vec![],
        };
        let place = step.place(database);
        let mut compiler = Compiler::new(&step, &place, flavour, Sql::default());
        let alike = compiler.looks(path, shape, Look::Alike)?.beside();
        let text = format!("select count(*) from {} where {alike}", from(&table.name));
        Ok(compiler.sql.say(text))
    }

    /// Counts the whole table, at most `limit`.
    pub(crate) fn total(&self, limit: Option<u64>) -> Sql {
        Sql::plain(match limit {
            None => format!("select count(*) from {}", self.from()),
            Some(limit) => format!("select count(*) from (select 1 from {} limit {limit}) as {ALIAS}", self.from()),
        })
    }

    /// One row whose `since` is not before the cutoff, and which is not due therefore; or no row. Where an index leads
    /// with `since`, its end is looked at.
    pub(crate) fn outside_by_since(&self) -> Option<Sql> {
        let lead = self.lead.as_ref()?;
        let since = lead.name();
        let indexed = self.step.table.leads_index(&lead.column.name);
        let order = if indexed { format!(" order by {since} desc") } else { String::new() };
        let text = format!("select 1 from {} where {since} >= {}{order} limit 1", self.from(), lead.cutoff);
        Some(self.with_cutoff().say(text))
    }

    /// One row that is not due for whatever reason; or no row.
    pub(crate) fn outside(&self) -> Sql {
        let text = format!("select 1 from {} where ({}) is not true limit 1", self.from(), self.predicate);
        self.with_predicate().say(text)
    }
}

/// The least of each, behind commas.
fn least(moments: &[(Moment, String)]) -> String {
    moments.iter().map(|(moment, counts)| format!(", min(case when {counts} then {} end)", moment.expr)).collect()
}
