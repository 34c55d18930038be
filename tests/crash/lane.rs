//! The ways in which rows go or change, each with its own databases and policy.

use std::cell::Cell;

use crate::deleted::Deleted;
use crate::evidence::Exported;
use crate::harness::{Cluster, Database, Mysql, Policy, Postgres, Process, Product, Program, Sqlite};
use crate::table::{Of, Table, Tally};
use crate::transformed::Transformed;

/// Rows of a batch: many small batches, so that a kill meets one at every step.
const BATCH_ROWS: u32 = 6;

/// What a rule does, by a batch protocol, on an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lane {
    name: &'static str,
    pub(crate) engine: Engine,
    protocol: Protocol,
    deed: Deed,
}

/// Where the rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Postgres,
    Sqlite,
    MariaDb,
    MySql,
    /// Rows in tables without transactions, control tables with them on the same server.
    MyIsam,
    /// Three nodes that all take writes.
    Galera,
    /// The same of MySQL.
    Group,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Atomic,
    Sealed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Delete,
    Transform,
}

/// How processes agree on who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coordination {
    /// A successor waits for the end of a short lease.
    Lease,
    /// A successor takes over at once.
    None,
}

/// Databases with rows, a policy, and the program.
pub(crate) struct Site {
    pub(crate) lane: Lane,
    data: Box<dyn Database>,
    /// Where the control tables are, if not beside the rows.
    home: Option<Box<dyn Database>>,
    table: Box<dyn Table>,
    program: Program,
    coordination: Cell<Coordination>,
    /// Of a cluster: the node that the next processes work on.
    node: Cell<usize>,
    exports: Cell<u32>,
    starts: Cell<u32>,
}

/// Makes the program work with two lanes where so many rows are left, though others are connected.
const SECOND_LANE: (&str, &str) = ("FORGETD_SECOND_LANE", "30");

// === impl Engine ===

impl Engine {
    /// A new database; none where the server could not be downloaded.
    fn database(self) -> Option<Box<dyn Database>> {
        Some(match self {
            Self::Postgres => Box::new(Postgres::database()),
            Self::Sqlite => Box::new(Sqlite::database()),
            Self::MariaDb | Self::MyIsam => Box::new(Mysql::on(Product::MariaDb)),
            Self::MySql => Box::new(Mysql::on(Product::there().find(|product| *product == Product::MySql)?)),
            Self::Galera | Self::Group => Box::new(Mysql::on_nodes(self.cluster()?)?),
        })
    }

    /// The cluster that it is; the harness itself works on its first node.
    pub(crate) const fn cluster(self) -> Option<Cluster> {
        match self {
            Self::Galera => Some(Cluster::Galera),
            Self::Group => Some(Cluster::Group),
            _ => None,
        }
    }

    /// How long a lease holds. A commit of a group takes a quarter of a second while one of its members stands still.
    const fn lease(self) -> &'static str {
        match self {
            Self::Group => "5s",
            _ => "1s",
        }
    }

    /// What stands behind a table's columns.
    pub(crate) const fn table(self) -> &'static str {
        match self {
            Self::Postgres | Self::Sqlite => "",
            Self::MariaDb | Self::MySql | Self::Galera | Self::Group => "collate utf8mb4_bin",
            Self::MyIsam => "engine = MyISAM collate utf8mb4_bin",
        }
    }

    /// The column that periods count from, as a rule writes it.
    pub(crate) const fn since(self) -> &'static str {
        match self {
            Self::Postgres | Self::MariaDb | Self::MySql | Self::MyIsam | Self::Galera | Self::Group => "at",
            Self::Sqlite => "{ column: at, as: unix_s }",
        }
    }
}

// === impl Lane ===

