//! What the server says about collections. It knows no fields: a document has those that it has.

use forgetd_connector::{
    Atomicity, Catalog, Column, ColumnKind, Fault, Fit, Index, Path, PathStep, Step, Table, TableKind, TableRef,
};
use futures_util::TryStreamExt as _;
use mongodb::bson::{Bson, Document, doc};

use crate::codec::Fields as _;
use crate::connect::Link;
use crate::error::Failure;
use crate::query::Scope;
use crate::reply;

/// What the names of the server's own collections begin with.
const SYSTEM: &str = "system.";

/// The collections of the database, in order of their names.
pub(crate) async fn tables(link: &Link) -> Result<Vec<TableRef>, Fault> {
    let database = link.client.database(&link.target.schema);
    let found = link.list("list collections", &database, doc! {}).await?;
    let mut names: Vec<String> =
        found.iter().filter_map(|found| found.get_str("name").ok()).map(ToOwned::to_owned).collect();
    names.retain(|name| !name.starts_with(SYSTEM));
    names.sort();
    Ok(names.into_iter().map(|name| TableRef { schema: Some(link.target.schema.clone()), name }).collect())
}

/// Describes those that exist.
pub(crate) async fn describe(link: &Link, tables: &[TableRef]) -> Result<Catalog, Fault> {
    let mut described = vec![];
    for asked in tables {
        let Some(found) = look(link, asked).await? else { continue };
        described.push(table(link, asked, &found).await?);
    }
    Ok(Catalog { tables: described })
}

/// What the server says of one collection.
pub(crate) async fn look(link: &Link, asked: &TableRef) -> Result<Option<Document>, Failure> {
    if asked.name.starts_with(SYSTEM) {
        return Ok(None);
    }
    let found = link.list("describe", &link.database_of(asked), doc! { "name": &asked.name }).await?;
    Ok(found.into_iter().next())
}

async fn table(link: &Link, asked: &TableRef, found: &Document) -> Result<Table, Failure> {
    let schema = asked.schema.clone().unwrap_or_else(|| link.target.schema.clone());
    let name = TableRef { schema: Some(schema), name: asked.name.clone() };
    let view = found.says("type", "view");
    let indexes = if view { vec![] } else { indexes(link, &name).await? };
    let rows_estimate = if view { None } else { estimate(link, &name).await? };
    Ok(Table {
        asked: asked.clone(),
        name,
        kind: if view { TableKind::View } else { TableKind::Collection },
        columns: vec![Column {
            name: "_id".into(),
            type_name: "any type".into(),
            kind: ColumnKind::Any,
            nullable: false,
            fit: Fit::default(),
        }],
        key: vec!["_id".into()],
        indexes: indexes.iter().filter_map(index).collect(),
        referenced_by: vec![],
        references: vec![],
        rows_in: vec![],
        atomicity: Atomicity::Sealed,
        rows_estimate,
    })
}

/// The indexes of a collection, as the server says them.
pub(crate) async fn indexes(link: &Link, name: &TableRef) -> Result<Vec<Document>, Failure> {
    let command = doc! { "listIndexes": &name.name };
    let database = link.database_of(name);
    let read = async { database.run_cursor_command(command).await?.try_collect().await };
    link.call("describe", &link.place_of(name), Box::pin(read)).await
}

async fn estimate(link: &Link, name: &TableRef) -> Result<Option<u64>, Failure> {
    let counted = link
        .call("describe", &link.place_of(name), link.database_of(name).run_command(doc! { "count": &name.name }))
        .await?;
    Ok(counted.get("n").and_then(reply::number))
}

/// An index that a range or an equality can use: not one that leaves documents out, or that keeps no order.
fn index(found: &Document) -> Option<Index> {
    if found.contains_key("partialFilterExpression") || found.is_true("sparse") {
        return None;
    }
    let fields = found.get_document("key").ok()?;
    let columns = fields.iter().map(|(field, direction)| {
        let ordered = reply::number(direction).is_some()
            || matches!(direction, Bson::Int32(-1) | Bson::Int64(-1))
            || matches!(direction, Bson::Double(direction) if *direction < 0.0);
        (ordered && !field.contains('$')).then(|| written(field))
    });
    Some(Index {
        name: found.get_str("name").ok()?.into(),
        columns: columns.collect::<Option<_>>()?,
        unique: found.is_true("unique"),
    })
}

/// A dotted field as policies write it.
fn written(field: &str) -> String {
    let mut names = field.split('.').map(str::to_owned);
    let column = names.next().unwrap_or_default();
    Path { column, steps: names.map(PathStep::Field).collect() }.to_string()
}

/// Resolves a step against the collection as it is now.
pub(crate) async fn scope(link: &Link, step: &Step, joins_by_field: bool) -> Result<Scope, Fault> {
    let mut scope = Scope::new(step, joins_by_field, &step.place(&link.context.database))?;
    let found = look(link, &step.table.name).await?;
    let options = found.as_ref().and_then(|found| found.get_document("options").ok());
    scope.collated = options.is_some_and(|options| options.contains_key("collation"));
    Ok(scope)
}
