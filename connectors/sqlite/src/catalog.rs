//! What the file says about its tables.

mod keys;

use std::collections::BTreeSet;

use forgetd_connector::{Atomicity, Catalog, Column, ColumnKind, Fit, Index, Table, TableKind, TableRef, Writable};
use rusqlite::{Connection, OptionalExtension as _};

use crate::query::Shape;

/// One row of `pragma table_xinfo`.
struct Described {
    name: String,
    declared: String,
    not_null: bool,
    /// Its place in the primary key, from 1; 0 outside.
    key: u32,
    /// Whether SQLite makes it from other columns.
    generated: bool,
}

/// The ordinary tables, by name: neither SQLite's own, nor those that begin with `prefix`, nor what virtual tables keep
/// their contents in.
pub(crate) fn tables(connection: &Connection, prefix: &str) -> rusqlite::Result<Vec<TableRef>> {
    let mut statement = connection.prepare_cached(
        "select name from pragma_table_list where schema = 'main' and type = 'table' \
         and substr(name, 1, 7) <> 'sqlite_' and substr(name, 1, length(?1)) <> ?1 order by name",
    )?;
    let names = statement.query_map([prefix], |row| Ok(TableRef { schema: None, name: row.get(0)? }))?;
    names.collect()
}

/// Describes the tables that exist among these.
pub(crate) fn describe(connection: &Connection, tables: &[TableRef]) -> rusqlite::Result<Catalog> {
    let references = keys::all(connection)?;
    let mut described = vec![];
    for name in tables {
        if let Some(table) = table(connection, name, &references)? {
            described.push(table);
        }
    }
    Ok(Catalog { tables: described })
}

