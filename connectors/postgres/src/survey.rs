//! What a lane has to know about its table before it walks: storage, statistics, triggers, and who else may lose rows.

use std::collections::BTreeMap;

use forgetd_connector::layout::SHARE_MIN;
use forgetd_connector::{Cause, Fault, FaultClass, OnDelete, Step, TableRef};
use tokio_postgres::Row;

use crate::connect::Session;
use crate::query::{Param, Query, ReadAs, Reading, Sql, lead};
use crate::walk::Walk;

/// Below this correlation between physical order and `since`, a walk in order of `since` jumps over the heap.
const CORRELATION_MIN: f64 = 0.9;

/// Tie groups above this size are searched for their keys again and again, unless the keys follow the heap.
const TIES_MAX: f64 = 5_000.0;

/// Facts about one table.
#[derive(Clone, Debug)]
pub(crate) struct Survey {
    pub(crate) oid: i64,
    /// The table's file: physical row ids belong to it.
    pub(crate) storage: String,
    pub(crate) blocks: u64,
    /// Rows by the statistics.
    pub(crate) rows: Option<f64>,
    correlation: Option<f64>,
    /// Distinct values of `since`; negative: as a share of the rows.
    distinct: Option<f64>,
    /// The correlation of the key's first column.
    key_correlation: Option<f64>,
    /// Whether a range of physical row ids is found without reading the whole table: from version 14 on.
    pub(crate) finds_places: bool,
    /// Rows that are due, as the planner guesses.
    due: Option<f64>,
    pub(crate) triggers: RowTriggers,
    pub(crate) announced: Announced,
    /// Every other table that a change here looks at, by oid: children, whatever their foreign key does.
    pub(crate) reached: Vec<i64>,
}

/// Whether triggers run before each row is changed: they can cancel without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowTriggers {
    /// They cannot.
    None,
    /// They can.
    Before,
}

/// The tables in which a change of this step may be seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Announced {
    /// Tables that may lose rows, by oid; without the step's own.
    pub(crate) lose: BTreeMap<i64, TableRef>,
    /// Tables whose rows may be updated, by oid; the step's own among them where its rows follow each other.
    pub(crate) update: BTreeMap<i64, TableRef>,
}

/// Bits of `pg_trigger.tgtype` of triggers that run before each row.
const BEFORE_DELETE: i64 = 11;
const BEFORE_UPDATE: i64 = 19;

const TABLE: &str = "\
select c.oid::int8, pg_relation_filenode(c.oid)::int8, \
  pg_relation_size(c.oid) / current_setting('block_size')::int8, c.reltuples::float8, \
  s.correlation::float8, \
  exists (select from pg_trigger g where g.tgrelid = c.oid and not g.tgisinternal \
   and g.tgenabled in ('O', 'A') and g.tgtype & $5 = $5), \
  s.n_distinct::float8, k.correlation::float8, current_setting('server_version_num')::int8 >= 140000 \
from pg_class c join pg_namespace n on n.oid = c.relnamespace \
left join pg_stats s on s.schemaname = n.nspname and s.tablename = c.relname and s.attname = $3 and not s.inherited \
left join pg_stats k on k.schemaname = n.nspname and k.tablename = c.relname and k.attname = $4 and not k.inherited \
where c.relname = $2 and (n.nspname = $1 or ($1 is null and n.nspname = any (current_schemas(false))))";

const OIDS: &str = "\
select c.oid::int8, n.nspname::text, c.relname::text \
from pg_class c join pg_namespace n on n.oid = c.relnamespace \
join unnest($1::text[], $2::text[]) as w(s, t) on w.t = c.relname and w.s = n.nspname";

impl Survey {
    /// Looks the table of `step` up. Reads only.
    pub(crate) async fn take(session: &Session, step: &Step, query: &Query, place: &str) -> Result<Self, Fault> {
        let name = &step.table.name;
        let closure: Vec<&TableRef> = step
            .table
            .referenced_by
            .iter()
            .map(|key| &key.child)
            .chain(&step.may_cascade)
            .chain(follows(step))
            .collect();
        let schemas = closure.iter().map(|table| table.schema.clone()).collect();
        let names = closure.iter().map(|table| Some(table.name.clone())).collect();
        let key = query.key().first().map(|column| column.name.clone());
        let table = Sql::new(
            TABLE,
            vec![
                Param::Text(name.schema.clone()),
                name.name.as_str().into(),
                Param::Text(query.lead().map(|lead| lead.name.clone())),
                Param::Text(key),
                Param::Int(if step.rewrite().is_some() { BEFORE_UPDATE } else { BEFORE_DELETE }),
            ],
        );
        let oids = Sql::new(OIDS, vec![Param::Texts(schemas), Param::Texts(names)]);
        let guess = query.guess();
        let mut asked = vec![&table, &oids];
        // Before the guess, which reads the same literals and cannot say whose they are.
        asked.extend(query.readings().iter().map(|reading| &reading.sql));
        asked.push(&guess);
        let answers = match session.read("survey", place, query.pins(), &asked).await {
            Ok(answers) => answers,
            Err(fault) => return Err(unreadable(session, query, place).await.unwrap_or(fault)),
        };
        let [table, oids, .., guess] = answers.as_slice() else { return Err(odd(place)) };
        let row =
            table.rows.first().ok_or_else(|| Fault::new(FaultClass::Blocked(Cause::TableMissing), "survey", place))?;
        let reltuples: f64 = get(row, 3, place)?;
        let triggers = if get(row, 5, place)? { RowTriggers::Before } else { RowTriggers::None };
        Ok(Self {
            oid: get(row, 0, place)?,
            storage: get::<i64>(row, 1, place)?.to_string(),
            blocks: get::<i64>(row, 2, place)?.unsigned_abs(),
            rows: (reltuples > 0.0).then_some(reltuples),
            correlation: get(row, 4, place)?,
            distinct: get(row, 6, place)?,
            key_correlation: get(row, 7, place)?,
            finds_places: get(row, 8, place)?,
            due: guess.rows.first().and_then(guessed_rows),
            triggers,
            announced: announced(step, &oids.rows, place)?,
            reached: oids.rows.iter().map(|row| get(row, 0, place)).collect::<Result<_, _>>()?,
        })
    }

