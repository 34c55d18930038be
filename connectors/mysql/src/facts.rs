//! What the server is: product, version, identity, durability.

use std::collections::BTreeMap;

use forgetd_connector::{
    Capabilities, Cause, Durability, Facts, Fault, FaultClass, FenceKind, Product, RowLock, Sign, UnsupportedEngine,
    recognise,
};
use mysql_async::Row;

use crate::answer::{get, odd};
use crate::connect::{Ask, Session};
use crate::flavour::Flavour;
use crate::products::PRODUCTS;

/// The most rows one batch may change: more would hold row locks for too long on any hardware.
pub(crate) const BATCH_ROWS_MAX: u32 = 50_000;

/// Asked first and by itself: a proxy that speaks for several servers answers lists in the name of one of them.
pub(crate) const OF_ITSELF: &str = "select version(), @@version_comment";

/// Asked by itself and in these very words, of which `ProxySQL` answers with its own name.
const OF_THE_PROXY: &str = "select @@version_comment limit 1";

/// Asked as a list, because to name a variable that the product does not have is an error.
pub(crate) const VARIABLES: &str = "\
show variables where variable_name in ('version', 'version_comment', 'hostname', 'server_id', 'server_uuid', \
  'server_uid', 'datadir', 'read_only', 'super_read_only', 'innodb_read_only', 'innodb_flush_log_at_trx_commit', \
  'innodb_doublewrite', 'log_bin', 'sync_binlog', 'lower_case_table_names', 'wsrep_on', \
  'group_replication_group_name', 'aurora_version')";

/// The cluster's own name of the history that its nodes share.
pub(crate) const STATUS: &str = "show status like 'wsrep_cluster_state_uuid'";

/// What the server said about itself.
#[derive(Clone, Default)]
pub(crate) struct Variables(BTreeMap<String, String>);

/// What was found out beside the facts of the seam.
#[derive(Clone, Debug)]
pub(crate) struct Looked {
    pub(crate) facts: Facts,
    pub(crate) flavour: Flavour,
    /// Whether names of tables are compared without regard to case.
    pub(crate) folds_names: bool,
    /// Which server this is, whatever data it shares with others.
    pub(crate) server: String,
}

// === impl Looked ===

impl Looked {
    /// How a stale holder is kept out.
    pub(crate) fn fence(&self) -> FenceKind {
        self.facts.known.fence
    }
}

// === impl Variables ===

impl Variables {
    /// Reads names and values.
    pub(crate) fn read<'a>(rows: impl Iterator<Item = &'a Row>, place: &str) -> Result<Self, Fault> {
        let pair = |row| Ok((get::<String>(row, 0, place)?.to_lowercase(), get(row, 1, place)?));
        rows.map(pair).collect::<Result<_, _>>().map(Self)
    }

    /// Reads the answer to [`OF_ITSELF`].
    pub(crate) fn of_itself(row: &Row, place: &str) -> Result<Self, Fault> {
        let pair = |name: &str, at| Ok((name.to_owned(), get(row, at, place)?));
        [pair("version", 0), pair("version_comment", 1)].into_iter().collect::<Result<_, _>>().map(Self)
    }

    /// More of them; what is known already stands.
    pub(crate) fn and(&self, more: Self) -> Self {
        let mut all = more;
        all.0.extend(self.0.clone());
        all
    }

    /// Which product this is, if it is one that may be worked with.
    pub(crate) fn product(&self, wanted: UnsupportedEngine, place: &str) -> Result<&'static Product, Fault> {
        let shows = |sign: &Sign| match sign {
            Sign::Setting(name) => !matches!(self.get(name).to_ascii_uppercase().as_str(), "" | "OFF" | "0"),
            sign => sign.is_in(self.get("version"), self.get("version_comment")),
        };
        let product = recognise(PRODUCTS, shows).ok_or_else(|| odd(place))?;
        product.admit(wanted, place).map(|()| product)
    }

    /// In which version, if it is none that is too old.
    pub(crate) fn flavour(&self, place: &str) -> Result<Flavour, Fault> {
        Flavour::read(self.get("version"), self.get("version_comment")).map_err(|reason| {
            Fault::new(FaultClass::Blocked(Cause::Unsupported), "read facts", place).with_detail(reason)
        })
    }

    /// The value of one; empty where there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Whether one is on, in any of its words.
    pub(crate) fn on(&self, name: &str) -> bool {
        matches!(self.get(name).to_ascii_uppercase().as_str(), "ON" | "1" | "NO_LOCK" | "NO_LOCK_NO_ADMIN")
    }

    /// Whose data these are. The nodes of a cluster share them. Where a server has no identifier of its own, what tells two
    /// servers apart stands for one.
    pub(crate) fn identity(&self) -> String {
        for name in ["wsrep_cluster_state_uuid", "group_replication_group_name", "server_uuid", "server_uid"] {
            if !self.get(name).is_empty() && (name != "wsrep_cluster_state_uuid" || self.on("wsrep_on")) {
                return self.get(name).into();
            }
        }
        self.server()
    }

    /// Which server this is, whatever data it shares with others: numbers of sessions are its own.
    pub(crate) fn server(&self) -> String {
        match self.get("server_uuid") {
            "" => format!("{}/{}/{}", self.get("hostname"), self.get("server_id"), self.get("datadir")),
            uuid => uuid.into(),
        }
    }

    fn durability(&self) -> Durability {
        let off = |name: &str| matches!(self.get(name).to_ascii_uppercase().as_str(), "OFF" | "0" | "FALSE" | "");
        let flushed = self.get("innodb_flush_log_at_trx_commit") == "1";
        // A transaction that the binary log lost is rolled back when the server starts again.
        let logged = off("log_bin") || self.get("sync_binlog") == "1";
        if flushed && !off("innodb_doublewrite") && logged { Durability::Full } else { Durability::Weak }
    }
}