impl Lane {
    pub(crate) const ALL: &[Self] = &[
        Self::new("postgres", Engine::Postgres, Protocol::Atomic, Deed::Delete),
        Self::new("sqlite", Engine::Sqlite, Protocol::Atomic, Deed::Delete),
        Self::new("sealed-postgres", Engine::Postgres, Protocol::Sealed, Deed::Delete),
        Self::new("sealed-sqlite", Engine::Sqlite, Protocol::Sealed, Deed::Delete),
        Self::new("transform-postgres", Engine::Postgres, Protocol::Atomic, Deed::Transform),
        Self::new("transform-sqlite", Engine::Sqlite, Protocol::Atomic, Deed::Transform),
        Self::new("transform-sealed-postgres", Engine::Postgres, Protocol::Sealed, Deed::Transform),
        Self::new("transform-sealed-sqlite", Engine::Sqlite, Protocol::Sealed, Deed::Transform),
        Self::new("mariadb", Engine::MariaDb, Protocol::Atomic, Deed::Delete),
        Self::new("mysql", Engine::MySql, Protocol::Atomic, Deed::Delete),
        Self::new("mariadb-myisam", Engine::MyIsam, Protocol::Sealed, Deed::Delete),
        Self::new("transform-mariadb", Engine::MariaDb, Protocol::Atomic, Deed::Transform),
        Self::new("transform-mysql", Engine::MySql, Protocol::Atomic, Deed::Transform),
        Self::new("transform-mariadb-myisam", Engine::MyIsam, Protocol::Sealed, Deed::Transform),
        Self::new("galera", Engine::Galera, Protocol::Atomic, Deed::Delete),
        Self::new("transform-galera", Engine::Galera, Protocol::Atomic, Deed::Transform),
        Self::new("group", Engine::Group, Protocol::Atomic, Deed::Delete),
        Self::new("transform-group", Engine::Group, Protocol::Atomic, Deed::Transform),
    ];

    const fn new(name: &'static str, engine: Engine, protocol: Protocol, deed: Deed) -> Self {
        Self { name, engine, protocol, deed }
    }

    pub(crate) const fn name(self) -> &'static str {
        self.name
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|lane| lane.name == name)
    }

    pub(crate) fn is_sealed(self) -> bool {
        self.protocol == Protocol::Sealed
    }

    /// Whether two lanes can work on it.
    pub(crate) fn divides(self) -> bool {
        let divides = matches!(self.engine, Engine::Postgres | Engine::MariaDb | Engine::MySql);
        divides && !self.is_sealed() && !self.transforms()
    }

    pub(crate) fn transforms(self) -> bool {
        self.deed == Deed::Transform
    }
}

// === impl Site ===

impl Site {
    /// Databases with rows that stay, installed; each seed adds so many `rows`. None where the server is not there.
    pub(crate) fn new(lane: Lane, rows: u64) -> Option<Self> {
        let data = lane.engine.database()?;
        // Where the table itself is without transactions, its receipts lie beside it.
        let apart = lane.is_sealed() && lane.engine != Engine::MyIsam;
        let home = if apart { lane.engine.database() } else { None };
        let table: Box<dyn Table> = match lane.deed {
            Deed::Delete => Box::new(Deleted::new(lane.engine, &*data, rows)),
            Deed::Transform => Box::new(Transformed::new(lane.engine, &*data, rows)),
        };
        let program =
            Program::installed(&policy(lane.engine, &*table, &data.url(), home.as_deref(), Coordination::Lease));
        table.equip(&program);
        let (coordination, node) = (Cell::new(Coordination::Lease), Cell::new(0));
        Some(Self { lane, data, home, table, program, coordination, node, exports: Cell::new(0), starts: Cell::new(0) })
    }

    /// How the next processes agree on who acts.
    pub(crate) fn coordinate(&self, coordination: Coordination) {
        self.coordination.set(coordination);
        self.write_policy();
    }

    /// The next processes work on this node.
    pub(crate) fn work_on(&self, node: usize) {
        self.node.set(node);
        self.write_policy();
    }

    fn write_policy(&self) {
        let own = self.data.url();
        let nodes = self.lane.engine.cluster().and_then(Cluster::servers);
        let url = nodes.map_or(own.clone(), |nodes| nodes.url(self.node.get(), &own));
        self.program.policy(&policy(
            self.lane.engine,
            &*self.table,
            &url,
            self.home.as_deref(),
            self.coordination.get(),
        ));
    }

