//! What would keep a step from doing what it says. Reads only.

mod findings;

use forgetd_connector::{Cause, Fault, FaultClass, Finding, Step};

use crate::codec;
use crate::connect::Session;
use crate::connector::Shared;
use crate::query::{Param, Query, Sql, table_name};
use crate::survey::{Announced, Survey, get, odd};
use findings::Looked;

const LOOK: &str = "\
select row_security_active(c.oid), has_schema_privilege(n.oid, 'USAGE'), has_table_privilege(c.oid, 'SELECT'), \
  has_table_privilege(c.oid, 'DELETE'), has_any_column_privilege(c.oid, 'UPDATE'), \
  array(select r.rulename::text from pg_rewrite r \
    where r.ev_class = c.oid and r.ev_type = '4' and r.ev_enabled in ('O', 'A') order by 1), \
  array(select g.tgname::text from pg_trigger g where g.tgrelid = c.oid and not g.tgisinternal \
    and g.tgenabled in ('O', 'A') and g.tgtype & 11 = 11 order by 1), \
  current_setting('track_counts') = 'on', \
  pg_is_in_recovery() or current_setting('default_transaction_read_only') = 'on', \
  array(select x.nspname || '.' || x.relname \
    from (select w.s as nspname, w.t as relname, k.oid, k.relreplident from unnest($4::text[], $5::text[]) as w(s, t) \
      join pg_namespace kn on kn.nspname = w.s join pg_class k on k.relnamespace = kn.oid and k.relname = w.t) x \
    where exists (select from pg_publication_tables pt join pg_publication p on p.pubname = pt.pubname \
      where p.pubdelete and pt.schemaname = x.nspname and pt.tablename = x.relname) \
    and (x.relreplident = 'n' or (x.relreplident = 'd' \
      and not exists (select from pg_index i where i.indrelid = x.oid and i.indisprimary))) order by 1), \
  c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema', $3), \
  current_setting('fsync') = 'on' and current_setting('full_page_writes') = 'on' \
from pg_class c join pg_namespace n on n.oid = c.relnamespace \
where c.relname = $2 and (n.nspname = $1 or ($1 is null and n.nspname = any (current_schemas(false))))";

/// Looks for everything at once.
pub(crate) async fn look(shared: &Shared, step: &Step) -> Result<Vec<Finding>, Fault> {
    let place = step.place(shared.database());
    let query = Query::new(step, shared.database())?;
    let name = &step.table.name;
    // A delete is published with every table that it cascades to.
    let mut reached = step.table.cascades_to();
    reached.push(name.clone());
    let sql = Sql::new(
        LOOK,
        vec![
            Param::Text(name.schema.clone()),
            name.name.as_str().into(),
            shared.names.plain().into(),
            Param::Texts(reached.iter().map(|table| table.schema.clone()).collect()),
            Param::Texts(reached.iter().map(|table| Some(table.name.clone())).collect()),
        ],
    );
    let held = shared.lanes.take().await?;
    let answers = held.read("preflight", &place, "", &[&sql]).await?;
    let row = answers.first().ok_or_else(|| odd(&place))?.rows.first();
    let Some(row) = row else {
        held.give_back();
        let message = "the table does not exist, or the role cannot see it";
        return Ok(vec![Finding::blocks(Cause::TableMissing, place, message)]);
    };
    let looked = Looked {
        row_security: get(row, 0, &place)?,
        usage: get(row, 1, &place)?,
        select: get(row, 2, &place)?,
        delete: get(row, 3, &place)?,
        update: get(row, 4, &place)?,
        delete_rules: get(row, 5, &place)?,
        delete_triggers: get(row, 6, &place)?,
        track_counts: get(row, 7, &place)?,
        read_only: get(row, 8, &place)?,
        unidentified: get(row, 9, &place)?,
        ordinary: get(row, 10, &place)?,
        durable: get(row, 11, &place)?,
    };
    let mut findings = looked.findings(shared, step, &place);
    // The plan shows how the lane will walk; where the table cannot be read a finding above says why.
    match shared.survey(&held, step, &query).await {
        Ok(_) => held.give_back(),
        Err(fault) if fault.class == FaultClass::Disconnected => return Err(fault),
        // It says nothing about the table that would still hold later.
        Err(fault) if matches!(fault.class, FaultClass::Locked | FaultClass::Transient) => {
            held.give_back();
            return Err(fault);
        }
        Err(fault) => {
            held.give_back();
            if findings.iter().all(|finding| finding.blocking_cause().is_none()) {
                findings.push(Finding::blocks(fault.cause(), place, fault.to_string()));
            }
        }
    }
    Ok(findings)
}

