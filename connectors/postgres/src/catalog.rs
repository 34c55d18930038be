//! What the database says about its tables. Two turns, whatever their number.

mod sql;

use std::collections::BTreeMap;

use forgetd_connector::{
    Atomicity, Catalog, Column, ColumnKind, Fault, Fit, ForeignKey, Index, OnDelete, Reference, Table, TableKind,
    TableRef, Writable,
};
use tokio_postgres::Row;

use crate::connect::{Answer, Session};
use crate::query::{Param, Sql};
use crate::survey::{get, odd};

/// The tables that the role can read something of, in order of their names; neither the server's, nor temporary ones, nor
/// those of `control`.
pub(crate) async fn tables(session: &Session, control: &str, place: &str) -> Result<Vec<TableRef>, Fault> {
    let sql = Sql::new(sql::TABLES, vec![control.into()]);
    let answers = session.read("list tables", place, "", &[&sql]).await?;
    let table = |row: &Row| Ok(TableRef { schema: Some(get(row, 0, place)?), name: get(row, 1, place)? });
    rows(&answers, 0, place)?.iter().map(table).collect()
}

/// Describes those of the tables that exist. A name without a schema is looked up as the role's search path does.
pub(crate) async fn describe(session: &Session, tables: &[TableRef], place: &str) -> Result<Catalog, Fault> {
    let schemas = tables.iter().map(|table| table.schema.clone()).collect();
    let names = tables.iter().map(|table| Some(table.name.clone())).collect();
    let resolve = Sql::new(sql::RESOLVE, vec![Param::Texts(schemas), Param::Texts(names)]);
    let answers = session.read("describe", place, "", &[&resolve]).await?;
    let resolved = rows(&answers, 0, place)?;
    let oids: Vec<i64> = resolved.iter().map(|row| get(row, 0, place)).collect::<Result<_, _>>()?;
    let of = |text: &str| Sql::new(text, vec![Param::Ints(oids.clone())]);
    let (columns, indexes, keys) = (of(sql::COLUMNS), of(sql::INDEXES), of(sql::FOREIGN_KEYS));
    let references = of(sql::REFERENCES);
    // With an empty path every type's name comes with its schema, so it means the same in any session.
    let path = "; set local search_path = pg_catalog";
    let answers = session.read("describe", place, path, &[&columns, &indexes, &keys, &references]).await?;
    let mut columns = by_table(rows(&answers, 0, place)?, place, column)?;
    let mut indexes = by_table(rows(&answers, 1, place)?, place, index)?;
    let mut referenced_by = by_table(rows(&answers, 2, place)?, place, foreign_keys)?;
    let mut references = by_table(rows(&answers, 3, place)?, place, reference)?;
    let mut catalog = Catalog::default();
    for row in resolved {
        let oid: i64 = get(row, 0, place)?;
        let indexes = indexes.remove(&oid).unwrap_or_default();
        let estimate: f64 = get(row, 4, place)?;
        let key = indexes.iter().find(|(_, key)| *key == IsKey::Yes).map(|(index, _)| index.columns.clone());
        let number: i64 = get(row, 7, place)?;
        let asked = usize::try_from(number - 1).ok().and_then(|n| tables.get(n)).ok_or_else(|| odd(place))?;
        catalog.tables.push(Table {
            asked: asked.clone(),
            name: TableRef { schema: Some(get(row, 1, place)?), name: get(row, 2, place)? },
            kind: kind(get(row, 3, place)?),
            columns: columns.remove(&oid).unwrap_or_default(),
            key: key.unwrap_or_default(),
            indexes: indexes.into_iter().map(|(index, _)| index).collect(),
            referenced_by: referenced_by.remove(&oid).unwrap_or_default().concat(),
            references: references.remove(&oid).unwrap_or_default(),
            rows_in: tables_of(row, 5, place)?,
            atomicity: Atomicity::Atomic,
            rows_estimate: whole(estimate),
        });
    }
    Ok(catalog)
}

/// Whether an index can serve as the table's key: unique, immediate, over columns that are not null.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IsKey {
    Yes,
    No,
}

fn rows<'a>(answers: &'a [Answer], n: usize, place: &str) -> Result<&'a [Row], Fault> {
    answers.get(n).map(|answer| answer.rows.as_slice()).ok_or_else(|| odd(place))
}

/// Groups rows by the oid in their first column.
fn by_table<T>(
    rows: &[Row],
    place: &str,
    read: impl Fn(&Row, &str) -> Result<T, Fault>,
) -> Result<BTreeMap<i64, Vec<T>>, Fault> {
    let mut grouped: BTreeMap<i64, Vec<T>> = BTreeMap::new();
    for row in rows {
        grouped.entry(get(row, 0, place)?).or_default().push(read(row, place)?);
    }
    Ok(grouped)
}

