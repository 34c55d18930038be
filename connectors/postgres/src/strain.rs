//! How hard the server is at work, and how far its standbys are behind.

use std::time::{Duration, Instant};

use forgetd_connector::{Behind, Cause, Company, Fault, FaultClass, Replicas, Strain, StrainAsked};

use crate::connect::Session;
use crate::connector::Shared;
use crate::query::Sql;
use crate::survey::{get, odd};

/// Where the log ends, how far the slowest standby has replayed it, what the server says of its delay, how many standbys the
/// role is shown nothing of, and how much of the log slots keep. Readers of the logical log are no standbys: nobody reads
/// from them, and what they hold up is what their slots keep. A base backup is none either.
const LOOK: &str = "\
select (pg_current_wal_lsn() - '0/0')::int8, \
  (select (min(r.replay_lsn) - '0/0')::int8 from standby r), \
  (select (extract(epoch from max(r.replay_lag)) * 1000000)::int8 from standby r), \
  (select count(*) from pg_stat_replication r where r.state is null), \
  (select max(pg_current_wal_lsn() - s.restart_lsn)::int8 from pg_replication_slots s \
    where s.wal_status is distinct from 'lost')";

const STANDBYS: &str = "\
with standby as (select r.replay_lsn, r.replay_lag from pg_stat_replication r where r.state in ('streaming', 'catchup') \
  and not exists (select from pg_replication_slots s where s.active_pid = r.pid and s.slot_type = 'logical'))";

/// Sessions of clients, as far as a role can tell: of what it is not shown it knows neither what it is nor what it does, but
/// what serves no client has no database, or no user. A session that is only beginning has no user yet either.
const CLIENTS: &str = "\
(select a.* from pg_stat_activity a where coalesce(a.backend_type, 'client backend') = 'client backend' \
  and a.datid is not null and a.usesysid is not null) a";

/// Sessions at work but for our own; no number where the role is not shown what others do, or a session does not say it.
fn active() -> String {
    format!(
        "select case when coalesce(bool_and(coalesce(a.state, 'disabled') <> 'disabled'), true) \
           then count(*) filter (where a.state = 'active') end \
         from {CLIENTS} where a.application_name is distinct from current_setting('application_name')"
    )
}

/// Sessions of others whose doings the role is not shown, or that say nothing because `track_activities` is off for them, and
/// those that do something or did within the time between two looks. Ours are left out by the numbers of their processes:
/// what they are called they say in transactions only, and what a pooler keeps for us is taken for somebody else's.
fn company(ours: &[u64]) -> String {
    let ours: Vec<String> = ours.iter().map(u64::to_string).collect();
    format!(
        "select count(*) filter (where coalesce(a.state, 'disabled') = 'disabled'), \
           count(*) filter (where a.state = 'active' or a.state_change > clock_timestamp() - interval '2 seconds') \
         from {CLIENTS} where a.pid <> pg_backend_pid() and a.pid::int8 <> all ('{{{}}}'::int8[])",
        ours.join(",")
    )
}

/// The most sessions that are asked whom they wait for: each question stops the server's locks for a moment, and one that waits
/// for us is enough.
const ASKED_MAX: u32 = 20;

/// Sessions of others that wait for a lock which a session of ours holds, or waits for before them.
fn waiting(ours: &[u64]) -> String {
    let ours: Vec<String> = ours.iter().map(u64::to_string).collect();
    let ours = format!("'{{{}}}'::int8[]", ours.join(","));
    format!(
        "select count(*) from (select distinct l.pid from pg_locks l where not l.granted and l.pid::int8 <> all ({ours}) \
           limit {ASKED_MAX}) w \
         where pg_blocking_pids(w.pid)::int8[] && {ours}"
    )
}