/// Looks at the server behind a session.
pub(crate) async fn look(session: &mut Session, wanted: UnsupportedEngine, place: &str) -> Result<Looked, Fault> {
    let found = session.variables().clone();
    let known = found.product(wanted, place)?;
    let flavour = found.flavour(place)?;
    let other = session.announced_id() != session.id();
    let facts = Facts {
        product: known.name.into(),
        known,
        version: found.get("version").into(),
        identity: found.identity(),
        durability: found.durability(),
        read_only: found.on("read_only") || found.on("super_read_only") || found.on("innodb_read_only"),
        pooler: if other { Some(proxy(session, place).await?) } else { None },
        tls: session.tls(),
        probed: None,
    };
    Ok(Looked { facts, flavour, folds_names: found.get("lower_case_table_names") != "0", server: found.server() })
}

/// What stands between us and the server, as far as it can be told.
async fn proxy(session: &mut Session, place: &str) -> Result<String, Fault> {
    let answers = session.answers("read facts", place, &[Ask::Say(OF_THE_PROXY)]).await?;
    let row = answers.first().and_then(|answer| answer.rows.first()).ok_or_else(|| odd(place))?;
    let name = if get::<String>(row, 0, place)?.contains("ProxySQL") { "ProxySQL" } else { "a proxy" };
    Ok(format!("{name}: the session has another number than was announced"))
}