fn column(row: &Row, place: &str) -> Result<Column, Fault> {
    let type_name: &str = get(row, 3, place)?;
    Ok(Column {
        name: get(row, 1, place)?,
        type_name: get(row, 2, place)?,
        kind: column_kind(type_name, get(row, 4, place)?),
        nullable: get(row, 5, place)?,
        fit: fit(row, type_name, place)?,
    })
}

fn fit(row: &Row, type_name: &str, place: &str) -> Result<Fit, Fault> {
    let length: Option<i64> = get(row, 6, place)?;
    let scale: Option<i64> = get(row, 11, place)?;
    Ok(Fit {
        chars_max: match type_name {
            "pg_catalog.char" => Some(1),
            // In bytes; a character is at least one.
            "pg_catalog.name" => Some(63),
            _ => length.and_then(|length| u32::try_from(length).ok()),
        },
        integer_max: match type_name {
            "pg_catalog.int2" => Some(i64::from(i16::MAX)),
            "pg_catalog.int4" => Some(i64::from(i32::MAX)),
            _ => None,
        },
        scale: scale.and_then(|scale| u32::try_from(scale).ok()),
        collation: None,
        writable: match (get(row, 7, place)?, get(row, 8, place)?) {
            (true, _) => Writable::Generated,
            (false, true) => Writable::Identity,
            (false, false) => Writable::Free,
        },
        partitions: get(row, 9, place)?,
        labels: get(row, 10, place)?,
        touched: false,
    })
}

fn reference(row: &Row, place: &str) -> Result<Reference, Fault> {
    Ok(Reference {
        name: get(row, 1, place)?,
        columns: get(row, 2, place)?,
        parent: TableRef { schema: Some(get(row, 3, place)?), name: get(row, 4, place)? },
    })
}

fn column_kind(type_name: &str, category: &str) -> ColumnKind {
    match (type_name, category) {
        ("pg_catalog.timestamptz", _) => ColumnKind::Instant,
        ("pg_catalog.timestamp", _) => ColumnKind::NaiveTime,
        ("pg_catalog.date", _) => ColumnKind::Date,
        ("pg_catalog.int2" | "pg_catalog.int4" | "pg_catalog.int8", _) => ColumnKind::Integer,
        ("pg_catalog.numeric" | "pg_catalog.float4" | "pg_catalog.float8", _) => ColumnKind::Number,
        ("pg_catalog.bool", _) => ColumnKind::Bool,
        ("pg_catalog.json" | "pg_catalog.jsonb", _) => ColumnKind::Json,
        ("pg_catalog.char", _) => ColumnKind::Text,
        (_, "S") => ColumnKind::Text,
        _ => ColumnKind::Other,
    }
}

fn index(row: &Row, place: &str) -> Result<(Index, IsKey), Fault> {
    let index = Index { name: get(row, 1, place)?, columns: get(row, 2, place)?, unique: get(row, 3, place)? };
    Ok((index, if get(row, 4, place)? { IsKey::Yes } else { IsKey::No }))
}

/// A key, once for each table whose rows it concerns.
fn foreign_keys(row: &Row, place: &str) -> Result<Vec<ForeignKey>, Fault> {
    tables_of(row, 12, place)?.into_iter().map(|child| foreign_key(row, child, place)).collect()
}

fn foreign_key(row: &Row, child: TableRef, place: &str) -> Result<ForeignKey, Fault> {
    Ok(ForeignKey {
        name: get(row, 1, place)?,
        child,
        child_columns: get(row, 4, place)?,
        parent: TableRef { schema: Some(get(row, 5, place)?), name: get(row, 6, place)? },
        parent_columns: get(row, 9, place)?,
        on_delete: match get(row, 7, place)? {
            "c" => OnDelete::Cascade,
            "n" | "d" => OnDelete::Set,
            _ => OnDelete::Refuse,
        },
        follows: get(row, 11, place)?,
        indexed: get(row, 8, place)?,
        unsettable: get(row, 10, place)?,
    })
}

/// The tables whose schemas stand in one column and whose names in the next.
fn tables_of(row: &Row, schemas: usize, place: &str) -> Result<Vec<TableRef>, Fault> {
    let (schemas, names): (Vec<String>, Vec<String>) = (get(row, schemas, place)?, get(row, schemas + 1, place)?);
    Ok(schemas.into_iter().zip(names).map(|(schema, name)| TableRef { schema: Some(schema), name }).collect())
}

fn kind(relkind: &str) -> TableKind {
    match relkind {
        "p" => TableKind::Partitioned,
        "v" | "m" => TableKind::View,
        "f" => TableKind::Foreign,
        _ => TableKind::Plain,
    }
}

/// A statistic as a number of rows; absent where it was never taken.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be at least 0")]
fn whole(estimate: f64) -> Option<u64> {
    (estimate >= 0.0).then_some(estimate as u64)
}
