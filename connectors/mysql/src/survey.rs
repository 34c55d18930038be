//! What a lane has to know about its table before it works: what else happens when a row changes, and how to walk.

use std::collections::BTreeMap;

use forgetd_connector::{Cause, Fault, FaultClass, ForeignKey, OnDelete, Step, TableRef, Writable};

use crate::answer::{get, odd};
use crate::connect::Session;
use crate::connector::Shared;
use crate::measure;
use crate::query::{Query, Sql};
use crate::walk::Walk;

/// Facts about one table.
#[derive(Clone, Debug)]
pub(crate) struct Survey {
    /// Whether something of the table's own may change a row beside us, as far as the role can see: triggers on this
    /// action, or a column of `since` that the engine makes from others.
    pub(crate) watched: bool,
    /// Columns that the engine sets to the current moment whenever a row is updated.
    pub(crate) clocked: Vec<String>,
    /// By which index of its table the rows of a foreign key are found.
    pub(crate) indexes: BTreeMap<String, String>,
}

const CLOCKED: &str = "select column_name from information_schema.columns where table_schema = ";

const INDEXES: &str = "select table_schema, table_name, index_name, \
  group_concat(column_name order by seq_in_index separator '\n') from information_schema.statistics where ";

const TRIGGERS: &str = "select count(*) from information_schema.triggers where event_manipulation = ";

impl Survey {
    /// Looks the step's table up. Reads only.
    pub(crate) async fn take(
        shared: &Shared,
        session: &mut Session,
        step: &Step,
        query: &Query,
    ) -> Result<Self, Fault> {
        let place = step.place(shared.database());
        for reading in query.readings() {
            let read = session.read("read condition", &place, &[&reading.sql]).await;
            read.map_err(|fault| measure::native(fault, &reading.what))?;
        }
        let own = &step.table.name;
        let mut sql = Sql::default();
        let (schema, name) = named(shared, own, &mut sql);
        let clocked = sql.say(format!("{CLOCKED}{schema} and table_name = {name} and lower(extra) like '%on update%'"));
        let event = if step.rewrite().is_some() { "'UPDATE'" } else { "'DELETE'" };
        let mut sql = Sql::default();
        let reached = step.may_cascade.iter().chain([own]);
        let tables: Vec<String> = reached
            .map(|table| {
                let (schema, name) = named(shared, table, &mut sql);
                format!("event_object_schema = {schema} and event_object_table = {name}")
            })
            .collect();
        let triggers = sql.say(format!("{TRIGGERS}{event} and ({})", tables.join(" or ")));
        let acting = || step.table.referenced_by.iter().filter(|key| key.on_delete != OnDelete::Refuse || key.follows);
        let mut sql = Sql::default();
        let children: Vec<String> = acting()
            .map(|key| {
                let (schema, name) = named(shared, &key.child, &mut sql);
                format!("(table_schema = {schema} and table_name = {name})")
            })
            .collect();
        let children = if children.is_empty() { "false".into() } else { children.join(" or ") };
        let indexes = sql.say(format!("{INDEXES}{children} group by table_schema, table_name, index_name"));
        let answers = session.read("survey", &place, &[&clocked, &triggers, &indexes]).await?;
        let [clocked, triggers, found] = answers.as_slice() else { return Err(odd(&place)) };
        let mut indexes = BTreeMap::new();
        for row in &found.rows {
            let (schema, name): (String, String) = (get(row, 0, &place)?, get(row, 1, &place)?);
            let (index, columns): (String, String) = (get(row, 2, &place)?, get(row, 3, &place)?);
            let columns: Vec<&str> = columns.split('\n').collect();
            let table = TableRef { schema: Some(schema), name };
            let leads = |key: &&ForeignKey| {
                key.child == table && columns.iter().take(key.child_columns.len()).eq(key.child_columns.iter())
            };
            indexes.extend(acting().filter(leads).map(|key| (key.name.clone(), index.clone())));
        }
        let clocked = clocked.rows.iter().map(|row| get(row, 0, &place)).collect::<Result<_, _>>()?;
        let triggers: u64 = get(triggers.rows.first().ok_or_else(|| odd(&place))?, 0, &place)?;
        let made = query
            .since_names()
            .into_iter()
            .any(|name| step.table.column(name).is_some_and(|column| column.fit.writable == Writable::Generated));
        Ok(Self { watched: triggers > 0 || made, clocked, indexes })
    }
}

/// How to walk a table: in the order of `since` where an index leads with it, else by the key.
pub(crate) fn walk_by_description(step: &Step) -> Walk {
    let indexed = crate::query::lead(step).is_some_and(|since| step.table.leads_index(&since.column));
    if indexed { Walk::Since } else { Walk::Keys }
}

/// Refuses a table whose rows cannot be told apart.
pub(crate) fn keyed(step: &Step, place: &str) -> Result<(), Fault> {
    if step.table.key.is_empty() {
        return Err(Fault::new(FaultClass::Blocked(Cause::NoKey), "open lane", place));
    }
    Ok(())
}

/// The placeholders of a table's schema and name.
fn named(shared: &Shared, table: &TableRef, sql: &mut Sql) -> (String, String) {
    let schema = table.schema.as_deref().unwrap_or_else(|| shared.schema());
    (sql.bind(schema), sql.bind(table.name.as_str()))
}
