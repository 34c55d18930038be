//! Servers that hold the same data and all take writes, and what can happen to one of them.

use std::process::Command;
use std::sync::OnceLock;

use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use tokio::sync::{Mutex, MutexGuard};

use crate::server::{Server, given, keep};

/// What kind of cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cluster {
    /// Three nodes of MariaDB, started for each test.
    Galera,
    /// Three members of a group of MySQL servers, shared by the tests. It takes long, so only the full form has one.
    Group,
}

/// The nodes of a cluster, for one test at a time.
pub(crate) struct Nodes {
    pub(crate) cluster: Cluster,
    servers: Servers,
    _alone: Option<MutexGuard<'static, ()>>,
}

enum Servers {
    Own(Vec<Server>),
    Shared(&'static [Server]),
}

/// A node that applies nothing of what the others write, or not for a while; until this is dropped.
pub(crate) struct Lag {
    _holder: Option<Conn>,
}

/// A node whose process stands still until this is dropped.
pub(crate) struct Frozen {
    pid: String,
}

// === impl Cluster ===

impl Cluster {
    /// Its nodes; absent: it is not there.
    pub(crate) async fn nodes(self) -> Option<Nodes> {
        static GROUP: OnceLock<Vec<Server>> = OnceLock::new();
        static ALONE: Mutex<()> = Mutex::const_new(());
        if self == Self::Galera {
            let servers = Servers::Own(keep("galera").expect("the cluster"));
            return Some(Nodes { cluster: self, servers, _alone: None });
        }
        let alone = ALONE.lock().await;
        let urls = std::env::var("FORGETD_TEST_GROUP_URLS").ok()?;
        let servers = Servers::Shared(GROUP.get_or_init(|| urls.split(' ').map(given).collect()));
        Some(Nodes { cluster: self, servers, _alone: Some(alone) })
    }

    /// Makes the next read of a session see what was committed on any node.
    pub(crate) const fn causal(self) -> &'static str {
        match self {
            Self::Galera => "set session wsrep_sync_wait = 1",
            Self::Group => "set session group_replication_consistency = 'BEFORE'",
        }
    }
}

// === impl Nodes ===

impl Nodes {
    pub(crate) fn all(&self) -> &[Server] {
        match &self.servers {
            Servers::Own(servers) => servers,
            Servers::Shared(servers) => servers,
        }
    }

    pub(crate) fn node(&self, number: usize) -> &Server {
        &self.all()[number]
    }

    /// A fresh database of this name, and with it nothing that an earlier test left.
    pub(crate) async fn database(&self, name: &str, tables: &str) {
        let mut session = self.node(0).session(None).await;
        let made = format!(
            "drop database if exists {name}; drop database if exists {name}_forgetd; create database {name}; use {name}; \
             {tables}"
        );
        session.query_drop(made).await.unwrap();
    }

    /// What a query says of all that was committed anywhere, on this node.
    pub(crate) async fn count(&self, number: usize, database: &str, table: &str) -> u64 {
        let mut session = self.node(number).session(None).await;
        session.query_drop(self.cluster.causal()).await.unwrap();
        session.query_drop(format!("use {database}")).await.unwrap();
        session.query_first(format!("select count(*) from {table}")).await.unwrap().unwrap()
    }

    /// Lets a node lag behind: it has to apply a change of all rows of the table `much` before it sees what comes after.
    /// A member of a group cannot, as long as somebody keeps the table from it.
    pub(crate) async fn lag(&self, number: usize, database: &str) -> Lag {
        let mut holder = None;
        if self.cluster == Cluster::Group {
            let mut session = self.node(number).session(Some(database)).await;
            session.query_drop("lock tables much read").await.unwrap();
            holder = Some(session);
        }
        self.node(0).session(Some(database)).await.query_drop("update much set n = n + 1").await.unwrap();
        Lag { _holder: holder }
    }

    /// Lets a node stand still.
    pub(crate) async fn freeze(&self, number: usize) -> Frozen {
        let file: Option<String> =
            self.node(number).session(None).await.query_first("select @@pid_file").await.unwrap();
        let pid = std::fs::read_to_string(file.unwrap()).unwrap().trim().to_owned();
        signal("-STOP", &pid);
        Frozen { pid }
    }
}

// === impl Frozen ===

impl Drop for Frozen {
    fn drop(&mut self) {
        signal("-CONT", &self.pid);
    }
}

fn signal(name: &str, pid: &str) {
    assert!(Command::new("kill").args([name, pid]).status().unwrap().success());
}
