//! What the server is: product, version, identity, durability.

use forgetd_connector::{Atomicity, Capabilities, Cause, Durability, Facts, Fault, FaultClass, FenceKind, RowLock};

use crate::connect::{Link, Session};
use crate::query::{Sql, TextOrder};
use crate::survey::{get, odd};

/// The oldest version whose row id ranges, functions and settings are there.
const VERSION_MIN: i64 = 140_000;

/// The most rows one batch may change: more would hold row locks for too long on any hardware.
const BATCH_ROWS_MAX: u32 = 50_000;

const FACTS: &str = "\
select version(), current_setting('server_version'), current_setting('server_version_num')::int8, \
  pg_is_in_recovery() or current_setting('default_transaction_read_only') = 'on', \
  current_setting('fsync') = 'on' and current_setting('full_page_writes') = 'on', \
  (select oid::int8 from pg_database where datname = current_database()), \
  pg_backend_pid(), current_setting('server_encoding')";

/// The system identifier and the timeline that is written right now, as text. Any role may read them by default.
pub(crate) const IDENTITY: &str = "\
select (select system_identifier::text from pg_control_system()), \
  case when pg_is_in_recovery() then 'recovery' \
  else substring(pg_walfile_name(pg_current_wal_lsn()) from 1 for 8) end";

/// Looks at the server behind a session.
pub(crate) async fn look(session: &Session, link: &Link) -> Result<(Facts, TextOrder), Fault> {
    let place = &link.context.database;
    let answers = session.read("read facts", place, "", &[&Sql::new(FACTS, vec![])]).await?;
    let row = answers.first().and_then(|answer| answer.rows.first()).ok_or_else(|| odd(place))?;
    let banner: String = get(row, 0, place)?;
    let number: i64 = get(row, 2, place)?;
    if let Some(reason) = unsupported(&banner, number) {
        return Err(Fault::new(FaultClass::Blocked(Cause::Unsupported), "read facts", place).with_detail(reason));
    }
    let (system, timeline) = match identity(session, place).await {
        Ok(found) => found,
        // A provider may keep these to itself; the database's own number still tells two databases apart.
        Err(fault) if fault.class == FaultClass::Blocked(Cause::Privilege) => {
            (format!("database {}", get::<i64>(row, 5, place)?), String::new())
        }
        Err(fault) => return Err(fault),
    };
    let process: i32 = get(row, 6, place)?;
    let other = session.announced_process().await.is_some_and(|announced| announced != process);
    let pooler = other.then(|| "a pooler: the session runs in another process than was announced".into());
    let text_order = match get(row, 7, place)? {
        "UTF8" | "LATIN1" | "SQL_ASCII" => TextOrder::CodePoints,
        _ => TextOrder::Encoding,
    };
    let facts = Facts {
        product: "PostgreSQL".into(),
        version: get(row, 1, place)?,
        identity: format!("{system}/{timeline}"),
        durability: if get(row, 4, place)? { Durability::Full } else { Durability::Weak },
        read_only: get(row, 3, place)?,
        pooler,
        tls: if link.target.is_local() { None } else { Some(link.tls.words()) },
        probed: None,
    };
    Ok((facts, text_order))
}

/// The system identifier and the timeline.
pub(crate) async fn identity(session: &Session, place: &str) -> Result<(String, String), Fault> {
    let answers = session.read("read identity", place, "", &[&Sql::new(IDENTITY, vec![])]).await?;
    let row = answers.first().and_then(|answer| answer.rows.first()).ok_or_else(|| odd(place))?;
    Ok((get(row, 0, place)?, get(row, 1, place)?))
}

/// What every supported server can do.
pub(crate) fn capabilities() -> Capabilities {
    Capabilities {
        atomicity: Atomicity::Atomic,
        mixed: false,
        row_lock: RowLock::SkipLocked,
        fence: FenceKind::Lock,
        effect_counters: true,
        batch_rows_max: BATCH_ROWS_MAX,
    }
}

/// Why this server is not one we work with: others speak the protocol and keep none of its promises.
fn unsupported(banner: &str, number: i64) -> Option<String> {
    for other in ["CockroachDB", "Redshift", "-YB-", "Greenplum", "QuestDB", "Materialize", "RisingWave", "CrateDB"] {
        if banner.contains(other) {
            return Some(format!("{} is not PostgreSQL", other.trim_matches('-')));
        }
    }
    if !banner.starts_with("PostgreSQL ") {
        return Some("the server does not call itself PostgreSQL".into());
    }
    (number < VERSION_MIN).then(|| "PostgreSQL 14 or later is needed".into())
}

#[cfg(test)]
mod tests {
    use super::unsupported;

    #[test]
    fn only_postgresql_14_and_later() {
        assert_eq!(unsupported("PostgreSQL 15.8 on x86_64-pc-linux-gnu", 150_008), None);
        for (banner, number) in [
            ("PostgreSQL 13.23 on x86_64-pc-linux-gnu", 130_023),
            ("PostgreSQL 15.2-YB-2.25.0 on x86_64", 150_002),
            ("CockroachDB CCL v25.1", 130_000),
        ] {
            assert!(unsupported(banner, number).is_some(), "{banner}");
        }
    }
}
