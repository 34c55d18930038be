//! Statements that count, and the planner's own guess.

use forgetd_connector::{
    Action, Atomicity, Cutoff, Fault, Path, Predicate, Selection, Shape, Since, SinceColumn, Step, Table, Terms,
    WhenNull,
};

use super::moment::Rows;
use super::selection::Compiler;
use super::undone::Look;
use super::{ALIAS, Moment, Query, Sql, TextOrder, from, of};
use crate::codec;

impl Query {
    /// Counts what is due, at most `limit`.
    pub(crate) fn count(&self, limit: Option<u64>) -> Sql {
        let mut sql = self.with_predicate();
        let text = match limit {
            None => format!("select count(*) from {} where {}", self.from(), self.predicate),
            Some(limit) => {
                let limit = sql.bind(limit.into());
                format!(
                    "select count(*) from (select 1 from {} where {} limit {limit}) as {ALIAS}",
                    self.from(),
                    self.predicate
                )
            }
        };
        sql.say(text)
    }

    /// Counts all that is due, and finds the earliest moments among it, as texts: see [`Query::moments`]. One scan for
    /// all.
    pub(crate) fn count_and_oldest(&self) -> Result<Sql, Fault> {
        let mut sql = self.with_predicate();
        let moments = self.moments(&mut sql)?;
        let text = format!("select count(*){} from {}", self.least(&moments), self.due_beside(&moments));
        Ok(sql.say(text))
    }

    /// The earliest moments alone, right when counting stops early: where a single column is counted from, its order is
    /// followed. All of a count would walk over every dead entry that a purge left in an index.
    pub(crate) fn oldest_first(&self) -> Result<Sql, Fault> {
        let mut sql = self.with_predicate();
        let moments = self.moments(&mut sql)?;
        if self.step.selection.terms.since.single().is_none() {
            let text = format!("select null{} from {}", self.least(&moments), self.due_beside(&moments));
            return Ok(sql.say(text));
        }
        let first = |(moment, counts): &(Moment, String)| {
            let (from, text, expr) = (self.from(), moment.text(), &moment.expr);
            format!(", (select {text} from {from} where {counts} and {} order by {expr} limit 1)", self.predicate)
        };
        let texts: String = moments.iter().map(first).collect();
        Ok(sql.say(format!("select null{texts}")))
    }

    /// The least of each, behind commas.
    fn least(&self, moments: &[(Moment, String)]) -> String {
        let least = |(moment, counts): &(Moment, String)| {
            let least = codec::read(moment.kind, &format!("min({}) filter (where {counts})", moment.expr));
            format!(", {least}")
        };
        moments.iter().map(least).collect()
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
            let finite = moment.is_finite();
            moments.push((moment, finite));
        }
        if let (Some(since), Some(other)) = (terms.since.single(), &self.other) {
            let used = SinceColumn { column: other.name.clone(), ..since.clone() };
            if let Some(moment) = self.moment(&Terms { since: Since::Column(used), ..plain }, Rows::Many, sql)? {
                // Where `since` is there, the other column does not count.
                let counts = format!("{} is null and {}", of(&since.column), moment.is_finite());
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
        text_order: TextOrder,
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
        let mut compiler = Compiler::new(&step, &place, text_order, Sql::default());
        let alike = compiler.looks(path, shape, Look::Alike)?.beside();
        let text = format!("select count(*) from {} where {alike}", from(&table.name));
        Ok(compiler.sql.say(text))
    }

    /// Counts the whole table, at most `limit`.
    pub(crate) fn total(&self, limit: u64) -> Sql {
        let mut sql = Sql::default();
        let limit = sql.bind(limit.into());
        let text = format!("select count(*) from (select 1 from {} limit {limit}) as {ALIAS}", self.from());
        sql.say(text)
    }

    /// One row whose `since` is not before the cutoff, and which is not due therefore; or no row. Where an index leads
    /// with `since`, its end is looked at: told to take any row, the planner may read all the due ones first.
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
        let text = format!("select 1 from {} where not coalesce({}, false) limit 1", self.from(), self.predicate);
        self.with_predicate().say(text)
    }

    /// The planner's guess of how many rows are due.
    pub(crate) fn guess(&self) -> Sql {
        let text = format!("explain (format json) select 1 from {} where {}", self.from(), self.predicate);
        self.with_predicate().say(text)
    }
}
