//! What a refused statement really met: the server gives one code to several causes.

use forgetd_connector::{Cause, Fault, FaultClass, Step, Table, TableRef};

use crate::connect::Session;
use crate::query::{Param, Sql};
use crate::survey::{Announced, Survey};

/// Finds out whether a refused statement met row security or a missing privilege: the server gives both one code.
pub(crate) async fn blind_or_denied(session: &Session, step: &Step, place: &str, fault: Fault) -> Fault {
    if fault.class != FaultClass::Blocked(Cause::Privilege) {
        return fault;
    }
    let (schemas, names) = named(std::iter::once(&step.table).chain(&step.others));
    let sql = Sql::new(
        "select coalesce(bool_or(row_security_active(c.oid) and has_table_privilege(c.oid, 'SELECT')), false) \
         from unnest($1::text[], $2::text[]) as w(s, t) join pg_class c on c.relname = w.t \
         join pg_namespace n on n.oid = c.relnamespace and n.nspname = coalesce(w.s, n.nspname)",
        vec![schemas, names],
    );
    let Ok(answers) = session.read("diagnose", place, "", &[&sql]).await else { return fault };
    let hidden =
        answers.first().and_then(|answer| answer.rows.first()).is_some_and(|row| row.try_get(0).unwrap_or(false));
    if hidden { Fault { class: FaultClass::Blind(Cause::RowSecurity), ..fault } } else { fault }
}

/// Finds out what a refused change really met.
pub(crate) async fn diagnosed(session: &Session, step: &Step, survey: &Survey, place: &str, fault: Fault) -> Fault {
    match fault.class {
        FaultClass::Row(Cause::Locked) if locked_whole(session, step, survey, place).await => {
            Fault { class: FaultClass::LockedWhole, ..fault }.with_detail("a session locks the whole table")
        }
        _ => blind_or_denied(session, step, place, fault).await,
    }
}

/// Whether somebody else holds or asks for a lock on the whole table, or on one that a delete changes or looks at: a
/// migration, an index being built. Tables that are looked into are only read, partitions of theirs too.
async fn locked_whole(session: &Session, step: &Step, survey: &Survey, place: &str) -> bool {
    let Announced { lose, update } = &survey.announced;
    let changed = lose.keys().chain(update.keys()).copied().chain([survey.oid]).collect();
    let (schemas, names) = named(&step.others);
    let sql = Sql::new(
        "with recursive read(oid) as (select c.oid from unnest($3::text[], $4::text[]) as w(s, t) \
           join pg_class c on c.relname = w.t join pg_namespace n on n.oid = c.relnamespace and n.nspname = w.s \
           union select i.inhrelid from read join pg_inherits i on i.inhparent = read.oid) \
         select exists (select from pg_locks l join pg_database d on d.oid = l.database \
         where d.datname = current_database() and l.locktype = 'relation' and l.pid is distinct from pg_backend_pid() \
         and (l.mode in ('ExclusiveLock', 'AccessExclusiveLock') and l.relation = any ($2::int8[]::oid[]) \
           or l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock') \
             and l.relation = any ($1::int8[]::oid[]) \
           or l.mode = 'AccessExclusiveLock' and l.relation in (select oid from read)))",
        vec![Param::Ints(changed), Param::Ints(survey.reached.clone()), schemas, names],
    );
    let Ok(answers) = session.read("diagnose", place, "", &[&sql]).await else { return false };
    answers.first().and_then(|answer| answer.rows.first()).is_some_and(|row| row.try_get(0).unwrap_or(false))
}

/// Names of tables as two parameters.
fn named<'a>(tables: impl IntoIterator<Item = &'a Table>) -> (Param, Param) {
    let names: Vec<&TableRef> = tables.into_iter().map(|table| &table.name).collect();
    (
        Param::Texts(names.iter().map(|table| table.schema.clone()).collect()),
        Param::Texts(names.iter().map(|table| Some(table.name.clone())).collect()),
    )
}