/// What every server that is worked with can do.
pub(crate) fn capabilities(looked: &Looked) -> Capabilities {
    Capabilities {
        atomicity: looked.facts.known.atomicity,
        mixed: true,
        row_lock: RowLock::SkipLocked,
        fence: looked.fence(),
        effect_counters: false,
        batch_rows_max: BATCH_ROWS_MAX,
        // The least p99 that was measured beside an application on MariaDB: a twentieth came to 1.43 times the one before.
        share_beside_others: 0.025,
    }
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Durability, FenceKind, UnsupportedEngine};

    use super::Variables;

    fn found(pairs: &[(&str, &str)]) -> Variables {
        Variables(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_commit_is_durable_when_both_logs_are_flushed() {
        let all = [
            ("innodb_flush_log_at_trx_commit", "1"),
            ("innodb_doublewrite", "ON"),
            ("log_bin", "ON"),
            ("sync_binlog", "1"),
        ];
        assert_eq!(found(&all).durability(), Durability::Full);
        for (name, value, durable) in [
            ("innodb_flush_log_at_trx_commit", "2", Durability::Weak),
            ("innodb_doublewrite", "OFF", Durability::Weak),
            ("innodb_doublewrite", "DETECT_AND_RECOVER", Durability::Full),
            ("sync_binlog", "0", Durability::Weak),
            ("log_bin", "OFF", Durability::Full),
        ] {
            let mut found = found(&all);
            found.0.insert(name.into(), value.into());
            assert_eq!(found.durability(), durable, "{name} = {value}");
        }
    }

    #[test]
    fn what_a_proxy_says_of_itself_goes_before_what_a_server_says() {
        let server =
            || found(&[("version", "8.0.36"), ("version_comment", "MySQL Community Server"), ("log_bin", "ON")]);
        let proxy = found(&[("version", "5.7.22-ShardingSphere-Proxy 5.5.0"), ("version_comment", "")]);
        let both = proxy.and(server());
        let refused = both.product(UnsupportedEngine::Accept, "crm").unwrap_err().to_string();
        assert!(refused.contains("ShardingSphere cannot be worked with"), "{refused}");
        assert!(both.on("log_bin") && server().product(UnsupportedEngine::Refuse, "crm").is_ok());
    }

    #[test]
    fn products_are_told_by_their_version_or_a_setting() {
        for (version, comment, setting, title, fence) in [
            ("10.11.19-MariaDB-log", "Debian 12", ("wsrep_on", "OFF"), "MariaDB", FenceKind::Lock),
            ("10.11.19-MariaDB-log", "Debian 12", ("wsrep_on", "ON"), "MariaDB (Galera)", FenceKind::Write),
            ("9.7.4-2", "(Debian)", ("group_replication_group_name", ""), "MySQL", FenceKind::Lock),
            ("8.4.0-1", "Percona Server (GPL)", ("", ""), "MySQL", FenceKind::Lock),
            (
                "9.7.4-2",
                "(Debian)",
                ("group_replication_group_name", "g"),
                "MySQL (Group Replication, InnoDB Cluster)",
                FenceKind::Write,
            ),
            (
                "8.0.36-28.1",
                "Percona XtraDB Cluster (GPL)",
                ("wsrep_on", "1"),
                "MySQL (Galera: Percona XtraDB Cluster)",
                FenceKind::Write,
            ),
            ("8.0.32", "Source distribution", ("aurora_version", "3.05.2"), "Aurora MySQL", FenceKind::Write),
            ("5.7.25-OceanBase-v4.2.1", "OceanBase_CE 4.2.1", ("", ""), "OceanBase", FenceKind::Write),
        ] {
            let found = found(&[("version", version), ("version_comment", comment), setting]);
            let product = found.product(UnsupportedEngine::Accept, "crm").unwrap();
            assert_eq!((product.title().as_str(), product.fence), (title, fence), "{version} {comment}");
            assert_eq!(found.product(UnsupportedEngine::Refuse, "crm").is_err(), product.is_untried(), "{title}");
        }
    }

    #[test]
    fn what_cannot_work_is_refused_whatever_is_written() {
        for (version, comment, name) in [
            ("8.0.11-TiDB-v7.5.1", "TiDB Server", "TiDB"),
            ("8.0.30-Vitess", "", "Vitess"),
            ("8.0.33", "Dolt", "Dolt"),
            ("5.7.32", "SingleStoreDB source distribution", "SingleStore"),
        ] {
            let found = found(&[("version", version), ("version_comment", comment)]);
            let refused = found.product(UnsupportedEngine::Accept, "crm").unwrap_err().to_string();
            assert!(refused.contains(&format!("{name} cannot be worked with")), "{refused}");
        }
    }

    #[test]
    fn data_have_an_identity() {
        let place = [("hostname", "h"), ("server_id", "1"), ("datadir", "/d/"), ("wsrep_cluster_state_uuid", "c")];
        for (more, identity) in [
            (&[][..], "h/1//d/"),
            (&[("server_uid", "u")], "u"),
            (&[("server_uuid", "u")], "u"),
            (&[("server_uuid", "u"), ("wsrep_on", "ON")], "c"),
            (&[("server_uuid", "u"), ("group_replication_group_name", "g")], "g"),
        ] {
            let mut all = place.to_vec();
            all.extend(more);
            assert_eq!(found(&all).identity(), identity, "{more:?}");
        }
    }
}
