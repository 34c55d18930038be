//! How hard a database may be worked.

use std::time::Duration;

use super::say::Say;
use crate::config::raw::{RawThrottle, RawVeto};
use crate::config::read::{At, Field};
use crate::config::{Throttle, Veto, limits};

/// The settings of a database. What is wrong with them has been said.
pub(super) fn throttle(raw: &Field<RawThrottle>, say: &mut Say<'_>) -> Throttle {
    let absent = RawThrottle::default();
    let raw = raw.value().unwrap_or(&absent);
    let mut rows_max = |default| say.number(&raw.batch_rows_max, &limits::BATCH_ROWS_MAX_RANGE, default);
    let delete_rows_max = rows_max(limits::DELETE_ROWS_MAX);
    let transform_rows_max = match &raw.batch_rows_max {
        Field::Absent => limits::TRANSFORM_ROWS_MAX,
        _ => delete_rows_max,
    };
    let target = say.number(&raw.batch_ms_target, &limits::BATCH_MS_TARGET_RANGE, limits::BATCH_MS_TARGET);
    let lag = say.number(&raw.replica_lag_secs_max, &limits::REPLICA_LAG_SECS_MAX_RANGE, limits::REPLICA_LAG_SECS_MAX);
    let kept = say.number(&raw.log_kept_mib_max, &limits::LOG_KEPT_MIB_MAX_RANGE, limits::LOG_KEPT_MIB_MAX);
    let pause = say.number(&raw.pause_secs_max, &limits::PAUSE_SECS_MAX_RANGE, limits::PAUSE_SECS_MAX);
    Throttle {
        delete_rows_max,
        transform_rows_max,
        batch_target: Duration::from_millis(target),
        rows_per_second_max: raw
            .rows_per_second_max
            .get()
            .map(|rows| say.number(&raw.rows_per_second_max, &limits::ROWS_PER_SECOND_MAX_RANGE, rows.value)),
        share_beside_others: share(&raw.share_beside_others, say),
        replica_lag_max: Duration::from_secs(lag),
        replica_lag_asked: raw.replica_lag_secs_max.get().is_some(),
        log_kept_max: kept.saturating_mul(1024 * 1024),
        active_sessions_max: raw
            .active_sessions_max
            .get()
            .map(|sessions| say.number(&raw.active_sessions_max, &limits::ACTIVE_SESSIONS_MAX_RANGE, sessions.value)),
        pause_max: Duration::from_secs(pause),
        veto: raw.veto.get().and_then(|veto| self::veto(veto, say)),
    }
}

fn share(raw: &Field<f64>, say: &mut Say<'_>) -> Option<f64> {
    let At { value, place } = raw.get()?;
    if !limits::SHARE_BESIDE_OTHERS_RANGE.contains(value) {
        let fix = "write for example 0.1 for a tenth of the time, or 1 for no rest";
        say.at(*place, "a share of the time is from 0.01 to 1", fix);
    }
    Some(*value)
}

fn veto(raw: &At<RawVeto>, say: &mut Say<'_>) -> Option<Veto> {
    let (RawVeto::Sql(text) | RawVeto::Http(text)) = &raw.value;
    let text = text.trim();
    if text.is_empty() || text.len() > limits::VETO_BYTES_MAX {
        say.at(raw.place, "the veto is empty, or too long", "write one statement, or one address");
        return None;
    }
    match &raw.value {
        RawVeto::Sql(_) if text.contains([';', '\0']) => {
            say.at(raw.place, "the veto's statement holds a `;`", "write one statement, without its end");
            None
        }
        RawVeto::Sql(_) => Some(Veto::Sql(text.to_owned())),
        RawVeto::Http(_) => match url::Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.password().is_none() => {
                Some(Veto::Http(text.to_owned()))
            }
            _ => {
                let fix = "write an address that begins with http:// or https://, without a password";
                say.at(raw.place, "the veto's address is none", fix);
                None
            }
        },
    }
}
