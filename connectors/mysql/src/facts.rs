//! What the server is: product, version, identity, durability.

use std::collections::BTreeMap;

use forgetd_connector::{Atomicity, Capabilities, Cause, Durability, Facts, Fault, FaultClass, FenceKind, RowLock};

use crate::answer::{get, odd};
use crate::connect::Session;
use crate::flavour::Flavour;
use crate::query::Sql;

/// The most rows one batch may change: more would hold row locks for too long on any hardware.
const BATCH_ROWS_MAX: u32 = 50_000;

/// Asked as a list, because to name a variable that the product does not have is an error.
const VARIABLES: &str = "\
show variables where variable_name in ('version', 'version_comment', 'hostname', 'server_id', 'server_uuid', \
  'server_uid', 'datadir', 'read_only', 'super_read_only', 'innodb_read_only', 'innodb_flush_log_at_trx_commit', \
  'innodb_doublewrite', 'log_bin', 'sync_binlog', 'lower_case_table_names', 'wsrep_on', \
  'group_replication_group_name', 'group_replication_single_primary_mode')";

/// What was found out beside the facts of the seam.
#[derive(Clone, Debug)]
pub(crate) struct Looked {
    pub(crate) facts: Facts,
    pub(crate) flavour: Flavour,
    pub(crate) fence: FenceKind,
    /// Whether names of tables are compared without regard to case.
    pub(crate) folds_names: bool,
}

/// Looks at the server behind a session.
pub(crate) async fn look(session: &mut Session, place: &str) -> Result<Looked, Fault> {
    let found = variables(session, place).await?;
    let value = |name: &str| found.get(name).map(String::as_str).unwrap_or_default();
    let on =
        |name: &str| matches!(value(name).to_ascii_uppercase().as_str(), "ON" | "1" | "NO_LOCK" | "NO_LOCK_NO_ADMIN");
    let flavour = Flavour::read(value("version"), value("version_comment")).map_err(|reason| {
        Fault::new(FaultClass::Blocked(Cause::Unsupported), "read facts", place).with_detail(reason)
    })?;
    let other = session.announced_id() != session.id();
    let pooler = other.then(|| "a proxy: the session has another number than was announced".into());
    let facts = Facts {
        product: flavour.product.name().into(),
        version: value("version").into(),
        identity: identity(&found),
        durability: durability(&found),
        read_only: on("read_only") || on("super_read_only") || on("innodb_read_only"),
        pooler,
        tls: session.tls(),
    };
    let several_write = on("wsrep_on")
        || (!value("group_replication_group_name").is_empty() && !on("group_replication_single_primary_mode"));
    Ok(Looked {
        facts,
        flavour,
        fence: if several_write { FenceKind::Write } else { FenceKind::Lock },
        folds_names: value("lower_case_table_names") != "0",
    })
}

async fn variables(session: &mut Session, place: &str) -> Result<BTreeMap<String, String>, Fault> {
    let answers = session.read("read facts", place, &[&Sql::plain(VARIABLES)]).await?;
    let rows = answers.first().map(|answer| answer.rows.as_slice()).ok_or_else(|| odd(place))?;
    rows.iter().map(|row| Ok((get::<String>(row, 0, place)?.to_lowercase(), get(row, 1, place)?))).collect()
}

/// Who this very server is. Where it has no identifier of its own, what tells two servers apart stands for one.
fn identity(found: &BTreeMap<String, String>) -> String {
    let value = |name: &str| found.get(name).map(String::as_str).unwrap_or_default();
    for name in ["server_uuid", "server_uid"] {
        if !value(name).is_empty() {
            return value(name).into();
        }
    }
    format!("{}/{}/{}", value("hostname"), value("server_id"), value("datadir"))
}

/// The identity of the server behind a session.
pub(crate) async fn identity_of(session: &mut Session, place: &str) -> Result<String, Fault> {
    Ok(identity(&variables(session, place).await?))
}

fn durability(found: &BTreeMap<String, String>) -> Durability {
    let value = |name: &str| found.get(name).map(String::as_str).unwrap_or_default().to_ascii_uppercase();
    let flushed = value("innodb_flush_log_at_trx_commit") == "1";
    let whole_pages = !matches!(value("innodb_doublewrite").as_str(), "OFF" | "0" | "FALSE");
    // A transaction that the binary log lost is rolled back when the server starts again.
    let logged = matches!(value("log_bin").as_str(), "OFF" | "0" | "") || value("sync_binlog") == "1";
    if flushed && whole_pages && logged { Durability::Full } else { Durability::Weak }
}

/// What every supported server can do.
pub(crate) fn capabilities(looked: &Looked) -> Capabilities {
    Capabilities {
        atomicity: Atomicity::Atomic,
        mixed: true,
        row_lock: RowLock::SkipLocked,
        fence: looked.fence,
        effect_counters: false,
        batch_rows_max: BATCH_ROWS_MAX,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use forgetd_connector::Durability;

    use super::{durability, identity};

    fn found(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_commit_is_durable_when_both_logs_are_flushed() {
        let all = [
            ("innodb_flush_log_at_trx_commit", "1"),
            ("innodb_doublewrite", "ON"),
            ("log_bin", "ON"),
            ("sync_binlog", "1"),
        ];
        assert_eq!(durability(&found(&all)), Durability::Full);
        for (name, value, durable) in [
            ("innodb_flush_log_at_trx_commit", "2", Durability::Weak),
            ("innodb_doublewrite", "OFF", Durability::Weak),
            ("innodb_doublewrite", "DETECT_AND_RECOVER", Durability::Full),
            ("sync_binlog", "0", Durability::Weak),
            ("log_bin", "OFF", Durability::Full),
        ] {
            let mut found = found(&all);
            found.insert(name.into(), value.into());
            assert_eq!(durability(&found), durable, "{name} = {value}");
        }
    }

    #[test]
    fn a_server_without_an_identifier_has_a_place() {
        assert_eq!(identity(&found(&[("server_uuid", "u"), ("hostname", "h")])), "u");
        assert_eq!(identity(&found(&[("hostname", "h"), ("server_id", "1"), ("datadir", "/d/")])), "h/1//d/");
    }
}
