//! How hard the server is at work. How far its replicas are behind it does not know: signs of life on them say that.

use std::time::Instant;

use forgetd_connector::{Company, Fault, FaultClass, Replicas, Strain, StrainAsked};
use mysql_async::Row;

use crate::answer::{get, odd};
use crate::connect::Session;
use crate::connector::Shared;
use crate::flavour::{Flavour, Product};
use crate::query::Sql;

/// Sessions at work, with the one that asks.
const ACTIVE: &str = "show global status like 'Threads_running'";

/// How many sessions ever began, refused ones too, and how many wait for a lock of a row.
const STATE: &str = "show global status where variable_name in ('Connections', 'Innodb_row_lock_current_waits')";

/// Whether the role is shown the sessions of all users, and how many of others do something or did within the time between two
/// looks. A privilege that came by a role of MySQL's does not count: it is not told.
fn company(flavour: Flavour, ours: &[u64]) -> String {
    let (shown, sessions, since) = match flavour {
        Flavour { product: Product::MariaDb, .. } => ("1", "information_schema.processlist", "p.time_ms < 2000"),
        Flavour { version, .. } if version < (8, 0, 22) => ("1", "information_schema.processlist", "p.time < 2"),
        _ => ("@@global.performance_schema", "performance_schema.processlist", "p.time < 2"),
    };
    let ours: Vec<String> = ours.iter().map(|number| format!(", {number}")).collect();
    format!(
        "select {shown} and exists (select 1 from information_schema.user_privileges where privilege_type = 'PROCESS'), \
           cast(coalesce(sum(p.command <> 'Sleep' or {since}), 0) as signed) \
         from {sessions} p where p.id not in (connection_id(){}) \
           and p.user not in ('system user', 'event_scheduler') \
           and p.command not in ('Daemon', 'Binlog Dump', 'Binlog Dump GTID')",
        ours.concat()
    )
}

/// How many transactions of others wait for the lock of a row that one of ours holds. Transactions are asked for, and not the
/// threads that made the locks: a lock that was implied until somebody waited for it was made by the one who waits.
fn waiting(flavour: Flavour, ours: &[u64]) -> String {
    let (shown, waits, waiter, blocker) = if flavour.is_mariadb() {
        ("1", "information_schema.innodb_lock_waits", "requesting_trx_id", "blocking_trx_id")
    } else {
        let waits = "performance_schema.data_lock_waits";
        ("@@global.performance_schema", waits, "requesting_engine_transaction_id", "blocking_engine_transaction_id")
    };
    let ours: Vec<String> = ours.iter().map(u64::to_string).collect();
    let ours = ours.join(", ");
    format!(
        "select if({shown}, count(distinct w.trx_id), null) from {waits} l \
         join information_schema.innodb_trx w on w.trx_id = l.{waiter} \
         join information_schema.innodb_trx b on b.trx_id = l.{blocker} \
         where b.trx_mysql_thread_id in ({ours}) and w.trx_mysql_thread_id not in ({ours})"
    )
}

/// Looks at the server.
pub(crate) async fn look(shared: &Shared, asked: &StrainAsked) -> Result<Strain, Fault> {
    let place = shared.database();
    let mut held = shared.desk.take().await?;
    let flavour = held.variables().flavour(place)?;
    let connections = &shared.link.context.connections;
    let ours = connections.numbers();
    let mut asks = vec![Sql::plain(company(flavour, &ours)), Sql::plain(STATE)];
    if asked.active_sessions {
        asks.push(Sql::plain(ACTIVE));
    }
    if let Some(veto) = &asked.veto {
        asks.push(Sql::plain(format!("select cast(({veto}) as char)")));
    }
    let answers = held.read("look at the load", place, &asks.iter().collect::<Vec<_>>()).await?;
    let mut answers = answers.iter();
    let mut rows = || answers.next().map(|answer| answer.rows.as_slice()).ok_or_else(|| odd(place));
    let others = rows()?.first().ok_or_else(|| odd(place))?;
    let state = rows()?;
    let begun = told(state, "connections", place)?.ok_or_else(|| odd(place))?;
    let waits = told(state, "innodb_row_lock_current_waits", place)?;
    let waiting_for_us = waiting_for_us(&mut held, flavour, &ours, waits, place).await?;
    held.give_back();
    let mut next = || rows()?.first().ok_or_else(|| odd(place));
    let came = shared.comers().since_the_look_before(Instant::now(), begun, connections.opened());
    let company = match (get::<i64>(others, 0, place)?, get::<i64>(others, 1, place)?, came) {
        (_, 1.., _) | (_, _, Some(1..)) => Company::Somebody,
        (0, ..) => Company::Hidden,
        // Who comes and goes is seen by two looks.
        (.., None) => Company::Untold,
        (.., Some(0)) => Company::Nobody,
    };
    let mut strain = Strain { replicas: Replicas::Unknown, waiting_for_us, company, ..Strain::default() };
    if asked.active_sessions {
        strain.active_sessions = Some(number(get(next()?, 1, place)?, place)?.saturating_sub(1));
    }
    if asked.veto.is_some() {
        strain.vetoed = Some(no(get(next()?, 0, place)?, place)?);
    }
    Ok(strain)
}

/// How many sessions of others wait for locks of ours, where so many wait for any; nothing where that is not known. Who waits for
/// whom is asked while somebody waits: the answer takes a look at every lock.
async fn waiting_for_us(
    session: &mut Session,
    flavour: Flavour,
    ours: &[u64],
    waits: Option<u64>,
    place: &str,
) -> Result<Option<u64>, Fault> {
    match waits {
        Some(0) => return Ok(Some(0)),
        Some(_) if !ours.is_empty() => {}
        _ => return Ok(None),
    }
    match session.read("look at locks", place, &[&Sql::plain(waiting(flavour, ours))]).await {
        Ok(answers) => {
            let row = answers.first().and_then(|answer| answer.rows.first()).ok_or_else(|| odd(place))?;
            get(row, 0, place)
        }
        // A role that may not look, or a server without such a table, where nobody asked it to.
        Err(fault) if matches!(fault.class, FaultClass::Blocked(_)) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// A variable of the server's state, where the server has it. Its names are lower case here.
fn told(state: &[Row], name: &str, place: &str) -> Result<Option<u64>, Fault> {
    for row in state {
        if get::<String>(row, 0, place)?.eq_ignore_ascii_case(name) {
            return number(get(row, 1, place)?, place).map(Some);
        }
    }
    Ok(None)
}

/// A number that is told as a text.
fn number(value: String, place: &str) -> Result<u64, Fault> {
    value.parse().map_err(|_| odd(place))
}

/// Whether the operator's statement says no: a number that is not 0; truths are numbers here.
fn no(value: Option<String>, place: &str) -> Result<bool, Fault> {
    match value.map(|text| text.parse::<f64>()) {
        Some(Ok(number)) => Ok(number != 0.0),
        _ => Err(Fault::new(FaultClass::Internal, "read the veto", place).with_detail("not a number")),
    }
}

#[cfg(test)]
mod tests {
    use super::no;

    #[test]
    fn a_veto_is_a_number() {
        let said = ["1", "0.5", "-2", "0", "0.0"].map(|text| no(Some(text.into()), "crm").unwrap());
        assert_eq!(said, [true, true, true, false, false]);
        assert!([None, Some("yes"), Some("")].into_iter().all(|text| no(text.map(str::to_owned), "crm").is_err()));
    }
}
