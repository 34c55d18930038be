//! Several servers that hold the same data and all take writes.

use std::process::Command;
use std::sync::OnceLock;

use url::Url;

use super::{Database, MysqlSession, Product, Servers, until};

/// The addresses of a group that somebody else keeps.
const GROUP_URLS: &str = "FORGETD_TEST_GROUP_URLS";

/// What kind of cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cluster {
    /// Three nodes of MariaDB.
    Galera,
    /// Three members of a group of MySQL servers.
    Group,
}

/// One of the nodes, and what can happen to it. The first one is the tests' own: nothing happens to that.
pub(crate) struct Node {
    cluster: Cluster,
    session: MysqlSession,
    /// Of a member of a group: its process.
    pid: Option<String>,
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
        static GROUP: OnceLock<Option<Servers>> = OnceLock::new();
        match self {
            Self::Galera => GALERA.get_or_init(|| Servers::start("galera")).as_ref(),
            Self::Group => {
                GROUP.get_or_init(|| Servers::given(GROUP_URLS).or_else(|| Servers::start("group"))).as_ref()
            }
        }
    }

    /// Whether somebody keeps one already: a group takes long to start.
    pub(crate) fn is_given(self) -> bool {
        self == Self::Group && std::env::var_os(GROUP_URLS).is_some()
    }

    pub(crate) const fn product(self) -> Product {
        match self {
            Self::Galera => Product::MariaDb,
            Self::Group => Product::MySql,
        }
    }

    /// Makes a session see whatever was committed before it asks, on any node.
    pub(crate) const fn causal(self) -> &'static str {
        match self {
            Self::Galera => "set session wsrep_sync_wait = 15",
            // And numbers its rows as a server alone does.
            Self::Group => "set session group_replication_consistency = 'BEFORE', auto_increment_increment = 1",
        }
    }

    /// The node of this number.
    pub(crate) fn node(self, number: usize) -> Node {
        let session = self.servers().expect("the cluster").administrator(self.product(), number);
        let pid = match self {
            Self::Galera => None,
            Self::Group => Some(pid(&session)),
        };
        Node { cluster: self, session, pid }
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
            // Whoever applies a row waits while a session keeps the table.
            Self::Group => database.exec("create table behind (id integer primary key auto_increment)"),
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
            // A group waits for a member that is tens of thousands of transactions behind: none is here.
            Cluster::Group => {
                let database_name = Url::parse(&database.url()).expect("a URL").path()[1..].to_owned();
                self.session.exec(&format!("lock tables {database_name}.behind read"));
                database.exec("insert into behind values ()");
            }
        }
    }

    /// It applies what it missed.
    pub(crate) fn catch_up(&self) {
        match self.cluster {
            Cluster::Galera => {
                self.session.exec("set global slave_run_triggers_for_rbr = 'NO'");
                self.session.exec("set global wsrep_desync = off");
            }
            Cluster::Group => self.session.exec("unlock tables"),
        }
        self.until_there();
    }

    /// How many transactions it has sent to the others, whatever became of them.
    pub(crate) fn sent(&self) -> u64 {
        let rows = match self.cluster {
            Cluster::Galera => self.session.rows("show status like 'wsrep_replicated'"),
            Cluster::Group => self.session.rows(
                "select 'proposed', count_transactions_local_proposed from performance_schema.replication_group_member_stats
                 where member_id = @@server_uuid",
            ),
        };
        rows[0][1].as_deref().and_then(|number| number.parse().ok()).expect("a number")
    }

    /// Neither does it hear the others nor they it; soon they are the cluster, and it is none.
    pub(crate) fn cut_off(&self) {
        match self.cluster {
            Cluster::Galera => self.session.exec("set global wsrep_provider_options = 'gmcast.isolate=1'"),
            Cluster::Group => self.signal("-STOP"),
        }
    }

    /// It comes back and catches up.
    pub(crate) fn come_back(&self) {
        match self.cluster {
            Cluster::Galera => {
                self.session.exec("set global wsrep_provider_options = 'gmcast.isolate=0'");
            }
            Cluster::Group => self.signal("-CONT"),
        }
        self.until_there();
    }

    fn signal(&self, name: &str) {
        let pid = self.pid.as_ref().expect("a member of a group");
        assert!(Command::new("kill").args([name, pid]).status().expect("kill").success(), "{name} {pid}");
    }

    fn until_there(&self) {
        let state = match self.cluster {
            Cluster::Galera => "show status where variable_name = 'wsrep_local_state_comment' and value = 'Synced'",
            Cluster::Group => {
                "select member_id from performance_schema.replication_group_members
                   join performance_schema.replication_group_member_stats using (member_id)
                 where member_id = @@server_uuid and member_state = 'ONLINE'
                   and count_transactions_remote_in_applier_queue = 0"
            }
        };
        until("the node takes part", 60, || !self.session.rows(state).is_empty());
    }
}

/// The process of the server that the session is on.
fn pid(session: &MysqlSession) -> String {
    let file = session.rows("select @@pid_file")[0][0].clone().expect("a file");
    std::fs::read_to_string(file).expect("a process").trim().to_owned()
}
