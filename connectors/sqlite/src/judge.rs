//! Why one row goes or stays.

use forgetd_connector::{Cause, Clause, ClauseOf, Fault, FaultClass, Judged, Key, Step};
use rusqlite::{OptionalExtension as _, Row, params_from_iter};

use crate::query::{Account, Moment, Scope};
use crate::session::Session;

/// Asks every condition about the row with this key.
pub(crate) fn judge(session: &mut Session, step: &Step, scope: &Scope, key: &Key) -> Result<Option<Judged>, Fault> {
    let place = step.place(session.place());
    if scope.key_width() == 0 || scope.key_width() != key.0.len() {
        return Err(Fault::new(FaultClass::Blocked(Cause::NoKey), "judge", place));
    }
    let account = scope.account(step, key, &place)?;
    let judged = session.snapshot("judge", |connection| {
        let mut statement = connection.prepare_cached(&account.query.sql)?;
        statement.query_row(params_from_iter(&account.query.values), |row| read(row, &account)).optional()
    });
    judged.map_err(|fault| scope.blamed(fault))
}

fn read(row: &Row<'_>, account: &Account) -> rusqlite::Result<Judged> {
    let mut clauses = vec![];
    let mut at = 1;
    for (what, moments) in &account.clauses {
        let truth: Option<bool> = row.get(at)?;
        at += 1;
        let mut moment = None;
        if let Some(moments) = moments {
            moment = Some(moments.read(row, at)?);
            at += moments.width();
        }
        clauses.push(clause(what, truth, moment));
    }
    Ok(Judged { due: row.get(0)?, clauses })
}

fn clause(what: &ClauseOf, truth: Option<bool>, moment: Option<Moment>) -> Clause {
    let at = moment.as_ref().and_then(Moment::at);
    let holds = match (what, truth) {
        // Not over, or not known to be: the statement has no need to tell.
        (ClauseOf::Since, Some(false) | None) => at.map(|_| false),
        (_, truth) => truth,
    };
    Clause { what: what.clone(), holds, moment: at }
}
