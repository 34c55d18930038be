//! What the database says about its tables. Two turns, whatever their number.

mod column;
mod keys;
mod sql;

use std::collections::{BTreeMap, BTreeSet};

use forgetd_connector::{Atomicity, Catalog, Column, Fault, Index, Table, TableKind, TableRef};
use mysql_async::Row;

use crate::answer::{Answer, get, odd};
use crate::codec;
use crate::connector::Shared;
use crate::query::Sql;
use column::Told;
use keys::Keys;

/// How MySQL is told to look at a table's statistics now and not at what it noted up to a day ago.
const FRESH: &str = "set session information_schema_stats_expiry = 0";

/// Engines whose rows are somewhere else, or nowhere.
const ELSEWHERE: &[&str] = &[
    "FEDERATED",
    "CONNECT",
    "SPIDER",
    "MRG_MYISAM",
    "BLACKHOLE",
    "SEQUENCE",
    "S3",
    "OQGRAPH",
    "SPHINX",
    "MROONGA",
    "PERFORMANCE_SCHEMA",
];

/// The tables of the URL's database that the role can read something of, in order of their names.
///
/// A server often holds the databases of several applications, and a role may see more of them than it should.
pub(crate) async fn tables(shared: &Shared) -> Result<Vec<TableRef>, Fault> {
    let place = shared.database();
    let mut held = shared.lanes.take().await?;
    let answers = held.read("list tables", place, &[&sql::tables(shared.schema(), shared.names.plain())]).await?;
    held.give_back();
    let table = |row: &Row| Ok(TableRef { schema: Some(get(row, 0, place)?), name: get(row, 1, place)? });
    rows(&answers, 0, place)?.iter().map(table).collect()
}

/// Describes those of the tables that exist. A name without a schema is one of the URL's database.
pub(crate) async fn describe(shared: &Shared, asked: &[TableRef]) -> Result<Catalog, Fault> {
    let place = shared.database();
    if asked.is_empty() {
        return Ok(Catalog::default());
    }
    let mut held = shared.lanes.take().await?;
    let named: Vec<TableRef> = asked.iter().map(|table| full(shared, table)).collect();
    let fresh = Sql::plain(if shared.looked.flavour.is_mariadb() { "do 0" } else { FRESH });
    let (resolve, keys, rules) = (sql::resolve(&named), Sql::plain(sql::KEYS), Sql::plain(sql::RULES));
    let answers = held.read("describe", place, &[&fresh, &resolve, &keys, &rules]).await?;
    let keys = Keys::read(rows(&answers, 2, place)?, rows(&answers, 3, place)?, place)?;
    let mut tables = vec![];
    for row in rows(&answers, 1, place)? {
        let at: usize = get(row, 0, place)?;
        let (asked, named) = (asked.get(at).ok_or_else(|| odd(place))?, named.get(at).ok_or_else(|| odd(place))?);
        let name = TableRef { schema: Some(get(row, 1, place)?), name: get(row, 2, place)? };
        // Whatever collation the server compares names in, where it keeps two tables that differ in case.
        if shared.looked.folds_names || name == *named {
            tables.push((at, table(row, asked, name, &keys, place)?));
        }
    }
    tables.sort_by_key(|(at, _)| *at);
    let mut tables: Vec<Table> = tables.into_iter().map(|(_, table)| table).collect();
    if !tables.is_empty() {
        let names: Vec<TableRef> = tables.iter().map(|table| table.name.clone()).collect();
        let parts = Parts::statements(shared, &names);
        let answers = held.read("describe", place, &parts.iter().collect::<Vec<_>>()).await?;
        Parts::read(&answers, place)?.complete(&mut tables, shared.looked.flavour.is_mariadb());
    }
    held.give_back();
    Ok(Catalog { tables })
}

/// The name with its schema, as the server keeps it.
pub(crate) fn full(shared: &Shared, table: &TableRef) -> TableRef {
    let folded = |name: &str| if shared.looked.folds_names { name.to_lowercase() } else { name.to_owned() };
    let schema = table.schema.as_deref().unwrap_or_else(|| shared.schema());
    TableRef { schema: Some(folded(schema)), name: folded(&table.name) }
}

fn rows<'a>(answers: &'a [Answer], n: usize, place: &str) -> Result<&'a [Row], Fault> {
    answers.get(n).map(|answer| answer.rows.as_slice()).ok_or_else(|| odd(place))
}

