//! Rows that go.

use std::cell::Cell;

use crate::harness::{Database, Rule};
use crate::lane::Engine;
use crate::table::{KEPT, Of, Table, Tally, spread};

/// A table whose due rows are deleted.
pub(crate) struct Deleted {
    engine: Engine,
    /// Of one seed.
    rows: u64,
    seeded: Cell<u64>,
}

// === impl Deleted ===

impl Deleted {
    /// The table, with rows that stay; a seed has so many `rows`.
    pub(crate) fn new(engine: Engine, data: &dyn Database, rows: u64) -> Self {
        let (at, now) = match engine {
            Engine::Postgres => ("timestamptz", "now()"),
            Engine::Sqlite => ("integer", "unixepoch()"),
            Engine::MariaDb | Engine::MySql | Engine::MyIsam | Engine::Galera | Engine::Group => ("timestamp", "now()"),
        };
        let kind = engine.table();
        data.exec(&format!("create table item (id integer primary key, at {at} not null, pad text not null) {kind}"));
        data.exec("create index item_at on item (at)");
        data.exec(&format!(
            "insert into item with recursive n(id) as (select 1 union all select id + 1 from n where id < {KEPT})
             select id, {now}, 'stays' from n"
        ));
        Self { engine, rows, seeded: Cell::new(0) }
    }
}

impl Table for Deleted {
    fn rule(&self) -> Rule {
        Rule::delete("items", "item", self.engine.since())
    }

    fn seed(&self, data: &dyn Database) {
        let first = KEPT + self.seeded.get() + 1;
        let last = first + self.rows - 1;
        let seconds = spread(self.seeded.get() / self.rows, self.rows, 86400, 60);
        let at = match self.engine {
            Engine::Postgres => format!("timestamptz '2020-01-01 00:00:00+00' + {seconds} * interval '1 second'"),
            Engine::Sqlite => format!("1577836800 + {seconds}"),
            Engine::MariaDb | Engine::MySql | Engine::MyIsam | Engine::Galera | Engine::Group => {
                format!("timestamp '2020-01-01 00:00:00' + interval {seconds} second")
            }
        };
        data.exec(&format!(
            "insert into item with recursive n(id) as (select {first} union all select id + 1 from n where id < {last})
             select id, {at}, 'goes' from n"
        ));
        self.seeded.set(self.seeded.get() + self.rows);
    }

    fn begun(&self, data: &dyn Database) -> u64 {
        self.seeded.get() - data.count("select count(*) from item where pad = 'goes'")
    }

    fn tally(&self, data: &dyn Database, _of: Of) -> Tally {
        let changed = self.begun(data);
        let stay = data.count("select count(*) from item where pad = 'stays'");
        Tally { changed, left: self.seeded.get() - changed, wronged: KEPT - stay, ..Tally::default() }
    }
}
