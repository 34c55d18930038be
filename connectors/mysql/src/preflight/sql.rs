//! What a look asks the server. Each table is asked for by its name, in an arm of its own: MariaDB opens every table that a
//! condition does not name.

use forgetd_connector::TableRef;

use crate::query::Sql;

/// What the tables are: number, type, engine, whether an index names their rows one by one, bytes of a row.
pub(super) fn tables(names: &[TableRef]) -> Sql {
    let mut sql = Sql::default();
    let arms: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(n, table)| {
            let named = named(&mut sql, table, ("table_schema", "table_name"));
            format!(
                "select {n}, table_type, engine, exists (select 1 from information_schema.statistics where {named} \
                   and non_unique = 0 and (index_name = 'PRIMARY' or sub_part is null) \
                   group by index_name having sum(nullable = 'YES' or column_name is null) = 0), \
                   avg_row_length \
                 from information_schema.tables where {named}"
            )
        })
        .collect();
    sql.say(arms.join(" union all "))
}

/// Triggers: the table's number, name, what fires it, text (absent: not shown).
pub(super) fn triggers(names: &[TableRef]) -> Sql {
    let mut sql = Sql::default();
    let arms: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(n, table)| {
            let named = named(&mut sql, table, ("event_object_schema", "event_object_table"));
            format!(
                "select {n}, trigger_name, event_manipulation, action_statement \
                 from information_schema.triggers where {named}"
            )
        })
        .collect();
    sql.say(arms.join(" union all "))
}

/// Foreign keys of the tables that change their own rows when those they point at change: the table's number, name.
pub(super) fn acting_keys(names: &[TableRef]) -> Sql {
    let mut sql = Sql::default();
    let arms: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(n, table)| {
            let named = named(&mut sql, table, ("constraint_schema", "table_name"));
            format!(
                "select {n}, constraint_name from information_schema.referential_constraints where {named} \
                 and not (delete_rule in ('NO ACTION', 'RESTRICT') and update_rule in ('NO ACTION', 'RESTRICT'))"
            )
        })
        .collect();
    sql.say(arms.join(" union all "))
}

/// Indexes of a table, part by part: name, place, column (absent: an expression), unique, kind, length of a prefix, whether
/// nothing may use it, the expression. The products call the latter two otherwise.
pub(super) fn indexes(table: &TableRef, mariadb: bool) -> Sql {
    let mut sql = Sql::default();
    let named = named(&mut sql, table, ("table_schema", "table_name"));
    let (hidden, expression) = if mariadb { ("ignored = 'YES'", "null") } else { ("is_visible = 'NO'", "expression") };
    sql.say(format!(
        "select index_name, seq_in_index, column_name, non_unique = 0, index_type, sub_part, {hidden}, {expression} \
         from information_schema.statistics where {named} order by index_name, seq_in_index"
    ))
}

/// Procedures and functions that can be seen: name, text (absent: not shown).
pub(super) const ROUTINES: &str = "\
select routine_name, routine_definition from information_schema.routines \
where routine_schema not in ('mysql', 'sys', 'information_schema', 'performance_schema')";

/// What the server does by its own clock: schema, name, text.
pub(super) const EVENTS: &str = "\
select event_schema, event_name, event_definition from information_schema.events where status = 'ENABLED' \
order by event_schema, event_name";

/// Columns of other tables of the schema that are called so and are of the kind of the key, without those of foreign keys:
/// table, column.
pub(super) fn look_alikes(table: &TableRef, key: &str, names: &[String]) -> Sql {
    let mut sql = Sql::default();
    let schema = sql.bind(table.schema.as_deref().unwrap_or_default());
    let (own, key) = (sql.bind(table.name.as_str()), sql.bind(key));
    let names: Vec<String> = names.iter().map(|name| sql.bind(name.as_str())).collect();
    sql.say(format!(
        "select c.table_name, c.column_name from information_schema.columns c \
         join information_schema.tables t on t.table_schema = c.table_schema and t.table_name = c.table_name \
         join information_schema.columns k on k.table_schema = {schema} and k.table_name = {own} and k.column_name = {key} \
         where c.table_schema = {schema} and t.table_schema = {schema} and c.table_name <> {own} \
         and c.column_name in ({}) and t.table_type in ('BASE TABLE', 'SYSTEM VERSIONED') \
         and (c.data_type = k.data_type or c.numeric_scale = 0 and k.numeric_scale = 0 \
           or c.character_set_name is not null and k.character_set_name is not null) \
         and not exists (select 1 from information_schema.key_column_usage f where f.table_schema = {schema} \
           and f.table_name = c.table_name and f.column_name = c.column_name and f.referenced_table_name is not null) \
         order by 1, 2 limit 10",
        names.join(", ")
    ))
}

/// Where the server gets rows from, on MySQL: channels that are no group's own.
pub(super) const SOURCES_MYSQL: &str = "\
select host from performance_schema.replication_connection_configuration \
where channel_name not like 'group|_replication|_%' escape '|' and host <> ''";

/// The same on MariaDB.
pub(super) const SOURCES_MARIADB: &str = "show all slaves status";

/// Transactions that are open for long: the session's number.
pub(super) const HOLDERS: &str = "\
select trx_mysql_thread_id from information_schema.innodb_trx \
where trx_started < now() - interval 1 hour and trx_mysql_thread_id <> connection_id() \
order by trx_started limit 5";

fn named(sql: &mut Sql, table: &TableRef, (schemas, names): (&str, &str)) -> String {
    let schema = sql.bind(table.schema.as_deref().unwrap_or_default());
    let name = sql.bind(table.name.as_str());
    format!("{schemas} = {schema} and {names} = {name}")
}