    /// Adds rows that are due.
    pub(crate) fn seed(&self) {
        self.table.seed(&*self.data);
    }

    /// Rows that were worked on, of all that were seeded.
    pub(crate) fn begun(&self) -> u64 {
        self.table.begun(&*self.data)
    }

    /// What became of the rows.
    pub(crate) fn tally(&self, of: Of) -> Tally {
        self.table.tally(&*self.data, of)
    }

    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    /// Starts `run` with these environment variables; every other one works with two lanes, where its engine can.
    pub(crate) fn start(&self, environment: &[(&str, &str)]) -> Process {
        let mut command = self.program.command(&RUN);
        self.starts.set(self.starts.get() + 1);
        if self.lane.divides() && self.starts.get().is_multiple_of(2) {
            command.env(SECOND_LANE.0, SECOND_LANE.1);
        }
        Process::spawn(command.envs(environment.iter().copied()))
    }

    pub(crate) fn data(&self) -> &dyn Database {
        &*self.data
    }

    /// How many receipts are in a state.
    pub(crate) fn receipts(&self, condition: &str) -> u64 {
        let control = self.home.as_deref().unwrap_or(&*self.data);
        control.count(&format!("select count(*) from {} where {condition}", control.control_table("receipt")))
    }

    /// The term that stands now.
    pub(crate) fn term(&self) -> u64 {
        let control = self.home.as_deref().unwrap_or(&*self.data);
        control.count(&format!("select max(term) from {}", control.control_table("fence")))
    }

    /// Receipts that no evidence acknowledges yet.
    pub(crate) fn pending(&self) -> u64 {
        self.receipts("state = 'done' and leaf_index is null")
    }

    /// Sealed receipts whose outcome is not recorded.
    pub(crate) fn open_seals(&self) -> u64 {
        self.receipts("state = 'sealed'")
    }

    /// Runs it to its end, as often as a supervisor would start it again; nobody helps.
    pub(crate) fn recover(&self) -> Result<(), String> {
        let mut said = String::new();
        for _ in 0..3 {
            let output = self.start(&[]).wait();
            if output.code == 0 && output.lines().iter().all(|report| report["verdict"] == "clean") {
                return Ok(());
            }
            said = format!("exit {}\n{}\n{}", output.code, output.stdout, output.stderr);
        }
        Err(format!("not clean after three starts: {said}"))
    }

    /// The evidence as an outsider gets it; its verification must succeed.
    pub(crate) fn exported(&self) -> Result<Exported, String> {
        self.exports.set(self.exports.get() + 1);
        let folder = self.program.path(&format!("evidence-{}", self.exports.get()));
        let name = folder.to_str().unwrap();
        for arguments in [["evidence", "export", name], ["evidence", "verify", name]] {
            let output = self.program.call(&arguments);
            if output.code != 0 {
                return Err(format!("{arguments:?}: exit {}\n{}\n{}", output.code, output.stdout, output.stderr));
            }
        }
        Ok(Exported::read(&folder))
    }
}

/// What a lane says whose server could not be downloaded.
pub(crate) const ABSENT: &str = "nothing was done: the server is not there";

/// A run that waits for a dead holder's lease to end.
const RUN: [&str; 4] = ["run", "--json", "--wait", "30s"];

fn policy(
    engine: Engine,
    table: &dyn Table,
    data: &str,
    home: Option<&dyn Database>,
    coordination: Coordination,
) -> Policy {
    let throttle = format!("throttle: {{ batch_rows_max: {BATCH_ROWS} }}");
    let policy = match home {
        None => Policy::new(data).with(&throttle),
        Some(home) => Policy::new(&home.url())
            .database(&format!("data:\n    url: {data}"))
            .with("control: { at: main }")
            .with(&throttle),
    };
    let rule = if home.is_some() { table.rule().with("database: data") } else { table.rule() };
    let coordination = match coordination {
        Coordination::Lease => format!("coordination: {{ lease: {} }}", engine.lease()),
        Coordination::None => "coordination: none".into(),
    };
    table.policy(policy).top(&coordination).rule(&rule)
}
