//! Rows that a transform is done with, read to be looked at again.

use forgetd_connector::walk::Span;
use forgetd_connector::{Fault, Key, Undone};

use super::selection::Compiler;
use super::{Query, Sql};
use crate::codec;

impl Compiler<'_> {
    /// Whether the marker says that a row was done already: true or false.
    pub(super) fn marked(&mut self) -> Result<String, Fault> {
        let step = self.step;
        let Some(marker) = step.rewrite().and_then(|rewrite| rewrite.marker.as_ref()) else {
            return Ok("false".into());
        };
        let column = self.own(&marker.column)?;
        let mut marked = format!("{} is not null", self.of(&column.name));
        for undone in &step.selection.undone {
            if let Undone::MarkedBefore { marker, since } = undone
                && *marker == column.name
            {
                let before = self.marked_before(&step.selection.terms, marker, since)?.alone();
                marked = format!("({marked} and ({before}) is not true)");
            }
        }
        Ok(marked)
    }
}

impl Query {
    /// Reads those of a range of keys that this query means, in their order: the texts of the key, the values that others
    /// are computed from, whether the marker is set, and how many there are. Ends with the row whose values make it
    /// `bytes_max`.
    pub(crate) fn read_done(&self, after: Option<&Key>, to: Option<&Key>, bytes_max: u64) -> Sql {
        let mut sql = self.with_predicate();
        let rows = self.within(&Span::Keys { after: after.cloned(), to: to.cloned() }, &mut sql);
        let texts = self.key_texts().into_iter().chain(self.computed.iter().map(codec::written));
        let named: Vec<String> = texts.enumerate().map(|(n, text)| format!("{text} as forgetd_{n}")).collect();
        let keys = self.key().len();
        let names: Vec<String> = (0..named.len()).map(|n| format!("forgetd_{n}")).collect();
        let bytes: String = names[keys..].iter().map(|name| format!(" + coalesce(length({name}), 0)")).collect();
        let bytes_max = sql.bind(bytes_max);
        let text = format!(
            "select {names}, forgetd_marked, forgetd_rows from \
             (select *, count(*) over () as forgetd_rows, \
             sum(0{bytes}) over (order by forgetd_n rows between unbounded preceding and 1 preceding) as forgetd_before \
             from (select {named}, {marked} as forgetd_marked, row_number() over (order by {order}) as forgetd_n \
             from {from} where {rows} and {predicate}) as forgetd_read) as forgetd_met \
             where coalesce(forgetd_before, 0) < {bytes_max} order by forgetd_n",
            names = names.join(", "),
            named = named.join(", "),
            marked = self.marked,
            order = self.key_columns().join(", "),
            from = self.from(),
            predicate = self.predicate,
        );
        sql.say(text)
    }
}