    /// How to walk: by `since`, unless the rows lie so that reading every block once is cheaper, or nothing else
    /// comes to an end.
    pub(crate) fn walk(&self, step: &Step) -> Walk {
        let described = walk_by_description(step);
        if described != Walk::Since {
            return described;
        }
        let by_key = self.key_correlation.is_some_and(|c| c.abs() >= CORRELATION_MIN);
        let scattered = self.correlation.is_some_and(|c| c.abs() < CORRELATION_MIN);
        let tied = self.ties().is_some_and(|rows| rows > TIES_MAX)
            && self.key_correlation.is_none_or(|c| c.abs() < CORRELATION_MIN);
        let share = match (self.due, self.rows) {
            (Some(due), Some(rows)) => due / rows,
            _ => 0.0,
        };
        match ((scattered || tied) && share > SHARE_MIN, step.rewrite()) {
            (false, _) => Walk::Since,
            (true, None) if self.finds_places => Walk::Physical,
            (true, None) => Walk::Since,
            // Rows that are updated get new ids.
            (true, Some(_)) => {
                if by_key {
                    Walk::Keys
                } else {
                    Walk::Since
                }
            }
        }
    }

    /// Rows per value of `since`.
    fn ties(&self) -> Option<f64> {
        let rows = self.rows?;
        match self.distinct? {
            share if share < 0.0 => Some(-1.0 / share),
            values if values > 0.0 => Some(rows / values),
            _ => None,
        }
    }
}

/// Which literal, or native condition, the server cannot read, if that is what is wrong.
async fn unreadable(session: &Session, query: &Query, place: &str) -> Option<Fault> {
    for Reading { what, sql } in query.readings() {
        let read = session.try_to_read("read condition", place, query.pins(), sql).await;
        let Err((fault, said)) = read else { continue };
        let blocked = match fault.class {
            FaultClass::Blocked(Cause::Privilege) => return Some(fault),
            FaultClass::Internal | FaultClass::Row(_) | FaultClass::Blocked(_) => FaultClass::Blocked,
            _ => return None,
        };
        return Some(match what {
            ReadAs::Column(name) => Fault { class: blocked(Cause::ColumnType), ..fault }.with_detail(name),
            ReadAs::Native(name) => {
                let said = said.unwrap_or_else(|| "it is no condition".into());
                Fault { class: blocked(Cause::Native), ..fault }.with_detail(format!("{name}: {said}"))
            }
        });
    }
    None
}

/// How to walk a table that was not surveyed: what its description alone says.
pub(crate) fn walk_by_description(step: &Step) -> Walk {
    let indexed = lead(step).is_some_and(|since| step.table.leads_index(&since.column));
    match (indexed, step.rewrite()) {
        (true, _) if !step.table.key.is_empty() => Walk::Since,
        (_, Some(_)) => Walk::Keys,
        (_, None) => Walk::Physical,
    }
}

/// Tables whose rows follow those of the step's own.
fn follows(step: &Step) -> &[TableRef] {
    step.rewrite().map_or(&[], |rewrite| &rewrite.follows)
}

fn announced(step: &Step, rows: &[Row], place: &str) -> Result<Announced, Fault> {
    let mut announced = Announced::default();
    for row in rows {
        let table = TableRef { schema: Some(get(row, 1, place)?), name: get(row, 2, place)? };
        let oid = get(row, 0, place)?;
        if step.rewrite().is_some() {
            if follows(step).iter().any(|name| table.is(name)) {
                announced.update.insert(oid, table);
            }
            continue;
        }
        let reached = |action| step.table.referenced_by.iter().any(|key| key.child == table && key.on_delete == action);
        if reached(OnDelete::Set) {
            announced.update.insert(oid, table.clone());
        }
        if (reached(OnDelete::Cascade) || step.may_cascade.contains(&table)) && table != step.table.name {
            announced.lose.insert(oid, table);
        }
    }
    Ok(announced)
}

/// `Plan Rows` of an explanation in JSON.
fn guessed_rows(row: &Row) -> Option<f64> {
    let plan: serde_json::Value = row.try_get(0).ok()?;
    plan.get(0)?.get("Plan")?.get("Plan Rows")?.as_f64()
}

/// A column of an answer. A type that does not fit is a defect of ours.
pub(crate) fn get<'a, T: tokio_postgres::types::FromSql<'a>>(row: &'a Row, n: usize, place: &str) -> Result<T, Fault> {
    row.try_get(n).map_err(|_| odd(place))
}

/// The server answered in another shape than it was asked to.
pub(crate) fn odd(place: &str) -> Fault {
    Fault::new(FaultClass::Internal, "read answer", place).with_detail("an answer of another shape")
}
