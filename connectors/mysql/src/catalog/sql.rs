//! Statements on the information schema.
//!
//! Each table is asked for by its name, in an arm of its own: MariaDB opens every table that a condition does not name.

use forgetd_connector::TableRef;

use crate::query::Sql;

/// Tables of a database of the server's that the role can see something of; `control` holds forgetd's.
pub(super) fn tables(schema: &str, control: &str) -> Sql {
    let mut sql = Sql::default();
    let (schema, control) = (sql.bind(schema), sql.bind(control));
    sql.say(format!(
        "select table_schema, table_name from information_schema.tables \
         where table_type in ('BASE TABLE', 'SYSTEM VERSIONED') and table_schema = {schema} and table_schema <> {control} \
         order by cast(table_name as binary)"
    ))
}

/// What the tables are: number, schema, name, type, engine, rows.
pub(super) fn resolve(names: &[TableRef]) -> Sql {
    each(names, "tables", |n| format!("select {n}, table_schema, table_name, table_type, engine, table_rows"))
}

/// Columns: number, place, name, type, whole type, nullable, length, decimals, what else the engine does, character set,
/// collation.
pub(super) fn columns(names: &[TableRef]) -> Sql {
    each(names, "columns", |n| {
        format!(
            "select {n}, ordinal_position, column_name, data_type, column_type, is_nullable, character_maximum_length, \
             numeric_scale, extra, character_set_name, collation_name"
        )
    })
}

/// Parts of indexes: number, index, place, column, unique, kind, length of a prefix, nullable, whether nothing may use it.
/// `hidden` is the product's column for that, and what stands there.
pub(super) fn indexes(names: &[TableRef], (hidden, word): (&str, &str)) -> Sql {
    each(names, "statistics", |n| {
        format!(
            "select {n}, index_name, seq_in_index, column_name, non_unique = 0, index_type, sub_part, nullable, \
             {hidden} = '{word}'"
        )
    })
}

/// What decides in which partition a row lies: number, expression, the expression below it. One row for each partition.
pub(super) fn partitions(names: &[TableRef]) -> Sql {
    each(names, "partitions", |n| {
        format!("select distinct {n}, partition_method, partition_expression, subpartition_expression")
    })
}

/// MariaDB's columns that hold JSON: number, name, condition. A column's own constraint has its name.
pub(super) fn documents(names: &[TableRef]) -> Sql {
    arms(names, "check_constraints", ("constraint_schema", "table_name"), |n| {
        format!("select {n}, constraint_name, check_clause")
    })
}

/// The tables that MySQL's views read: number, schema, name.
pub(super) fn read_by_views(names: &[TableRef]) -> Sql {
    arms(names, "view_table_usage", ("view_schema", "view_name"), |n| format!("select {n}, table_schema, table_name"))
}

/// Columns of all foreign keys that can be seen: schema and name of the key, the child's schema and name, its column, the
/// parent's schema, name and column.
pub(super) const KEYS: &str = "\
select constraint_schema, constraint_name, table_schema, table_name, column_name, \
  referenced_table_schema, referenced_table_name, referenced_column_name \
from information_schema.key_column_usage where referenced_table_name is not null \
order by constraint_schema, table_name, constraint_name, ordinal_position";

/// What all foreign keys do: schema and name of the key, the child's name, on delete, on update.
pub(super) const RULES: &str = "\
select constraint_schema, constraint_name, table_name, delete_rule, update_rule \
from information_schema.referential_constraints";

fn each(names: &[TableRef], view: &str, select: impl Fn(usize) -> String) -> Sql {
    arms(names, view, ("table_schema", "table_name"), select)
}

/// One arm for each table, in a view of the information schema that names tables in these columns.
fn arms(names: &[TableRef], view: &str, (schemas, tables): (&str, &str), select: impl Fn(usize) -> String) -> Sql {
    let mut sql = Sql::default();
    let mut arms = vec![];
    for (n, table) in names.iter().enumerate() {
        let schema = sql.bind(table.schema.as_deref().unwrap_or_default());
        let name = sql.bind(table.name.as_str());
        let select = select(n);
        arms.push(format!("{select} from information_schema.{view} where {schemas} = {schema} and {tables} = {name}"));
    }
    sql.say(arms.join(" union all "))
}
