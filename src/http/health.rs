//! What probes ask. Pure. A bad configuration or a dead database is no reason to kill the process: only a loop that
//! stands still is.

use jiff::Timestamp;

use crate::board::{Board, Role};

/// A loop that did not turn for longer stands still.
const TURN_SECS_MAX: u64 = 60;

/// Whether the loop turns; if not, why we think so. A clock that was set moves both ways.
pub(super) fn live(board: &Board, now: Timestamp) -> Result<(), String> {
    let turned = board.turned.ok_or("the loop has not turned yet")?;
    let age = now.duration_since(turned).unsigned_abs().as_secs();
    if age <= TURN_SECS_MAX { Ok(()) } else { Err(format!("the loop has not turned for {age} s")) }
}

/// Whether the start is over: a configuration was loaded or refused.
pub(super) fn started(board: &Board) -> Result<(), String> {
    let known = board.config.loaded.is_some() || !board.config.problems.is_empty();
    if known { Ok(()) } else { Err("no configuration was read yet".into()) }
}

/// Whether it does what it was told: the configuration is valid, and it is known who acts.
pub(super) fn ready(board: &Board) -> Result<(), String> {
    if !board.config.valid {
        return Err("the configuration files are not in force: see /status".into());
    }
    if board.role == Role::Starting {
        return Err("it is not known yet who acts: the home database was not reached".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::ConfigState;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_loop_that_stands_still_is_not_alive() {
        for (turned, now, alive) in
            [(None, 0, false), (Some(0), 60, true), (Some(0), 61, false), (Some(60), 0, true), (Some(61), 0, false)]
        {
            let board = Board { turned: turned.map(at), ..Board::default() };
            assert_eq!(live(&board, at(now)).is_ok(), alive, "{turned:?} {now}");
        }
    }

    #[test]
    fn a_refused_configuration_is_a_start_and_not_ready() {
        let refused = ConfigState { problems: vec!["rules[0]".into()], ..ConfigState::default() };
        let loaded = ConfigState { valid: true, loaded: Some(at(0)), ..ConfigState::default() };
        let follower = Role::Follower { holder: "other".into(), term: 1 };
        let board = |config: &ConfigState, role: Role| Board { config: config.clone(), role, ..Board::default() };
        for (board, is_started, is_ready) in [
            (board(&ConfigState::default(), Role::Observer), false, false),
            (board(&refused, Role::Observer), true, false),
            (board(&loaded, Role::Starting), true, false),
            (board(&loaded, Role::Observer), true, true),
            (board(&loaded, follower), true, true),
        ] {
            assert_eq!((started(&board).is_ok(), ready(&board).is_ok()), (is_started, is_ready), "{board:?}");
        }
    }
}
