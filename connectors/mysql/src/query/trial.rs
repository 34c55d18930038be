//! What a transform would write, as rows that constraints can be tried on. Reads a few rows; returns none of them.

use forgetd_connector::{Column, Fault, Put, Rewrite, Value};

use super::selection::Compiler;
use super::{ALIAS, Query, Sql, of};
use crate::codec;

/// How many rows are tried, and how many samples of a column.
const ROWS: u64 = 10;
const SAMPLES_MAX: usize = 5;

impl Query {
    /// Counts rows that would break the condition, a constraint's as the server writes it, once they were written; and
    /// samples that no row can be written with. Columns that the condition does not name stay as they are.
    pub(crate) fn trial(&self, rewrite: &Rewrite, condition: &str) -> Result<Sql, Fault> {
        let step = &self.step;
        let mut compiler = Compiler::new(step, &self.place, self.flavour, self.with_predicate());
        let mut samples: Vec<(&Column, &[Value])> = vec![];
        let mut written: Vec<(&str, String)> = vec![];
        let asks = |column: &str| condition.contains(&codec::quote(column));
        for place in rewrite.places.iter().filter(|place| place.is_column() && asks(&place.path.column)) {
            let column = compiler.own(&place.path.column)?;
            let value = match &place.put {
                Put::Constant(Value::Null) => "null".into(),
                Put::Constant(value) => compiler.constant(column, value)?,
                Put::Coarser(grain) => compiler.coarse(column, grain)?.value,
                Put::Computed if place.samples.is_empty() => continue,
                Put::Computed => {
                    samples.push((column, &place.samples));
                    codec::from_text(column, &format!("s.c{}", samples.len() - 1))
                }
            };
            written.push((&column.name, like(column, &value)));
        }
        if let Some(marker) = rewrite.marker.as_ref().filter(|marker| asks(&marker.column)) {
            let column = compiler.own(&marker.column)?;
            written.push((&column.name, compiler.constant(column, &marker.value)?));
        }
        let mut sql = compiler.sql;
        let times = samples.iter().map(|(_, values)| values.len()).max().unwrap_or(1).clamp(1, SAMPLES_MAX);
        let mut tries = vec![];
        for at in 0..times {
            let mut columns = vec![format!("{at} as forgetd_sample")];
            for (n, (_, values)) in samples.iter().enumerate() {
                let text = values.get(at % values.len()).and_then(codec::text).unwrap_or_default();
                columns.push(format!("{} as c{n}", sql.bind(text.as_str())));
            }
            tries.push(format!("select {}", columns.join(", ")));
        }
        let columns = step.table.columns.iter().map(|column| {
            let written = written.iter().find(|(name, _)| *name == column.name);
            let value = written.map_or_else(|| of(&column.name), |(_, value)| value.clone());
            format!("{value} as {}", codec::quote(&column.name))
        });
        // Invisible columns as well.
        let own = step.table.columns.iter().map(|column| codec::quote(&column.name));
        let text = format!(
            "select coalesce(sum(broken), 0), coalesce(sum(broken > 0 and fine = 0), 0) from ( \
             select sum(({condition}) is false) as broken, \
             sum(({condition}) is not false and forgetd_changes) as fine \
             from (select {columns}, {changes} as forgetd_changes, forgetd_sample \
             from (select {own} from {from} where {predicate} limit {limit}) as {ALIAS} \
             cross join ({tries}) as s) as forgetd_trial \
             group by forgetd_sample) as forgetd_samples",
            changes = changes(rewrite),
            columns = columns.collect::<Vec<_>>().join(", "),
            own = own.collect::<Vec<_>>().join(", "),
            from = self.from(),
            predicate = self.predicate(),
            limit = sql.bind(ROWS),
            tries = tries.join(" union all "),
        );
        Ok(sql.say(text))
    }
}

/// A value as the column would hold it: of its character set and collation, and NULL where NULL is.
fn like(column: &Column, value: &str) -> String {
    let own = of(&column.name);
    format!("if({own} is null, {own}, {value})")
}

/// Whether a row has a value that would be written over.
fn changes(rewrite: &Rewrite) -> String {
    let columns = rewrite.places.iter().filter(|place| place.is_column());
    let there: Vec<String> = columns.map(|place| format!("{} is not null", of(&place.path.column))).collect();
    if there.is_empty() { "true".into() } else { format!("({})", there.join(" or ")) }
}