/// How many sessions of others wait for ours. Nothing where it is not shown to the role, or where a pooler stands between: nobody
/// knows then whose sessions do our work.
async fn waiting_for_us(shared: &Shared, session: &Session, ours: &[u64]) -> Result<Option<u64>, Fault> {
    if shared.pooled {
        return Ok(None);
    }
    let place = shared.database();
    match session.read("look at locks", place, "", &[&Sql::new(waiting(ours), vec![])]).await {
        Ok(answers) => {
            let row = answers.first().and_then(|answer| answer.rows.first()).ok_or_else(|| odd(place))?;
            Ok(Some(get::<i64>(row, 0, place)?.unsigned_abs()))
        }
        Err(fault) if fault.class == FaultClass::Blocked(Cause::Privilege) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Looks at the server.
pub(crate) async fn look(shared: &Shared, asked: &StrainAsked) -> Result<Strain, Fault> {
    let place = shared.database();
    let ours = shared.link.context.connections.numbers();
    let mut asks = vec![Sql::new(format!("{STANDBYS} {LOOK}"), vec![]), Sql::new(company(&ours), vec![])];
    if asked.active_sessions {
        asks.push(Sql::new(active(), vec![]));
    }
    if let Some(veto) = &asked.veto {
        asks.push(Sql::new(format!("select ({veto})::text"), vec![]));
    }
    let held = shared.desk.take().await?;
    let read = held.read("look at the load", place, "", &asks.iter().collect::<Vec<_>>()).await;
    let answers = match read {
        // A role that may not look, where nobody asked it to.
        Err(fault) if fault.class == FaultClass::Blocked(Cause::Privilege) && asks.len() == 2 => {
            held.give_back();
            return Ok(Strain { replicas: Replicas::Hidden, company: Company::Hidden, ..Strain::default() });
        }
        answers => answers?,
    };
    let waiting_for_us = waiting_for_us(shared, &held, &ours).await?;
    held.give_back();
    let mut rows = answers.iter().map(|answer| answer.rows.first().ok_or_else(|| odd(place)));
    let mut next = || rows.next().ok_or_else(|| odd(place))?;
    let row = next()?;
    let (end, replayed): (i64, Option<i64>) = (get(row, 0, place)?, get(row, 1, place)?);
    let hidden = get::<i64>(row, 3, place)? > 0;
    let told = get::<Option<i64>>(row, 2, place)?.map(|micros| Duration::from_micros(micros.unsigned_abs()));
    let replicas = match replayed {
        _ if hidden => Replicas::Hidden,
        Some(replayed) => {
            let Behind { at_least, at_most } = behind(shared, end, replayed);
            // The server knows better, but what it says stays as it was while it hears nothing.
            Replicas::Behind(told.map_or(at_most, |told| told.max(at_least)))
        }
        None => Replicas::None,
    };
    let log_kept = get::<Option<i64>>(row, 4, place)?.map(i64::unsigned_abs);
    let others = next()?;
    let company = match (get::<i64>(others, 0, place)?, get::<i64>(others, 1, place)?) {
        (_, 1..) => Company::Somebody,
        (1.., _) => Company::Hidden,
        _ => Company::Nobody,
    };
    let mut strain = Strain { replicas, log_kept, waiting_for_us, company, ..Strain::default() };
    if asked.active_sessions {
        strain.active_sessions = get::<Option<i64>>(next()?, 0, place)?.map(i64::unsigned_abs);
    }
    if asked.veto.is_some() {
        strain.vetoed = Some(no(get(next()?, 0, place)?, place)?);
    }
    Ok(strain)
}

/// How long the slowest standby has been behind: the server says in bytes how far it has replayed the log, and earlier looks
/// when the log ended there.
fn behind(shared: &Shared, end: i64, replayed: i64) -> Behind {
    let (now, mut course) = (Instant::now(), shared.course());
    course.note(now, end);
    course.forget(replayed);
    course.behind(now, Some(replayed))
}

/// Whether the operator's statement says no: a truth, or a number that is not 0.
fn no(value: Option<&str>, place: &str) -> Result<bool, Fault> {
    match value {
        Some("t" | "true") => Ok(true),
        Some("f" | "false") => Ok(false),
        Some(text) if text.parse::<f64>().is_ok() => Ok(text.parse() != Ok(0.0)),
        _ => Err(Fault::new(FaultClass::Internal, "read the veto", place).with_detail("neither a truth nor a number")),
    }
}

#[cfg(test)]
mod tests {
    use super::no;

    #[test]
    fn a_veto_is_a_truth_or_a_number() {
        let said = ["t", "true", "1", "0.5", "-2", "f", "false", "0", "0.0"].map(|text| no(Some(text), "crm").unwrap());
        assert_eq!(said, [true, true, true, true, true, false, false, false, false]);
        assert!([None, Some(""), Some("yes"), Some("NaN, no")].into_iter().all(|value| no(value, "crm").is_err()));
    }
}
