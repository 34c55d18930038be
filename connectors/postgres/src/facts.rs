//! What the server is: product, version, identity, durability.

use forgetd_connector::{Capabilities, Cause, Durability, Facts, Fault, FaultClass, Product, RowLock, Sign, recognise};
use tokio_postgres::config::Host;

use crate::connect::{Ask, Link, Session};
use crate::error;
use crate::products::PRODUCTS;
use crate::query::{Sql, TextOrder};
use crate::survey::{get, odd};

/// The oldest version whose row id ranges, functions and settings are there.
const VERSION_MIN: i64 = 130_000;

/// The most rows one batch may change: more would hold row locks for too long on any hardware.
const BATCH_ROWS_MAX: u32 = 50_000;

/// Asked first, by itself and outside of any transaction: other products may know nothing else of what we ask.
const BANNER: &str = "select version()";

const FACTS: &str = "\
select current_setting('server_version'), current_setting('server_version_num')::int8, \
  pg_is_in_recovery() or current_setting('default_transaction_read_only') = 'on', \
  current_setting('fsync') = 'on' and current_setting('full_page_writes') = 'on', \
  (select oid::int8 from pg_database where datname = current_database()), \
  pg_backend_pid(), current_setting('server_encoding'), \
  (select reset_val::int8 from pg_settings where name = 'statement_timeout')";

/// The system identifier and the timeline that is written right now, as text. Any role may read them by default.
pub(crate) const IDENTITY: &str = "\
select (select system_identifier::text from pg_control_system()), \
  case when pg_is_in_recovery() then 'recovery' \
  else substring(pg_walfile_name(pg_current_wal_lsn()) from 1 for 8) end";

/// What sessions there bring with them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local {
    pub(crate) text_order: TextOrder,
    /// The milliseconds after which the server ends a statement of the role; 0: it does not.
    pub(crate) statement_ms: u64,
}

/// Looks at the server behind a session.
pub(crate) async fn look(session: &Session, link: &Link) -> Result<(Facts, Local), Fault> {
    let place = &link.context.database;
    let admitted = |known: Option<&'static Product>| {
        let known = known.ok_or_else(|| odd(place))?;
        known.admit(link.context.unsupported_engine, place).map(|()| known)
    };
    let banner = banner(session, place).await?;
    let hosts: Vec<&str> = link.target.driver.get_hosts().iter().filter_map(named).collect();
    let told = |sign: &Sign| sign.is_in(&banner, "") || sign.is_host(hosts.iter().copied());
    admitted(recognise(PRODUCTS, told))?;
    let (signs, asked) = signs();
    let asked = [Sql::new(asked, vec![]), Sql::new(FACTS, vec![])];
    let answers = session.read("read facts", place, "", &[&asked[0], &asked[1]]).await?;
    let [shown, facts] = answers.as_slice() else { return Err(odd(place)) };
    let (Some(shown), Some(row)) = (shown.rows.first(), facts.rows.first()) else { return Err(odd(place)) };
    let shown: Vec<bool> = (0..signs.len()).map(|n| get(shown, n, place)).collect::<Result<_, _>>()?;
    let shows = |sign: &Sign| signs.iter().zip(&shown).any(|(one, shown)| *one == sign && *shown);
    let known = admitted(recognise(PRODUCTS, |sign| told(sign) || shows(sign)))?;
    if get::<i64>(row, 1, place)? < VERSION_MIN {
        let fault = Fault::new(FaultClass::Blocked(Cause::Unsupported), "read facts", place);
        return Err(fault.with_detail("PostgreSQL 13 or later is needed"));
    }
    let (system, timeline) = match identity(session, place).await {
        Ok(found) => found,
        // A provider may keep these to itself; the database's own number still tells two databases apart.
        Err(fault) if fault.class == FaultClass::Blocked(Cause::Privilege) => {
            (format!("database {}", get::<i64>(row, 4, place)?), String::new())
        }
        Err(fault) => return Err(fault),
    };
    let process: i32 = get(row, 5, place)?;
    let other = session.announced_process().await.is_some_and(|announced| announced != process);
    let pooler = other.then(|| "a pooler: the session runs in another process than was announced".into());
    let text_order = match get(row, 6, place)? {
        "UTF8" | "LATIN1" | "SQL_ASCII" => TextOrder::CodePoints,
        _ => TextOrder::Encoding,
    };
    let facts = Facts {
        product: known.name.into(),
        known,
        version: get(row, 0, place)?,
        identity: format!("{system}/{timeline}"),
        durability: if get(row, 3, place)? { Durability::Full } else { Durability::Weak },
        read_only: get(row, 2, place)?,
        pooler,
        tls: if link.target.is_local() { None } else { Some(link.tls.words()) },
        probed: None,
    };
    Ok((facts, Local { text_order, statement_ms: get::<i64>(row, 7, place)?.unsigned_abs() }))
}

