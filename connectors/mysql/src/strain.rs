//! How hard the server is at work. How far its replicas are behind it does not know: signs of life on them say that.

use forgetd_connector::{Fault, FaultClass, Replicas, Strain, StrainAsked};

use crate::answer::{get, odd};
use crate::connector::Shared;
use crate::query::Sql;

/// Sessions at work, with the one that asks.
const ACTIVE: &str = "show global status like 'Threads_running'";

/// Looks at the server.
pub(crate) async fn look(shared: &Shared, asked: &StrainAsked) -> Result<Strain, Fault> {
    let place = shared.database();
    let mut asks = vec![];
    if asked.active_sessions {
        asks.push(Sql::plain(ACTIVE));
    }
    if let Some(veto) = &asked.veto {
        asks.push(Sql::plain(format!("select cast(({veto}) as char)")));
    }
    let mut strain = Strain { replicas: Replicas::Unknown, ..Strain::default() };
    if asks.is_empty() {
        return Ok(strain);
    }
    let mut held = shared.desk.take().await?;
    let answers = held.read("look at the load", place, &asks.iter().collect::<Vec<_>>()).await?;
    held.give_back();
    let mut rows = answers.iter().map(|answer| answer.rows.first().ok_or_else(|| odd(place)));
    let mut next = || rows.next().ok_or_else(|| odd(place))?;
    if asked.active_sessions {
        let running: String = get(next()?, 1, place)?;
        strain.active_sessions = Some(running.parse::<u64>().map_err(|_| odd(place))?.saturating_sub(1));
    }
    if asked.veto.is_some() {
        strain.vetoed = Some(no(get(next()?, 0, place)?, place)?);
    }
    Ok(strain)
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