/// A table without what its parts are.
fn table(row: &Row, asked: &TableRef, name: TableRef, keys: &Keys, place: &str) -> Result<Table, Fault> {
    let engine: Option<String> = get(row, 4, place)?;
    Ok(Table {
        asked: asked.clone(),
        kind: kind(&get::<String>(row, 3, place)?, engine.as_deref()),
        columns: vec![],
        key: vec![],
        indexes: vec![],
        referenced_by: keys.reached_from(&name),
        references: keys.of(&name),
        rows_in: vec![],
        atomicity: atomicity(engine.as_deref()),
        rows_estimate: get(row, 5, place)?,
        name,
    })
}

fn kind(table_type: &str, engine: Option<&str>) -> TableKind {
    let engine = engine.unwrap_or_default().to_uppercase();
    match table_type {
        "VIEW" | "SYSTEM VIEW" => TableKind::View,
        "BASE TABLE" | "SYSTEM VERSIONED" if !ELSEWHERE.contains(&engine.as_str()) => TableKind::Plain,
        _ => TableKind::Foreign,
    }
}

/// The control tables are InnoDB's, and what another engine does is committed by itself. What has no engine is no table.
fn atomicity(engine: Option<&str>) -> Atomicity {
    match engine {
        Some(engine) if !engine.eq_ignore_ascii_case("InnoDB") => Atomicity::Sealed,
        _ => Atomicity::Atomic,
    }
}

/// The parts of all tables, by a table's number.
#[derive(Default)]
struct Parts {
    columns: BTreeMap<usize, Vec<(u32, Told)>>,
    indexes: BTreeMap<usize, BTreeMap<String, Vec<Part>>>,
    /// Methods and expressions.
    partitions: BTreeMap<usize, Vec<(String, String)>>,
    /// Columns whose text is always JSON.
    documents: BTreeMap<usize, BTreeSet<String>>,
    rows_in: BTreeMap<usize, Vec<TableRef>>,
}

/// One part of an index.
struct Part {
    at: u32,
    /// Absent: an expression.
    column: Option<String>,
    unique: bool,
    /// It holds whole values, in order, and the server uses it.
    usable: bool,
    /// It holds whole values.
    whole: bool,
    nullable: bool,
}

// === impl Parts ===

impl Parts {
    fn statements(shared: &Shared, names: &[TableRef]) -> Vec<Sql> {
        let mariadb = shared.looked.flavour.is_mariadb();
        let hidden = if mariadb { ("ignored", "YES") } else { ("is_visible", "NO") };
        vec![
            sql::columns(names),
            sql::indexes(names, hidden),
            sql::partitions(names),
            if mariadb { sql::documents(names) } else { sql::read_by_views(names) },
        ]
    }

    fn read(answers: &[Answer], place: &str) -> Result<Self, Fault> {
        let mut parts = Self::default();
        for row in rows(answers, 0, place)? {
            parts.columns.entry(get(row, 0, place)?).or_default().push((get(row, 1, place)?, Told::read(row, place)?));
        }
        for row in rows(answers, 1, place)? {
            let of_table = parts.indexes.entry(get(row, 0, place)?).or_default();
            let whole = get::<Option<u64>>(row, 6, place)?.is_none();
            let column: Option<String> = get(row, 3, place)?;
            let hidden: Option<bool> = get(row, 8, place)?;
            let ordered = get::<String>(row, 5, place)? == "BTREE" && hidden != Some(true);
            of_table.entry(get(row, 1, place)?).or_default().push(Part {
                at: get(row, 2, place)?,
                unique: get(row, 4, place)?,
                usable: ordered && whole && column.is_some(),
                whole: whole && column.is_some(),
                nullable: get::<Option<String>>(row, 7, place)?.as_deref() == Some("YES"),
                column,
            });
        }
        for row in rows(answers, 2, place)? {
            let Some(method) = get::<Option<String>>(row, 1, place)? else { continue };
            let expressions = [get::<Option<String>>(row, 2, place)?, get(row, 3, place)?];
            let text = expressions.into_iter().flatten().collect::<Vec<_>>().join(" ");
            parts.partitions.entry(get(row, 0, place)?).or_default().push((method, text));
        }
        for row in rows(answers, 3, place)? {
            let (n, first, second): (usize, String, String) =
                (get(row, 0, place)?, get(row, 1, place)?, get(row, 2, place)?);
            // Of one product these are constraints and conditions, of the other schemas and tables.
            if second == format!("json_valid({})", codec::quote(&first)) {
                parts.documents.entry(n).or_default().insert(first.clone());
            }
            parts.rows_in.entry(n).or_default().push(TableRef { schema: Some(first), name: second });
        }
        Ok(parts)
    }

