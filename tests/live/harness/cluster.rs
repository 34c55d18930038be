//! Several servers that hold the same data and all take writes.

use std::sync::OnceLock;

use super::{Database, MysqlSession, Product, Servers, until};

/// What kind of cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cluster {
    /// Three nodes of MariaDB.
    Galera,
}

/// One of the nodes, and what can happen to it. The first one is the tests' own: nothing happens to that.
pub(crate) struct Node {
    cluster: Cluster,
    session: MysqlSession,
}

/// How a node that lags treats the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// They go on without it.
    Free,
    /// They wait once it is far behind.
    Held,
}

// === impl Cluster ===

impl Cluster {
    /// Its nodes, which all tests of the process share; none where they could not be downloaded.
    pub(crate) fn servers(self) -> Option<&'static Servers> {
        static GALERA: OnceLock<Option<Servers>> = OnceLock::new();
        let (kept, name) = match self {
            Self::Galera => (&GALERA, "galera"),
        };
        kept.get_or_init(|| Servers::start(name)).as_ref()
    }

    pub(crate) const fn product(self) -> Product {
        match self {
            Self::Galera => Product::MariaDb,
        }
    }

    /// Makes a session see whatever was committed before it asks, on any node.
    pub(crate) const fn causal(self) -> &'static str {
        match self {
            Self::Galera => "set session wsrep_sync_wait = 15",
        }
    }

    /// The node of this number.
    pub(crate) fn node(self, number: usize) -> Node {
        let session = self.servers().expect("the cluster").administrator(self.product(), number);
        Node { cluster: self, session }
    }

    /// Makes what [`Node::lag`] needs in a database of this cluster.
    pub(crate) fn prepare(self, database: &dyn Database) {
        match self {
            // Whoever applies a row waits while its server runs triggers for what others wrote; at most 30 seconds.
            Self::Galera => database.exec(
                "create table lag (id integer primary key auto_increment);
                 create trigger lag before insert on lag for each row begin
                   declare n integer default 0;
                   while n < 3000 and @@global.slave_run_triggers_for_rbr = 'ENFORCE' do
                     do sleep(0.01);
                     set n = n + 1;
                   end while;
                 end",
            ),
        }
    }
}

// === impl Node ===

impl Node {
    /// From now on it applies nothing of what others write, `database` being one of theirs, until it catches up.
    pub(crate) fn lag(&self, flow: Flow, database: &dyn Database) {
        match self.cluster {
            Cluster::Galera => {
                if flow == Flow::Free {
                    self.session.exec("set global wsrep_desync = on");
                }
                self.session.exec("set global slave_run_triggers_for_rbr = 'ENFORCE'");
                database.exec("insert into lag values ()");
            }
        }
    }

    /// It applies what it missed.
    pub(crate) fn catch_up(&self) {
        match self.cluster {
            Cluster::Galera => {
                self.session.exec("set global slave_run_triggers_for_rbr = 'NO'");
                self.session.exec("set global wsrep_desync = off");
                self.until_there();
            }
        }
    }

    /// How many transactions it has sent to the others, whatever became of them.
    pub(crate) fn sent(&self) -> u64 {
        let rows = match self.cluster {
            Cluster::Galera => self.session.rows("show status like 'wsrep_replicated'"),
        };
        rows[0][1].as_deref().and_then(|number| number.parse().ok()).expect("a number")
    }

    /// Neither does it hear the others nor they it; soon they are the cluster, and it is none.
    pub(crate) fn cut_off(&self) {
        match self.cluster {
            Cluster::Galera => self.session.exec("set global wsrep_provider_options = 'gmcast.isolate=1'"),
        }
    }

    /// It comes back and catches up.
    pub(crate) fn come_back(&self) {
        match self.cluster {
            Cluster::Galera => {
                self.session.exec("set global wsrep_provider_options = 'gmcast.isolate=0'");
                self.until_there();
            }
        }
    }

    fn until_there(&self) {
        let state = match self.cluster {
            Cluster::Galera => "show status where variable_name = 'wsrep_local_state_comment' and value = 'Synced'",
        };
        until("the node takes part", 60, || !self.session.rows(state).is_empty());
    }
}
