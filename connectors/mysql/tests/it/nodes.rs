//! Servers that hold the same data and all take writes, and what can happen to one of them.

use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use tokio::sync::{Mutex, MutexGuard};

use crate::server::{Server, given, keep};

/// What kind of cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cluster {
    /// Three nodes of MariaDB, shared by the tests.
    Galera,
    /// Three members of a group of MySQL servers, shared by the tests. It takes long, so only the full form has one.
    Group,
}

/// The nodes of a cluster, for one test at a time.
pub(crate) struct Nodes {
    pub(crate) cluster: Cluster,
    servers: &'static [Server],
    _alone: MutexGuard<'static, ()>,
}

/// A node that applies nothing of what the others write, until this is dropped.
pub(crate) struct Lag {
    _holder: Conn,
}

/// Rows that are applied no sooner than nobody holds the lock `lag` on the server; at most 30 seconds.
const LAG: &str = "create table if not exists lag (id int primary key auto_increment); \
    create or replace trigger lag before insert on lag for each row begin declare n int default 0; \
    while n < 3000 and is_used_lock('lag') is not null do do sleep(0.01); set n = n + 1; end while; end";

/// A node whose process stands still until this is dropped.
pub(crate) struct Frozen {
    pid: String,
}

// === impl Cluster ===

impl Cluster {
    /// Its nodes; absent: it is not there.
    pub(crate) async fn nodes(self) -> Option<Nodes> {
        static GALERA: OnceLock<Vec<Server>> = OnceLock::new();
        static GROUP: OnceLock<Vec<Server>> = OnceLock::new();
        static ALONE: [Mutex<()>; 2] = [const { Mutex::const_new(()) }; 2];
        let alone = ALONE[usize::from(self == Self::Group)].lock().await;
        let servers = match self {
            Self::Galera => GALERA.get_or_init(|| keep("galera").expect("the cluster")),
            Self::Group => {
                let urls = std::env::var("FORGETD_TEST_GROUP_URLS").ok()?;
                GROUP.get_or_init(|| urls.split(' ').map(given).collect())
            }
        };
        Some(Nodes { cluster: self, servers, _alone: alone })
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
    pub(crate) fn node(&self, number: usize) -> &Server {
        &self.servers[number]
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

    /// Lets a node lag behind: it applies nothing of what the others write from now on. A member of a group cannot, as long
    /// as somebody keeps a table from it; a node of MariaDB waits in a trigger as long as somebody holds a lock there.
    pub(crate) async fn lag(&self, number: usize, database: &str) -> Lag {
        let mut first = self.node(0).session(Some(database)).await;
        let mut holder = self.node(number).session(Some(database)).await;
        match self.cluster {
            Cluster::Galera => {
                first.query_drop(LAG).await.unwrap();
                holder.query_drop("set global slave_run_triggers_for_rbr = 'ENFORCE'").await.unwrap();
                holder.query_drop("do get_lock('lag', 0)").await.unwrap();
                first.query_drop("insert into lag values ()").await.unwrap();
            }
            Cluster::Group => {
                holder.query_drop("lock tables much read").await.unwrap();
                first.query_drop("update much set n = n + 1").await.unwrap();
            }
        }
        Lag { _holder: holder }
    }

    /// How many transactions a node has sent to the others, whatever became of them.
    pub(crate) async fn sent(&self, number: usize) -> u64 {
        let status = match self.cluster {
            Cluster::Galera => {
                "select variable_value from information_schema.global_status where variable_name = 'wsrep_replicated'"
            }
            Cluster::Group => {
                "select count_transactions_local_proposed from performance_schema.replication_group_member_stats \
                 where member_id = @@server_uuid"
            }
        };
        self.node(number).session(None).await.query_first(status).await.unwrap().unwrap()
    }

    /// Waits until it has sent more than that; at most ten seconds.
    pub(crate) async fn sends_more(&self, number: usize, than: u64) {
        for _ in 0..500 {
            if self.sent(number).await > than {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
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
