//! Rows that stay and are written: each must be what it was, or what one transform makes of it, in every column.
//!
//! Beside `item` stand two tables with the same rows: `original`, which nobody touches, and `expected`, which another
//! installation with the same key transforms and nobody kills. A trigger counts how often a row of `item` is written.

use std::cell::Cell;

use crate::harness::{Database, Policy, Program, Rule};
use crate::lane::Engine;
use crate::table::{KEPT, Of, Table, Tally, spread};

/// Seeds that are made ready at once, so that the reference need not run in every round.
const SEEDS_READY: u64 = 10;

/// Seeds that are looked at again and again. Older rows are taken away: every run would go through them, since they lie in
/// the days that it looks at.
const SEEDS_WATCHED: u64 = 10;

/// Columns that are transformed. All are NOT NULL, so they compare plainly.
const COLUMNS: [&str; 7] = ["email", "name", "card", "number", "born", "note", "doc"];

/// A table whose due rows are transformed.
pub(crate) struct Transformed {
    engine: Engine,
    /// Of one seed.
    rows: u64,
    reference: Program,
    /// Rows in `item` that are, or were, due.
    seeded: Cell<u64>,
    /// The same in the other two tables.
    ready: Cell<u64>,
    /// Those of them that were done and are watched no longer.
    retired: Cell<u64>,
}

// === impl Transformed ===

impl Transformed {
    /// The tables, with rows that stay; a seed has so many `rows`.
    pub(crate) fn new(engine: Engine, data: &dyn Database, rows: u64) -> Self {
        let (at, marker, doc) = match engine {
            Engine::Postgres => ("timestamptz", "timestamptz", "jsonb"),
            Engine::Sqlite => ("integer", "timestamp", "json"),
            Engine::MariaDb | Engine::MySql | Engine::MyIsam | Engine::Galera | Engine::Group => {
                ("timestamp", "timestamp null", "json")
            }
        };
        let kind = engine.table();
        for table in ["item", "original", "expected"] {
            data.exec(&format!(
                "create table {table} (id integer primary key, at {at} not null, email varchar(60) not null, \
                 name varchar(60) not null, card varchar(30) not null, number bigint not null, born date not null, \
                 note varchar(20) not null, doc {doc} not null, forgotten_at {marker}, writes integer not null) {kind}"
            ));
            data.exec(&format!("create index {table}_at on {table} (at)"));
        }
        data.exec("create unique index item_email on item (email)");
        data.exec(match engine {
            Engine::Postgres => {
                "create function count_write() returns trigger language plpgsql as \
                 $$ begin new.writes := old.writes + 1; return new; end $$; \
                 create trigger count_write before update on item for each row execute function count_write()"
            }
            Engine::Sqlite => {
                "create trigger count_write after update of forgotten_at on item \
                 begin update item set writes = writes + 1 where id = new.id; end"
            }
            Engine::MariaDb | Engine::MySql | Engine::MyIsam | Engine::Galera | Engine::Group => {
                "create trigger count_write before update on item for each row set new.writes = old.writes + 1"
            }
        });
        let control = format!("control: {{ name: {} }}", data.more_control());
        let policy = Policy::new(&data.url()).with(&control).pseudonyms();
        let policy = policy.top("coordination: none").rule(&rule("reference", "expected", engine));
        let reference = Program::installed(&policy).pseudonym_key();
        let table = Self { engine, rows, reference, seeded: Cell::new(0), ready: Cell::new(0), retired: Cell::new(0) };
        table.originals(data, 1, KEPT, "0");
        data.exec("insert into expected select * from original; insert into item select * from original");
        table
    }

    /// Makes rows that were never touched, so many seconds past their period.
    fn originals(&self, data: &dyn Database, first: u64, last: u64, past: &str) {
        let (at, born, json) = match self.engine {
            Engine::Postgres => (
                format!("date_trunc('second', now()) - ({past}) * interval '1 second'"),
                "date '1950-02-03' + id % 300",
                "::jsonb",
            ),
            Engine::Sqlite => {
                (format!("unixepoch() - ({past})"), "date('1950-02-03', '+' || (id % 300) || ' days')", "")
            }
            Engine::MariaDb | Engine::MySql | Engine::MyIsam | Engine::Galera | Engine::Group => {
                (format!("now() - interval ({past}) second"), "date '1950-02-03' + interval (id % 300) day", "")
            }
        };
        data.exec(&format!(
            "insert into original
             with recursive n(id) as (select {first} union all select id + 1 from n where id < {last}) select id, {at}, 'person' || id || '@example.com', 'Person ' || id,
             '4111-' || (1000 + id % 9000) || '-' || (100000 + id), 1000000 + id, {born}, 'note ' || id,
             ('{{\"items\":[{{\"email\":\"a' || id || '@example.com\",\"n\":1}},{{\"email\":\"person' || id ||
              '@example.com\"}}],\"kept\":\"yes\"}}'){json}, null, 0 from n"
        ));
    }

