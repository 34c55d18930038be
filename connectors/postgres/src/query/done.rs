//! Rows that a transform is done with, read to be looked at again.

use forgetd_connector::Key;
use forgetd_connector::walk::Span;

use super::{Query, Sql};
use crate::codec;

impl Query {
    /// Reads those of a range of keys that this query means, in their order: the texts of the key, the values that others
    /// are computed from, whether the marker is set, and how many there are. Ends with the row whose values make it
    /// `bytes_max`.
    pub(crate) fn read_done(&self, after: Option<&Key>, to: Option<&Key>, bytes_max: u64) -> Option<Sql> {
        let writes = self.writes()?;
        let mut sql = self.with_predicate();
        let rows = self.within(&Span::Keys { after: after.cloned(), to: to.cloned() }, &mut sql);
        let texts = self.key_texts().into_iter().chain(writes.computed.iter().map(codec::written));
        let named: Vec<String> = texts.enumerate().map(|(n, text)| format!("{text} as forgetd_{n}")).collect();
        let keys = self.key().len();
        let names: Vec<String> = (0..named.len()).map(|n| format!("forgetd_{n}")).collect();
        let bytes = names[keys..].iter().map(|name| format!(" + coalesce(octet_length({name}), 0)"));
        let bytes_max = sql.bind(bytes_max.into());
        let text = format!(
            "select {names}, forgetd_marked, forgetd_rows from \
             (select *, count(*) over () as forgetd_rows, \
             sum(0::int8{bytes}) over (order by forgetd_n rows between unbounded preceding and 1 preceding) as forgetd_before \
             from (select {named}, {marked} as forgetd_marked, row_number() over (order by {order}) as forgetd_n \
             from {from} where {rows} and {predicate}) as forgetd_read) as forgetd_met \
             where coalesce(forgetd_before, 0) < {bytes_max} order by forgetd_n",
            names = names.join(", "),
            bytes = bytes.collect::<String>(),
            named = named.join(", "),
            marked = writes.marked,
            order = self.key_columns().join(", "),
            from = self.from(),
            predicate = self.predicate,
        );
        Some(sql.say(text))
    }
}