fn table(connection: &Connection, name: &TableRef, references: &[keys::Reference]) -> rusqlite::Result<Option<Table>> {
    // Attached databases and temporary tables are nobody's business but their session's.
    if name.schema.as_deref().is_some_and(|schema| schema != "main") || name.name.starts_with("sqlite_") {
        return Ok(None);
    }
    let found: Option<(String, bool, bool)> = connection
        .query_row(
            "select type, wr, strict from pragma_table_list where schema = 'main' and name = ?1",
            [&name.name],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()?;
    let Some((kind, without_row_id, strict)) = found else { return Ok(None) };
    let kind = match kind.as_str() {
        "table" => TableKind::Plain,
        "view" => TableKind::View,
        _ => TableKind::Foreign,
    };
    let described = columns(connection, &name.name)?;
    let aliases_row_id = kind == TableKind::Plain && !without_row_id && row_id_alias(connection, &name.name)?.is_some();
    let never_null =
        |column: &Described| column.not_null || (column.key > 0 && (aliases_row_id || without_row_id || strict));
    let counted = if aliases_row_id { counted(connection, &name.name)? } else { None };
    let writable = |column: &Described| match &counted {
        _ if column.generated => Writable::Generated,
        Some(counted) if *counted == column.name => Writable::Identity,
        _ => Writable::Free,
    };
    let columns: Vec<Column> = described
        .iter()
        .map(|column| Column {
            name: column.name.clone(),
            type_name: column.declared.clone(),
            kind: column_kind(&column.declared),
            nullable: !never_null(column),
            // SQLite enforces neither lengths nor, outside of STRICT tables, types.
            fit: Fit { writable: writable(column), ..Fit::default() },
        })
        .collect();
    let indexes = indexes(connection, &name.name)?;
    Ok(Some(Table {
        asked: name.clone(),
        // The one schema there is goes without saying, however a policy writes it.
        name: TableRef { schema: None, name: name.name.clone() },
        kind,
        key: key(&described, &columns, &indexes),
        columns,
        indexes,
        referenced_by: keys::closure(connection, &name.name, references)?,
        references: keys::of(&name.name, references),
        rows_in: vec![],
        atomicity: Atomicity::Atomic,
        rows_estimate: estimate(connection, &name.name)?,
    }))
}

fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Described>> {
    // Hidden 1 is a virtual table's own column; 2 and 3 are generated ones, which can be read.
    let mut statement = connection.prepare_cached(
        "select name, type, \"notnull\", pk, hidden in (2, 3) from pragma_table_xinfo(?1) where hidden <> 1 order by cid",
    )?;
    let rows = statement.query_map([table], |row| {
        Ok(Described {
            name: row.get(0)?,
            declared: row.get(1)?,
            not_null: row.get(2)?,
            key: row.get(3)?,
            generated: row.get(4)?,
        })
    })?;
    rows.collect()
}

/// What a declared type means. SQLite itself takes every value in every column; what a value is, is asked again row by
/// row.
pub(crate) fn column_kind(declared: &str) -> ColumnKind {
    let full = declared.trim().to_ascii_uppercase();
    let base = full.split('(').next().unwrap_or_default().trim();
    match base {
        "DATE" => ColumnKind::Date,
        "DATETIME" | "TIMESTAMP" | "TIMESTAMP WITHOUT TIME ZONE" => ColumnKind::NaiveTime,
        "TIMESTAMPTZ" | "TIMESTAMP WITH TIME ZONE" | "DATETIMEOFFSET" => ColumnKind::Instant,
        "BOOL" | "BOOLEAN" => ColumnKind::Bool,
        "NUMERIC" | "DECIMAL" | "NUMBER" => ColumnKind::Number,
        "JSON" | "JSONB" => ColumnKind::Json,
        "" | "ANY" => ColumnKind::Other,
        _ if base.contains("INT") => ColumnKind::Integer,
        _ if ["CHAR", "CLOB", "TEXT"].iter().any(|part| base.contains(part)) => ColumnKind::Text,
        _ if ["REAL", "FLOA", "DOUB"].iter().any(|part| base.contains(part)) => ColumnKind::Number,
        _ => ColumnKind::Other,
    }
}

/// Indexes that a range or an equality on the column can use: neither partial nor on expressions, and led by the
/// column's own collation.
fn indexes(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Index>> {
    listed(connection, table, false)
}

/// Indexes that leave nothing out but rows in which one of their columns is NULL: they serve an equality as well.
fn indexes_without_nulls(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Index>> {
    let mut found = vec![];
    for index in listed(connection, table, true)? {
        let sql: Option<String> = connection
            .prepare_cached("select lower(sql) from sqlite_schema where type = 'index' and name = ?1")?
            .query_row([&index.name], |row| row.get(0))?;
        let plain: String =
            sql.unwrap_or_default().chars().filter(|c| !c.is_whitespace() && !"\"`[]()".contains(*c)).collect();
        let leaves_out = |column: &String| {
            let column = column.to_lowercase();
            plain.ends_with(&format!("where{column}isnotnull")) || plain.ends_with(&format!("where{column}notnull"))
        };
        if index.columns.iter().any(leaves_out) {
            found.push(index);
        }
    }
    Ok(found)
}

fn listed(connection: &Connection, table: &str, partial: bool) -> rusqlite::Result<Vec<Index>> {
    let mut lists = connection
        .prepare_cached("select name, \"unique\" from pragma_index_list(?1) where partial = ?2 order by name")?;
    let mut parts =
        connection.prepare_cached("select name, coll, cid from pragma_index_xinfo(?1) where key = 1 order by seqno")?;
    let named = lists.query_map((table, partial), |row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?)))?;
    let mut indexes = vec![];
    for found in named {
        let (name, unique) = found?;
        let columns: Vec<(Option<String>, String, i64)> =
            parts.query_map([&name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
        if columns.iter().any(|(_, _, cid)| *cid < 0) {
            continue;
        }
        let usable = match columns.first() {
            Some((Some(first), collation, _)) => *collation == collation_of(connection, table, first)?,
            _ => false,
        };
        if usable {
            indexes.push(Index { name, columns: columns.into_iter().filter_map(|(name, ..)| name).collect(), unique });
        }
    }
    Ok(indexes)
}

fn collation_of(connection: &Connection, table: &str, column: &str) -> rusqlite::Result<String> {
    let (_, collation, ..) = connection.column_metadata(Some("main"), table, column)?;
    Ok(collation.and_then(|name| name.into_string().ok()).unwrap_or_else(|| "BINARY".into()))
}

/// The primary key if none of its columns can be NULL, else the first unique key like that. SQLite takes NULL in primary
/// keys that are not the row id, any number of times.
fn key(described: &[Described], columns: &[Column], indexes: &[Index]) -> Vec<String> {
    let not_null = |name: &str| columns.iter().any(|column| column.name == name && !column.nullable);
    let mut primary: Vec<&Described> = described.iter().filter(|column| column.key > 0).collect();
    primary.sort_by_key(|column| column.key);
    let primary: Vec<String> = primary.into_iter().map(|column| column.name.clone()).collect();
    if !primary.is_empty() && primary.iter().all(|name| not_null(name)) {
        return primary;
    }
    let unique = indexes.iter().find(|index| index.unique && index.columns.iter().all(|name| not_null(name)));
    unique.map(|index| index.columns.clone()).unwrap_or_default()
}

/// The column that is another name of the row id, if the table has one: its primary key has no index of its own.
fn row_id_alias(connection: &Connection, table: &str) -> rusqlite::Result<Option<String>> {
    let indexed: bool = connection.query_row(
        "select exists (select 1 from pragma_index_list(?1) where origin = 'pk')",
        [table],
        |row| row.get(0),
    )?;
    if indexed {
        return Ok(None);
    }
    connection.query_row("select name from pragma_table_info(?1) where pk = 1", [table], |row| row.get(0)).optional()
}

/// The row id's column, where SQLite counts it up and never gives a number twice. Its definition alone tells: the word
/// inside of a text would be taken for it too, and then a key stays as it is.
fn counted(connection: &Connection, table: &str) -> rusqlite::Result<Option<String>> {
    let counts: bool = connection.query_row(
        "select exists (select 1 from sqlite_schema where type = 'table' and name = ?1 and sql like '%autoincrement%')",
        [table],
        |row| row.get(0),
    )?;
    if counts { row_id_alias(connection, table) } else { Ok(None) }
}

/// How a table's rows are named inside this file.
pub(crate) fn shape(connection: &Connection, table: &str) -> rusqlite::Result<Shape> {
    let without: Option<bool> = connection
        .query_row("select wr from pragma_table_list where schema = 'main' and name = ?1", [table], |row| row.get(0))
        .optional()?;
    let described = columns(connection, table)?;
    let encoding: String = connection.query_row("pragma encoding", [], |row| row.get(0))?;
    let code_points = encoding == "UTF-8";
    let resolves_conflicts: bool = connection.query_row(
        "select exists (select 1 from sqlite_schema where type = 'table' and name = ?1 and sql like '%conflict%')",
        [table],
        |row| row.get(0),
    )?;
    if without == Some(true) {
        let mut key: Vec<&Described> = described.iter().filter(|column| column.key > 0).collect();
        key.sort_by_key(|column| column.key);
        let primary_key = key.into_iter().map(|column| column.name.clone()).collect();
        return Ok(Shape { row_id: None, primary_key, stable: true, code_points, resolves_conflicts });
    }
    let taken = |name: &str| described.iter().any(|column| column.name.eq_ignore_ascii_case(name));
    let alias = row_id_alias(connection, table)?;
    let stable = alias.is_some();
    let free = ["rowid", "_rowid_", "oid"].into_iter().find(|name| !taken(name)).map(str::to_owned);
    let row_id = free.or_else(|| alias.as_deref().map(crate::query::quote));
    Ok(Shape { row_id, primary_key: vec![], stable, code_points, resolves_conflicts })
}

/// Whether a table has no row ids.
pub(crate) fn without_row_ids(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement =
        connection.prepare_cached("select name from pragma_table_list where schema = 'main' and wr = 1")?;
    let names = statement.query_map([], |row| row.get(0))?;
    names.collect()
}

/// The tables in which those of `tables` that are virtual keep what they know.
pub(crate) fn shadows<'a>(
    connection: &Connection,
    tables: impl Iterator<Item = &'a String>,
) -> rusqlite::Result<BTreeSet<String>> {
    // SQLite tells what a shadow is, and by its name whose.
    let mut statement = connection.prepare_cached(
        "select s.name from pragma_table_list s join pragma_table_list v \
         on v.schema = 'main' and v.type = 'virtual' and v.name = ?1 \
         where s.schema = 'main' and s.type = 'shadow' and substr(s.name, 1, length(v.name) + 1) = v.name || '_'",
    )?;
    let mut shadows = BTreeSet::new();
    for table in tables {
        for name in statement.query_map([table], |row| row.get(0))? {
            shadows.insert(name?);
        }
    }
    Ok(shadows)
}

/// The full-text tables that index `table` and hold no rows of their own; those that index none that they name, where
/// it is empty.
pub(crate) fn full_text_of(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "select name, sql from sqlite_schema where type = 'table' and sql like 'create virtual table%using fts%' order by name",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let found: Vec<(String, String)> = rows.collect::<Result<_, _>>()?;
    let content = format!("content={}", table.to_lowercase());
    let indexes = |sql: &str| {
        let plain: String = sql.chars().filter(|c| !c.is_whitespace() && !"'\"`[]".contains(*c)).collect();
        let plain = plain.to_lowercase();
        plain.match_indices(&content).any(|(at, found)| plain[at + found.len()..].starts_with([',', ')']))
    };
    Ok(found.into_iter().filter(|(_, sql)| indexes(sql)).map(|(name, _)| name).collect())
}

/// Every virtual table.
pub(crate) fn virtual_tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement =
        connection.prepare_cached("select name from pragma_table_list where schema = 'main' and type = 'virtual'")?;
    let names = statement.query_map([], |row| row.get(0))?;
    names.collect()
}

/// Rows by the statistics that ANALYZE left.
fn estimate(connection: &Connection, table: &str) -> rusqlite::Result<Option<u64>> {
    let analyzed: bool =
        connection.query_row("select exists (select 1 from sqlite_schema where name = 'sqlite_stat1')", [], |row| {
            row.get(0)
        })?;
    if !analyzed {
        return Ok(None);
    }
    let mut statement = connection.prepare_cached("select stat from sqlite_stat1 where tbl = ?1")?;
    let stats = statement.query_map([table], |row| row.get::<_, Option<String>>(0))?;
    let mut rows = None;
    for stat in stats {
        let first = stat?.and_then(|stat| stat.split(' ').next().and_then(|rows| rows.parse().ok()));
        rows = rows.max(first);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests;
