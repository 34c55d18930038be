//! What a transform would write, as rows that constraints can be tried on. Reads a few rows; returns none of them.

use forgetd_connector::{Column, Fault, Put, Rewrite, Value};

use super::selection::Compiler;
use super::{ALIAS, Param, Query, Sql, of};
use crate::codec;

/// How many rows are tried, and how many samples of a column.
const ROWS: u64 = 10;
pub(crate) const SAMPLES_MAX: usize = 5;

impl Query {
    /// Counts rows that would break the condition, a constraint's as the catalog writes it, once they were written; and samples
    /// that no row can be written with.
    pub(crate) fn trial(&self, rewrite: &Rewrite, condition: &str) -> Result<Sql, Fault> {
        let step = &self.step;
        let mut compiler = Compiler::new(step, &self.place, self.text_order, self.with_predicate());
        let mut samples: Vec<(&Column, &[Value])> = vec![];
        let mut written: Vec<(&str, String)> = vec![];
        for place in rewrite.places.iter().filter(|place| place.is_column()) {
            let column = compiler.own(&place.path.column)?;
            let value = match &place.put {
                Put::Constant(Value::Null) => format!("null::{}", column.type_name),
                Put::Constant(value) => compiler.constant(column, value),
                Put::Coarser(grain) => compiler.coarse(column, grain)?.value,
                Put::Computed if place.samples.is_empty() => continue,
                Put::Computed => {
                    samples.push((column, &place.samples));
                    codec::from_text(column, &format!("s.c{}", samples.len() - 1))
                }
            };
            written.push((&column.name, format!("case when {} is not null then {value} end", of(&column.name))));
        }
        if let Some(marker) = &rewrite.marker {
            let column = compiler.own(&marker.column)?;
            written.push((&column.name, compiler.constant(column, &marker.value)));
        }
        let mut sql = compiler.sql;
        let times = samples.iter().map(|(_, values)| values.len()).max().unwrap_or(1).clamp(1, SAMPLES_MAX);
        let mut arrays = vec![format!("{}::text[]", sql.bind(Param::Texts(vec![None; times])))];
        let mut names = vec!["n".to_owned()];
        for (n, (_, values)) in samples.iter().enumerate() {
            let texts = (0..times).map(|at| values.get(at % values.len()).and_then(codec::text)).collect();
            arrays.push(format!("{}::text[]", sql.bind(Param::Texts(texts))));
            names.push(format!("c{n}"));
        }
        let columns = step.table.columns.iter().map(|column| {
            let written = written.iter().find(|(name, _)| *name == column.name);
            let value = written.map_or_else(|| of(&column.name), |(_, value)| value.clone());
            format!("{value} as {}", codec::quote(&column.name))
        });
        let text = format!(
            "select coalesce(sum(broken), 0)::int8, count(*) filter (where broken > 0 and fine = 0) from ( \
             select count(*) filter (where not ({condition})) as broken, \
             count(*) filter (where ({condition}) is not false and forgetd_changes) as fine \
             from (select {columns}, {changes} as forgetd_changes, forgetd_sample from (select * from {from} where {predicate} limit {limit}) \
             as {ALIAS} cross join unnest({arrays}) with ordinality as s({names}, forgetd_sample)) as forgetd_trial \
             group by forgetd_sample) as forgetd_samples",
            changes = changes(rewrite),
            columns = columns.collect::<Vec<_>>().join(", "),
            from = self.from(),
            predicate = self.predicate(),
            limit = sql.bind(ROWS.into()),
            arrays = arrays.join(", "),
            names = names.join(", "),
        );
        Ok(sql.say(text))
    }
}

/// Whether a row has a value that would be written over.
fn changes(rewrite: &Rewrite) -> String {
    let columns = rewrite.places.iter().filter(|place| place.is_column());
    let there: Vec<String> = columns.map(|place| format!("{} is not null", of(&place.path.column))).collect();
    if there.is_empty() { "true".into() } else { format!("({})", there.join(" or ")) }
}