    /// Gives each table its parts.
    fn complete(mut self, tables: &mut [Table], mariadb: bool) {
        for (n, table) in tables.iter_mut().enumerate() {
            let indexes = self.indexes.remove(&n).unwrap_or_default();
            table.key = key(&indexes);
            table.indexes = indexes.iter().filter_map(|(name, parts)| index(name, parts)).collect();
            table.indexes.sort_by_key(|index| index.name != PRIMARY);
            let documents = self.documents.remove(&n).unwrap_or_default();
            let partitions = self.partitions.remove(&n).unwrap_or_default();
            let mut columns = self.columns.remove(&n).unwrap_or_default();
            columns.sort_by_key(|(at, _)| *at);
            let column = |(_, told): (u32, Told)| -> Column {
                let document = documents.contains(&told.name);
                let decides = decides(&partitions, &told.name, &table.key);
                told.column(document, decides)
            };
            table.columns = columns.into_iter().map(column).collect();
            if !mariadb && table.kind == TableKind::View {
                table.rows_in = self.rows_in.remove(&n).unwrap_or_default();
            }
        }
    }
}

/// What the server calls the index of a primary key.
const PRIMARY: &str = "PRIMARY";

/// The columns of the primary key, else of the first unique index of whole columns that cannot be NULL.
fn key(indexes: &BTreeMap<String, Vec<Part>>) -> Vec<String> {
    let fit = |parts: &&Vec<Part>| parts.iter().all(|part| part.unique && part.whole && !part.nullable);
    let primary = indexes.get(PRIMARY).filter(fit);
    let parts = primary.or_else(|| indexes.values().find(fit));
    parts.map_or(vec![], |parts| ordered(parts).into_iter().filter_map(|part| part.column.clone()).collect())
}

/// The index as far as ranges can use it: up to a part that is a prefix or an expression.
fn index(name: &str, parts: &[Part]) -> Option<Index> {
    let usable = ordered(parts).into_iter().take_while(|part| part.usable);
    let columns: Vec<String> = usable.filter_map(|part| part.column.clone()).collect();
    let unique = columns.len() == parts.len() && parts.iter().all(|part| part.unique);
    (!columns.is_empty()).then(|| Index { name: name.into(), columns, unique })
}

fn ordered(parts: &[Part]) -> Vec<&Part> {
    let mut parts: Vec<&Part> = parts.iter().collect();
    parts.sort_by_key(|part| part.at);
    parts
}

/// Whether a column decides in which partition a row lies. `KEY ()` names none and means the key.
fn decides(partitions: &[(String, String)], column: &str, key: &[String]) -> bool {
    let quoted = codec::quote(column);
    partitions.iter().any(|(method, text)| {
        text.contains(&quoted) || text.is_empty() && method.contains("KEY") && key.iter().any(|name| name == column)
    })
}

#[cfg(test)]
mod tests {
    use forgetd_connector::TableKind;

    use super::{decides, kind};

    #[test]
    fn only_tables_that_hold_their_rows_are_plain() {
        for (table_type, engine, expected) in [
            ("BASE TABLE", Some("InnoDB"), TableKind::Plain),
            ("BASE TABLE", Some("MyISAM"), TableKind::Plain),
            ("SYSTEM VERSIONED", Some("InnoDB"), TableKind::Plain),
            ("BASE TABLE", Some("FEDERATED"), TableKind::Foreign),
            ("BASE TABLE", Some("MRG_MyISAM"), TableKind::Foreign),
            ("SEQUENCE", Some("InnoDB"), TableKind::Foreign),
            ("VIEW", None, TableKind::View),
            ("SYSTEM VIEW", None, TableKind::View),
        ] {
            assert_eq!(kind(table_type, engine), expected, "{table_type} {engine:?}");
        }
    }

    #[test]
    fn partitions_follow_columns_of_their_expression() {
        let key = ["id".to_owned()];
        let range = [("RANGE".to_owned(), "to_days(`at`)".to_owned())];
        let by_key = [("KEY".to_owned(), String::new())];
        for (partitions, column, expected) in
            [(&range, "at", true), (&range, "a", false), (&by_key, "id", true), (&by_key, "at", false)]
        {
            assert_eq!(decides(partitions, column, &key), expected, "{column}");
        }
    }
}