/// Finds out whether a refused statement met row security or a missing privilege: the server gives both one code.
pub(crate) async fn blind_or_denied(session: &Session, step: &Step, place: &str, fault: Fault) -> Fault {
    if fault.class != FaultClass::Blocked(Cause::Privilege) {
        return fault;
    }
    let sql = Sql::new(
        "select row_security_active(c.oid) and has_table_privilege(c.oid, 'SELECT') from pg_class c \
         join pg_namespace n on n.oid = c.relnamespace where c.relname = $2 and n.nspname = coalesce($1, n.nspname)",
        vec![Param::Text(step.table.name.schema.clone()), step.table.name.name.as_str().into()],
    );
    let Ok(answers) = session.read("diagnose", place, "", &[&sql]).await else { return fault };
    let hidden =
        answers.first().and_then(|answer| answer.rows.first()).is_some_and(|row| row.try_get(0).unwrap_or(false));
    if hidden { Fault { class: FaultClass::Blind(Cause::RowSecurity), ..fault } } else { fault }
}

/// Finds out what a refused change really met.
pub(crate) async fn diagnosed(session: &Session, step: &Step, survey: &Survey, place: &str, fault: Fault) -> Fault {
    match fault.class {
        FaultClass::Row(Cause::Locked) if locked_whole(session, survey, place).await => {
            Fault { class: FaultClass::LockedWhole, ..fault }.with_detail("a session locks the whole table")
        }
        _ => blind_or_denied(session, step, place, fault).await,
    }
}

/// Whether somebody else holds or asks for a lock on the whole table, or on one that a delete changes or looks at: a
/// migration, an index being built.
async fn locked_whole(session: &Session, survey: &Survey, place: &str) -> bool {
    let Announced { lose, update } = &survey.announced;
    let changed = lose.keys().chain(update.keys()).copied().chain([survey.oid]).collect();
    let sql = Sql::new(
        "select exists (select from pg_locks l join pg_database d on d.oid = l.database \
         where d.datname = current_database() and l.locktype = 'relation' and l.pid is distinct from pg_backend_pid() \
         and (l.mode in ('ExclusiveLock', 'AccessExclusiveLock') and l.relation = any ($2::int8[]::oid[]) \
           or l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock') \
             and l.relation = any ($1::int8[]::oid[])))",
        vec![Param::Ints(changed), Param::Ints(survey.reached.clone())],
    );
    let Ok(answers) = session.read("diagnose", place, "", &[&sql]).await else { return false };
    answers.first().and_then(|answer| answer.rows.first()).is_some_and(|row| row.try_get(0).unwrap_or(false))
}

/// What `role` needs on the step's table, and not more. PostgreSQL asks for UPDATE on one column before it skips
/// locked rows; nothing is ever updated.
pub(crate) fn grants(step: &Step, role: &str) -> String {
    let table = table_name(&step.table.name);
    let role = codec::quote(role);
    let first = step.table.columns.first().map_or("", |column| &column.name);
    let column = step.table.key.first().map_or(first, String::as_str);
    let mut text = String::new();
    if let Some(schema) = &step.table.name.schema {
        text += &format!("grant usage on schema {} to {role};\n", codec::quote(schema));
    }
    text + &format!(
        "grant select, delete on table {table} to {role};\n\
         -- asked for by FOR UPDATE SKIP LOCKED; nothing is updated\n\
         grant update ({}) on table {table} to {role};\n",
        codec::quote(column)
    )
}