    /// Takes away the rows that were watched for long, all of which must be done.
    fn retire(&self, data: &dyn Database) {
        let old = self.seeded.get().saturating_sub(SEEDS_WATCHED * self.rows);
        let tally = self.tally(data, Of::All);
        if old <= self.retired.get() || tally != (Tally { changed: self.seeded.get(), ..Tally::default() }) {
            return;
        }
        for table in ["item", "original", "expected"] {
            data.exec(&format!("delete from {table} where id > {KEPT} and id <= {}", KEPT + old));
        }
        self.retired.set(old);
    }

    /// Makes rows ready for some seeds, and lets the reference say what becomes of them.
    fn make_ready(&self, data: &dyn Database) {
        for _ in 0..SEEDS_READY {
            let first = KEPT + self.ready.get() + 1;
            let last = first + self.rows - 1;
            // Within the two days before the last cutoff, where every run looks; also many minutes after this moment.
            let past = format!("30 * 86400 + 3600 + {}", spread(self.ready.get() / self.rows, self.rows, 2400, 200));
            self.originals(data, first, last, &past);
            data.exec(&format!("insert into expected select * from original where id between {first} and {last}"));
            self.ready.set(self.ready.get() + self.rows);
        }
        let report = self.reference.run(0);
        assert_eq!(report["verdict"], "clean", "the reference: {report}");
        // What the kills are compared with must itself be done in every column, and nowhere else.
        let any = COLUMNS.map(|column| format!("e.{column} = o.{column}")).join(" or ");
        let undone = format!(
            "select count(*) from expected e join original o using (id) where id > {KEPT} and ({any} or e.forgotten_at is null)"
        );
        let done = format!(
            "select count(*) from expected e join original o using (id) where id <= {KEPT} and not {}",
            same("e", "o")
        );
        assert_eq!((data.count(&undone), data.count(&done)), (0, 0), "the reference");
    }
}

impl Table for Transformed {
    fn rule(&self) -> Rule {
        rule("items", "item", self.engine)
    }

    fn policy(&self, policy: Policy) -> Policy {
        policy.pseudonyms()
    }

    fn equip(&self, program: &Program) {
        std::fs::copy(self.reference.path("people.key"), program.path("people.key")).unwrap();
    }

    fn seed(&self, data: &dyn Database) {
        if self.seeded.get() == self.ready.get() {
            self.retire(data);
            self.make_ready(data);
        }
        let first = KEPT + self.seeded.get() + 1;
        let last = first + self.rows - 1;
        data.exec(&format!("insert into item select * from original where id between {first} and {last}"));
        self.seeded.set(self.seeded.get() + self.rows);
    }

    fn begun(&self, data: &dyn Database) -> u64 {
        self.retired.get() + data.count("select count(*) from item where forgotten_at is not null")
    }

    fn tally(&self, data: &dyn Database, of: Of) -> Tally {
        let first = match of {
            Of::All => 0,
            Of::Last => KEPT + self.seeded.get().saturating_sub(2 * self.rows) + 1,
        };
        let odd = COLUMNS.map(|column| format!("i.{column} not in (o.{column}, e.{column})")).join(" or ");
        let found = data.rows(&format!(
            "with found as (select i.id > {KEPT} as due, \
               {was} and i.forgotten_at is null and i.writes = 0 as was, \
               {done} and i.forgotten_at is not null and i.writes = 1 as done, \
               {odd} or i.writes > 1 or i.at <> o.at as odd \
               from item i join original o on o.id = i.id join expected e on e.id = i.id where i.id >= {first}) \
             select {}, {}, {}, {}, {} from found",
            number("due"),
            number("due and was"),
            number("due and odd"),
            number("due and not odd and not was and not done"),
            number("not due and was"),
            was = same("i", "o"),
            done = same("i", "e"),
        ));
        let count = |n: usize| found[0][n].as_deref().unwrap().parse::<u64>().unwrap();
        let [due, left, twice, half, stay] = [0, 1, 2, 3, 4].map(count);
        let retired = self.retired.get();
        let (seeded, kept) = match of {
            Of::All => (self.seeded.get() - retired, KEPT),
            Of::Last => (self.seeded.get().min(2 * self.rows), 0),
        };
        // A due row that is not there at all was wronged as well.
        Tally { changed: retired + due - left, left, half, twice, wronged: (kept - stay) + (seeded - due) }
    }
}

/// A transform with a place of every kind: with a shape and without, done by us and by the engine, and inside a document.
fn rule(name: &str, table: &str, engine: Engine) -> Rule {
    let token = |kind: &str| format!("{{ pseudonymize: {kind}, domain: people }}");
    let columns = format!(
        "email: {email}, name: {text}, card: {{ pseudonymize: digits, domain: people, check_digit: luhn }}, \
         number: {integer}, born: {{ generalize: year }}, note: {{ redact: gone }}, 'doc.items[].email': {email}",
        email = token("email"),
        text = token("text"),
        integer = token("integer"),
    );
    Rule::transform(name, table, engine.since(), &format!("{{ marker: forgotten_at, columns: {{ {columns} }} }}"))
}

/// How many rows are so.
fn number(condition: &str) -> String {
    format!("coalesce(sum(case when {condition} then 1 else 0 end), 0)")
}

/// Whether every transformed column of two rows is the same.
fn same(one: &str, other: &str) -> String {
    let of = |alias: &str| COLUMNS.map(|column| format!("{alias}.{column}")).join(", ");
    format!("({}) = ({})", of(one), of(other))
}
