//! The four ways in which rows go, each with its own databases and policy.

use std::cell::Cell;

use crate::evidence::Exported;
use crate::harness::{Database, Policy, Postgres, Process, Program, Rule, Sqlite};

/// Rows that must go, in each round.
const ROWS: u64 = 600;

/// Rows of a batch: many small batches, so that a kill meets one at every step.
const BATCH_ROWS: u32 = 6;

/// Rows that are not due, in the table from the start to the end.
const KEPT: u64 = 500;

/// A batch protocol on an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    Postgres,
    Sqlite,
    SealedPostgres,
    SealedSqlite,
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
    program: Program,
    seeded: Cell<u64>,
    exports: Cell<u32>,
}

// === impl Lane ===

impl Lane {
    pub(crate) const ALL: &[Self] = &[Self::Postgres, Self::Sqlite, Self::SealedPostgres, Self::SealedSqlite];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Sqlite => "sqlite",
            Self::SealedPostgres => "sealed-postgres",
            Self::SealedSqlite => "sealed-sqlite",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|lane| lane.name() == name)
    }

    pub(crate) fn is_sealed(self) -> bool {
        matches!(self, Self::SealedPostgres | Self::SealedSqlite)
    }

    pub(crate) fn is_postgres(self) -> bool {
        matches!(self, Self::Postgres | Self::SealedPostgres)
    }

    fn database(self) -> Box<dyn Database> {
        if self.is_postgres() { Box::new(Postgres::database()) } else { Box::new(Sqlite::database()) }
    }
}

// === impl Site ===

impl Site {
    /// Databases with rows that stay, installed.
    pub(crate) fn new(lane: Lane) -> Self {
        let data = lane.database();
        let home = lane.is_sealed().then(|| lane.database());
        let (at, now) = if lane.is_postgres() { ("timestamptz", "now()") } else { ("integer", "unixepoch()") };
        data.exec(&format!("create table item (id integer primary key, at {at} not null, pad text not null)"));
        data.exec("create index item_at on item (at)");
        data.exec(&format!(
            "with recursive n(id) as (select 1 union all select id + 1 from n where id < {KEPT})
             insert into item select id, {now}, 'stays' from n"
        ));
        let program = Program::installed(&policy(lane, &*data, home.as_deref(), Coordination::Lease));
        Self { lane, data, home, program, seeded: Cell::new(0), exports: Cell::new(0) }
    }

    /// How the next processes agree on who acts.
    pub(crate) fn coordinate(&self, coordination: Coordination) {
        self.program.policy(&policy(self.lane, &*self.data, self.home.as_deref(), coordination));
    }

    /// Adds rows that are due: in turn many to one moment, on fifty moments, and each on a moment of its own.
    pub(crate) fn seed(&self) {
        let first = KEPT + self.seeded.get() + 1;
        let last = first + ROWS - 1;
        let seconds = if (self.seeded.get() / ROWS).is_multiple_of(2) { "(id % 50) * 86400" } else { "id * 60" };
        let at = if self.lane.is_postgres() {
            format!("timestamptz '2020-01-01 00:00:00+00' + {seconds} * interval '1 second'")
        } else {
            format!("1577836800 + {seconds}")
        };
        self.data.exec(&format!(
            "with recursive n(id) as (select {first} union all select id + 1 from n where id < {last})
             insert into item select id, {at}, 'goes' from n"
        ));
        self.seeded.set(self.seeded.get() + ROWS);
    }

    /// Rows that went, of all that were seeded.
    pub(crate) fn gone(&self) -> u64 {
        self.seeded.get() - self.data.count("select count(*) from item where pad = 'goes'")
    }

    /// Rows that had to stay and did not.
    pub(crate) fn wronged(&self) -> u64 {
        KEPT - self.data.count("select count(*) from item where pad = 'stays'")
    }

    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    /// Starts `run` with these environment variables.
    pub(crate) fn start(&self, environment: &[(&str, &str)]) -> Process {
        let mut command = self.program.command(&RUN);
        Process::spawn(command.envs(environment.iter().copied()))
    }

    pub(crate) fn data(&self) -> &dyn Database {
        &*self.data
    }

    /// How many receipts are in a state.
    fn receipts(&self, condition: &str) -> u64 {
        let control = self.home.as_deref().unwrap_or(&*self.data);
        let table = if self.lane.is_postgres() { "forgetd.receipt" } else { "forgetd_receipt" };
        control.count(&format!("select count(*) from {table} where {condition}"))
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

/// A run that waits for a dead holder's lease to end.
const RUN: [&str; 4] = ["run", "--json", "--wait", "30s"];

fn policy(lane: Lane, data: &dyn Database, home: Option<&dyn Database>, coordination: Coordination) -> Policy {
    let throttle = format!("throttle: {{ batch_rows_max: {BATCH_ROWS} }}");
    let policy = match home {
        None => Policy::new(&data.url()).with(&throttle),
        Some(home) => Policy::new(&home.url())
            .database(&format!("data:\n    url: {}", data.url()))
            .with("control: { at: main }")
            .with(&throttle),
    };
    let rule = Rule::delete("items", "item", if lane.is_postgres() { "at" } else { "{ column: at, as: unix_s }" });
    let rule = if home.is_some() { rule.with("database: data") } else { rule };
    let coordination = match coordination {
        Coordination::Lease => "coordination: { lease: 1s }",
        Coordination::None => "coordination: none",
    };
    policy.top(coordination).rule(&rule)
}
