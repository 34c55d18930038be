//! What the server is: product, version, identity, durability.

use std::collections::BTreeMap;

use forgetd_connector::{Atomicity, Capabilities, Cause, Durability, Facts, Fault, FaultClass, FenceKind, RowLock};
use mysql_async::Row;

use crate::answer::get;
use crate::connect::Session;
use crate::flavour::Flavour;

/// The most rows one batch may change: more would hold row locks for too long on any hardware.
pub(crate) const BATCH_ROWS_MAX: u32 = 50_000;

/// Asked first and by itself: a proxy that speaks for several servers answers lists in the name of one of them.
pub(crate) const OF_ITSELF: &str = "select version(), @@version_comment";

/// Asked as a list, because to name a variable that the product does not have is an error.
pub(crate) const VARIABLES: &str = "\
show variables where variable_name in ('version', 'version_comment', 'hostname', 'server_id', 'server_uuid', \
  'server_uid', 'datadir', 'read_only', 'super_read_only', 'innodb_read_only', 'innodb_flush_log_at_trx_commit', \
  'innodb_doublewrite', 'log_bin', 'sync_binlog', 'lower_case_table_names', 'wsrep_on', \
  'group_replication_group_name')";

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
    pub(crate) fence: FenceKind,
    /// Whether names of tables are compared without regard to case.
    pub(crate) folds_names: bool,
    /// Which server this is, whatever data it shares with others.
    pub(crate) server: String,
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

    /// Which product this is, if it is one that we work with.
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
pub(crate) fn look(session: &Session, place: &str) -> Result<Looked, Fault> {
    let found = session.variables();
    let flavour = found.flavour(place)?;
    let other = session.announced_id() != session.id();
    let pooler = other.then(|| "a proxy: the session has another number than was announced".into());
    let facts = Facts {
        product: flavour.product.name().into(),
        version: found.get("version").into(),
        identity: found.identity(),
        durability: found.durability(),
        read_only: found.on("read_only") || found.on("super_read_only") || found.on("innodb_read_only"),
        pooler,
        tls: session.tls(),
        probed: None,
    };
    // How many members of a group take writes can be changed at any time, without a word to its sessions.
    let several_write = found.on("wsrep_on") || !found.get("group_replication_group_name").is_empty();
    Ok(Looked {
        facts,
        flavour,
        fence: if several_write { FenceKind::Write } else { FenceKind::Lock },
        folds_names: found.get("lower_case_table_names") != "0",
        server: found.server(),
    })
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
    use forgetd_connector::Durability;

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
        assert!(both.flavour("crm").unwrap_err().to_string().contains("ShardingSphere"));
        assert!(both.on("log_bin") && server().flavour("crm").is_ok());
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
