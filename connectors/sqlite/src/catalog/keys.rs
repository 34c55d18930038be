//! Foreign keys: who points at whom, and how far a delete reaches.

use forgetd_connector::{ForeignKey, OnDelete, TableRef};
use rusqlite::Connection;

/// One foreign key of the file, with the columns it points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    child: String,
    child_columns: Vec<String>,
    parent: String,
    /// Empty: the parent's primary key.
    parent_columns: Vec<String>,
    on_delete: OnDelete,
    /// Whether the children's columns change with the parent's.
    follows: bool,
    /// What the children's columns become is their default, not NULL.
    to_default: bool,
}

/// Every foreign key of the file.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<Reference>> {
    let mut tables = connection
        .prepare_cached("select name from pragma_table_list where schema = 'main' and type = 'table' order by name")?;
    let names: Vec<String> = tables.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut keys = connection.prepare_cached(
        "select id, \"table\", \"from\", on_delete, \"to\", on_update = 'CASCADE' from pragma_foreign_key_list(?1) \
         order by id, seq",
    )?;
    let mut references = vec![];
    for child in &names {
        let mut last = None;
        let mut rows = keys.query([child])?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            if last != Some(id) {
                let parent: String = row.get(1)?;
                let on_delete: String = row.get(3)?;
                // SQLite finds the parent in any case of letters; everything here uses the name it was created by.
                let parent = names.iter().find(|name| name.eq_ignore_ascii_case(&parent)).unwrap_or(&parent).clone();
                references.push(Reference {
                    child: child.clone(),
                    child_columns: vec![],
                    parent,
                    parent_columns: vec![],
                    on_delete: action(&on_delete),
                    follows: row.get(5)?,
                    to_default: on_delete == "SET DEFAULT",
                });
            }
            last = Some(id);
            if let Some(reference) = references.last_mut() {
                reference.child_columns.push(row.get(2)?);
                reference.parent_columns.extend(row.get::<_, Option<String>>(4)?);
            }
        }
    }
    Ok(references)
}

fn action(text: &str) -> OnDelete {
    match text {
        "CASCADE" => OnDelete::Cascade,
        "SET NULL" | "SET DEFAULT" => OnDelete::Set,
        _ => OnDelete::Refuse,
    }
}

// === impl Reference ===

impl Reference {
    /// SQLite keeps no names of foreign keys.
    fn name(&self) -> String {
        format!("{} ({})", self.child, self.child_columns.join(", "))
    }
}

/// The columns of `table` that reference others.
pub(super) fn of(table: &str, references: &[Reference]) -> Vec<forgetd_connector::Reference> {
    let own = references.iter().filter(|reference| reference.child == table);
    own.map(|reference| forgetd_connector::Reference {
        name: reference.name(),
        columns: reference.child_columns.clone(),
        parent: local(&reference.parent),
    })
    .collect()
}

/// The foreign keys that point at `table`, and at every table that loses rows with it.
pub(super) fn closure(
    connection: &Connection,
    table: &str,
    references: &[Reference],
) -> rusqlite::Result<Vec<ForeignKey>> {
    let mut reached = vec![table.to_owned()];
    let mut found = vec![];
    let mut next = 0;
    // Every turn takes one table that was not looked at; there are as many as tables at most.
    while let Some(parent) = reached.get(next).cloned() {
        next += 1;
        for reference in references.iter().filter(|reference| reference.parent == parent) {
            if reference.on_delete == OnDelete::Cascade && !reached.contains(&reference.child) {
                reached.push(reference.child.clone());
            }
            found.push(ForeignKey {
                name: reference.name(),
                child: local(&reference.child),
                child_columns: reference.child_columns.clone(),
                parent: local(&reference.parent),
                parent_columns: parent_columns(connection, reference)?,
                on_delete: reference.on_delete,
                follows: reference.follows,
                indexed: indexed(connection, reference)?,
                unsettable: unsettable(connection, reference)?,
            });
        }
    }
    Ok(found)
}

/// The columns that are pointed at, by the names they were created by; where the foreign key names none, the primary key.
fn parent_columns(connection: &Connection, reference: &Reference) -> rusqlite::Result<Vec<String>> {
    let mut columns = connection.prepare_cached(
        "select name from pragma_table_xinfo(?1) where pk > 0 or ?2 order by case when ?2 then cid else pk end",
    )?;
    let named = !reference.parent_columns.is_empty();
    let there: Vec<String> =
        columns.query_map((&reference.parent, named), |row| row.get(0))?.collect::<Result<_, _>>()?;
    if !named {
        return Ok(there);
    }
    let found = |name: &String| there.iter().find(|column| column.eq_ignore_ascii_case(name)).unwrap_or(name).clone();
    Ok(reference.parent_columns.iter().map(found).collect())
}

fn local(name: &str) -> TableRef {
    TableRef { schema: None, name: name.to_owned() }
}

/// Columns that deleting a parent would set to NULL, and that cannot be NULL.
fn unsettable(connection: &Connection, reference: &Reference) -> rusqlite::Result<Vec<String>> {
    if reference.on_delete != OnDelete::Set {
        return Ok(vec![]);
    }
    let mut statement = connection.prepare_cached(
        "select name from pragma_table_xinfo(?1) where \"notnull\" and not (?2 and dflt_value is not null) order by cid",
    )?;
    let fixed = statement.query_map((&reference.child, reference.to_default), |row| row.get::<_, String>(0))?;
    let fixed: Vec<String> = fixed.collect::<Result<_, _>>()?;
    let set = |column: &String| reference.child_columns.iter().any(|name| name.eq_ignore_ascii_case(column));
    Ok(fixed.into_iter().filter(set).collect())
}

/// Whether the child can be found without reading all of it: an index, or the row id itself, leads with its columns.
fn indexed(connection: &Connection, reference: &Reference) -> rusqlite::Result<bool> {
    if let [only] = reference.child_columns.as_slice()
        && super::row_id_alias(connection, &reference.child)?.is_some_and(|alias| alias.eq_ignore_ascii_case(only))
    {
        return Ok(true);
    }
    let wanted = &reference.child_columns;
    let leads = |columns: &[String]| {
        columns.len() >= wanted.len()
            && columns[..wanted.len()].iter().all(|column| wanted.iter().any(|name| name.eq_ignore_ascii_case(column)))
    };
    let mut indexes = super::indexes(connection, &reference.child)?;
    indexes.extend(super::indexes_without_nulls(connection, &reference.child)?);
    Ok(indexes.iter().any(|index| leads(&index.columns)))
}
