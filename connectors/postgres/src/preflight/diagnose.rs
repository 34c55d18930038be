//! What a refused statement really met: the server gives one code to several causes.

use forgetd_connector::{Cause, Fault, FaultClass, Step};

use crate::connect::Session;
use crate::query::{Param, Sql};
use crate::survey::{Announced, Survey};

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