/// What the server says of its version.
async fn banner(session: &Session, place: &str) -> Result<String, Fault> {
    let answers = session.turn("read facts", &[Ask::Query(&Sql::new(BANNER, vec![]))]).await?;
    let answer = answers.into_iter().next().ok_or_else(|| odd(place))?;
    let answer = answer.map_err(|error| error::fault(&error, "read facts", place))?;
    get(answer.rows.first().ok_or_else(|| odd(place))?, 0, place)
}

/// The signs that are looked for in the catalog, and the statement that looks for them: a column each.
fn signs() -> (Vec<&'static Sign>, String) {
    let asked = PRODUCTS.iter().flat_map(|product| product.signs).filter_map(|sign| {
        let look = match sign {
            Sign::Function(name) => {
                let own = "pronamespace = 'pg_catalog'::regnamespace";
                format!("exists (select from pg_proc where proname = '{name}' and {own})")
            }
            Sign::Extension(name) => format!("exists (select from pg_extension where extname = '{name}')"),
            Sign::Setting(name) => format!("coalesce(current_setting('{name}', true), '') not in ('', 'off')"),
            _ => return None,
        };
        Some((sign, look))
    });
    let (signs, looks): (Vec<_>, Vec<_>) = asked.unzip();
    (signs, format!("select {}", looks.join(", ")))
}

fn named(host: &Host) -> Option<&str> {
    match host {
        Host::Tcp(name) => Some(name),
        #[cfg(unix)]
        Host::Unix(_) => None,
    }
}

/// The system identifier and the timeline.
pub(crate) async fn identity(session: &Session, place: &str) -> Result<(String, String), Fault> {
    let answers = session.read("read identity", place, "", &[&Sql::new(IDENTITY, vec![])]).await?;
    let row = answers.first().and_then(|answer| answer.rows.first()).ok_or_else(|| odd(place))?;
    Ok((get(row, 0, place)?, get(row, 1, place)?))
}

/// What every server that is worked with can do.
pub(crate) fn capabilities(known: &Product) -> Capabilities {
    Capabilities {
        atomicity: known.atomicity,
        mixed: false,
        row_lock: RowLock::SkipLocked,
        fence: known.fence,
        effect_counters: true,
        batch_rows_max: BATCH_ROWS_MAX,
        // Measured beside an application: p99 1.08 times the one before, where a tenth came to 1.37.
        share_beside_others: 0.05,
    }
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Sign, recognise};

    use super::{PRODUCTS, signs};

    fn found(banner: &str, host: &str, shown: Option<Sign>) -> &'static str {
        let told = |sign: &Sign| sign.is_in(banner, "") || sign.is_host([host].into_iter()) || shown == Some(*sign);
        recognise(PRODUCTS, told).unwrap().name
    }

    #[test]
    fn products_are_told_by_their_banner_their_host_or_what_they_have() {
        for (banner, name) in [
            ("PostgreSQL 15.8 on x86_64-pc-linux-gnu", "PostgreSQL"),
            ("PostgreSQL 15.2-YB-2.25.0.0-b489 on x86_64-pc-linux-gnu", "YugabyteDB"),
            ("CockroachDB CCL v25.1.0 (x86_64-pc-linux-gnu, built 2025/02/12)", "CockroachDB"),
            ("PostgreSQL 12.12 (Greenplum Database 7.0.0 build commit:abc) on x86_64", "Greenplum"),
            ("PostgreSQL 14.4 (Apache Cloudberry 2.0.0 build 1) on x86_64", "Apache Cloudberry"),
            ("PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc, Redshift 1.0.62", "Amazon Redshift"),
            ("PostgreSQL 15.2 (EnterpriseDB Advanced Server 15.2.0) on x86_64", "EDB Postgres Advanced Server"),
            ("PostgreSQL 14.2-ShardingSphere-Proxy 5.5.0", "ShardingSphere"),
            ("Something 1.0", "a server of PostgreSQL's protocol"),
        ] {
            assert_eq!(found(banner, "db", None), name, "{banner}");
        }
        let plain = "PostgreSQL 16.4 on x86_64-pc-linux-gnu";
        assert_eq!(found(plain, "abc.dsql.us-east-1.on.aws", None), "Aurora DSQL");
        for (sign, name) in [
            (Sign::Function("aurora_version"), "Aurora PostgreSQL"),
            (Sign::Extension("citus"), "Citus"),
            (Sign::Setting("neon.timeline_id"), "Neon"),
        ] {
            assert_eq!(found(plain, "db", Some(sign)), name);
        }
    }

    #[test]
    fn each_sign_of_the_catalog_is_asked_for() {
        let (signs, asked) = signs();
        assert_eq!(signs.len(), 4);
        for part in
            ["proname = 'aurora_version'", "extname = 'citus'", "'alloydb.iam_authentication'", "'neon.timeline_id'"]
        {
            assert!(asked.contains(part), "{asked}");
        }
    }
}
