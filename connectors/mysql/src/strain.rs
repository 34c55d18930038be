//! How hard the server is at work. How far its replicas are behind it does not know: signs of life on them say that.

use std::time::Instant;

use forgetd_connector::{Company, Fault, FaultClass, Replicas, Strain, StrainAsked};

use crate::answer::{get, odd};
use crate::connector::Shared;
use crate::flavour::{Flavour, Product};
use crate::query::Sql;

/// Sessions at work, with the one that asks.
const ACTIVE: &str = "show global status like 'Threads_running'";

/// How many sessions ever began, refused ones too.
const BEGUN: &str = "show global status like 'Connections'";

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

/// Looks at the server.
pub(crate) async fn look(shared: &Shared, asked: &StrainAsked) -> Result<Strain, Fault> {
    let place = shared.database();
    let mut held = shared.desk.take().await?;
    let flavour = held.variables().flavour(place)?;
    let connections = &shared.link.context.connections;
    let mut asks = vec![Sql::plain(company(flavour, &connections.numbers())), Sql::plain(BEGUN)];
    if asked.active_sessions {
        asks.push(Sql::plain(ACTIVE));
    }
    if let Some(veto) = &asked.veto {
        asks.push(Sql::plain(format!("select cast(({veto}) as char)")));
    }
    let answers = held.read("look at the load", place, &asks.iter().collect::<Vec<_>>()).await?;
    held.give_back();
    let mut rows = answers.iter().map(|answer| answer.rows.first().ok_or_else(|| odd(place)));
    let mut next = || rows.next().ok_or_else(|| odd(place))?;
    let others = next()?;
    let begun = number(get(next()?, 1, place)?, place)?;
    let came = shared.comers().since_the_look_before(Instant::now(), begun, connections.opened());
    let company = match (get::<i64>(others, 0, place)?, get::<i64>(others, 1, place)?, came) {
        (_, 1.., _) | (_, _, Some(1..)) => Company::Somebody,
        (0, ..) => Company::Hidden,
        // Who comes and goes is seen by two looks.
        (.., None) => Company::Untold,
        (.., Some(0)) => Company::Nobody,
    };
    let mut strain = Strain { replicas: Replicas::Unknown, company, ..Strain::default() };
    if asked.active_sessions {
        strain.active_sessions = Some(number(get(next()?, 1, place)?, place)?.saturating_sub(1));
    }
    if asked.veto.is_some() {
        strain.vetoed = Some(no(get(next()?, 0, place)?, place)?);
    }
    Ok(strain)
}

/// A variable of the server's state.
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
