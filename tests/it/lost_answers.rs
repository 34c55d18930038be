//! The run engine above a connector that breaks: every call of the seam fails once, and is done once with its answer
//! lost. Whatever the broken run says, rows gone are rows with evidence after the next one, and nothing is left.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use forgetd::config::{self, Config, LoadOptions};
use forgetd::evidence::log::tile;
use forgetd::keys::EvidenceKey;
use forgetd::run::{Databases, Quiet, Report, Session, Sites, Verdict};
use forgetd_connector::{Cause, ConnectContext, Connector, FaultClass};
use forgetd_testkit::faulty::{Ending, Faulty, Operation, Script};
use serde_json::{Value, json};

/// Rows that go; with batches of 10 a broken call has neighbours on both sides.
const ROWS: u64 = 60;

const ORIGIN: &str = "example.org/forgetd/lost";

/// Calls on the way of every run.
const ALWAYS: &[Operation] = &[
    Operation::Now,
    Operation::Describe,
    Operation::Preflight,
    Operation::Measure,
    Operation::Survivors,
    Operation::OpenLane,
    Operation::Acquire,
    Operation::Release,
    Operation::RaiseFence,
    Operation::NextSequence,
    Operation::ReadCursor,
    Operation::Unfinished,
    Operation::ReadRule,
    Operation::KeepRule,
    Operation::OpenRun,
    Operation::CloseRun,
    Operation::Pending,
    Operation::Acknowledge,
    Operation::Head,
    Operation::Publish,
    Operation::PutObject,
];

/// A folder with one SQLite file, or two where receipts lie apart from the rows.
struct World {
    folder: tempfile::TempDir,
    key: EvidenceKey,
    config: Config,
}

impl World {
    async fn new(sealed: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = rusqlite::Connection::open(folder.path().join("data.db")).unwrap();
        data.execute_batch(&format!(
            "pragma journal_mode = wal;
             create table item (id integer primary key, at integer not null);
             create index item_at on item (at);
             with recursive n(id) as (select 1 union all select id + 1 from n where id < {ROWS})
             insert into item select id, 1577836800 + id % 4 from n;
             insert into item values (1000000, unixepoch());"
        ))
        .unwrap();
        rusqlite::Connection::open(folder.path().join("home.db")).unwrap().execute_batch("vacuum").unwrap();
        let key = EvidenceKey::generate().unwrap();
        std::fs::write(folder.path().join("evidence.key"), key.to_file_text("lost").unwrap().as_bytes()).unwrap();
        std::fs::write(folder.path().join("forgetd.yaml"), policy(folder.path(), sealed)).unwrap();
        let options = LoadOptions { file: Some(folder.path().join("forgetd.yaml")), ..LoadOptions::default() };
        let config = config::load(&options).unwrap_or_else(|problems| panic!("{problems}"));
        let world = Self { folder, key, config };
        world.home().await.control().install().await.unwrap();
        world
    }

    /// The same with another policy.
    fn rewrite(&mut self, what: &str, with: &str) {
        let file = self.folder.path().join("forgetd.yaml");
        let policy = std::fs::read_to_string(&file).unwrap();
        assert!(policy.contains(what));
        std::fs::write(&file, policy.replacen(what, with, 1)).unwrap();
        let options = LoadOptions { file: Some(file), ..LoadOptions::default() };
        self.config = config::load(&options).unwrap_or_else(|problems| panic!("{problems}"));
    }

    /// A second table like the first, with a rule of its own.
    fn add_other(&mut self) {
        let data = rusqlite::Connection::open(self.folder.path().join("data.db")).unwrap();
        data.execute_batch(
            "create table other (id integer primary key, at integer not null); insert into other select * from item",
        )
        .unwrap();
        let rule = "  - { name: others, database: data, table: other, keep_for: 30d, since: { column: at, as: unix_s }, \
                    action: delete, mode: enforce }\n";
        self.rewrite("    mode: enforce\n", &format!("    mode: enforce\n{rule}"));
    }

    async fn connect(&self, name: &str) -> Box<dyn Connector> {
        let url = format!("sqlite:{}", self.folder.path().join(format!("{name}.db")).display());
        let context = ConnectContext {
            database: name.into(),
            instance: self.config.instance.clone(),
            control_name: "forgetd".into(),
            lock_wait_ms: 200,
            call_timeout_ms: 10_000,
            batch_rows_max: 1_000,
            connections_max: 3,
            application: "test".into(),
            connections: forgetd_connector::Connections::default(),
            unsupported_engine: forgetd_connector::UnsupportedEngine::Refuse,
        };
        forgetd_sqlite::connect(forgetd_sqlite::Config::from_url(&url).unwrap(), context).await.unwrap()
    }

    async fn home(&self) -> Box<dyn Connector> {
        self.connect(&self.config.home().unwrap().name).await
    }

    /// One run of every rule with connectors that break as the script says; an error where no rule ran at all.
    async fn run(&self, script: &Script) -> Result<Vec<Report>, String> {
        let mut connectors = BTreeMap::new();
        for database in &self.config.databases {
            let faulty: Box<dyn Connector> = Box::new(Faulty::new(self.connect(&database.name).await, script.clone()));
            connectors.insert(database.name.clone(), Ok(faulty));
        }
        let databases = Databases::new(connectors);
        let sites = Sites::survey(&self.config, &databases).await;
        let (_running, stop) = tokio::sync::watch::channel(false);
        let session = Session::open(&self.config, &sites, &self.key, Duration::ZERO, stop, &Quiet).await;
        let session = session.map_err(|refused| format!("{refused:?}"))?;
        let rules: Vec<_> = self.config.policy.rules.iter().collect();
        let reports = Box::pin(session.run(&rules)).await.map_err(|refused| format!("{refused:?}"));
        databases.close().await;
        reports
    }

    fn count(&self, condition: &str) -> u64 {
        let data = rusqlite::Connection::open(self.folder.path().join("data.db")).unwrap();
        let sql = format!("select count(*) from item where {condition}");
        data.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap().try_into().unwrap()
    }

    /// Every entry of the log.
    async fn entries(&self) -> Vec<Value> {
        let home = self.home().await;
        let size = home.control().head(ORIGIN).await.unwrap().map_or(0, |state| state.head.size);
        let mut entries = vec![];
        for path in tile::paths(size).map(|path| path.to_string()).filter(|path| path.starts_with("tile/entries/")) {
            let bytes = home.control().object(ORIGIN, &path).await.unwrap().unwrap_or_else(|| panic!("no {path}"));
            let bundle = tile::parse_bundle(&bytes).unwrap();
            entries.extend(bundle.iter().map(|entry| serde_json::from_slice::<Value>(entry).unwrap()));
        }
        entries
    }
}

fn policy(folder: &Path, sealed: bool) -> String {
    let url = |name: &str| format!("url: 'sqlite:{}'", folder.join(format!("{name}.db")).display());
    let (home, control, other) = if sealed {
        ("home", "control: { at: home }, ", format!("  home: {{ {}, home: true }}\n", url("home")))
    } else {
        ("data", "home: true, ", String::new())
    };
    format!(
        "version: 1
instance: lost
coordination: none
defaults: {{ guard: {{ cool_off: none }} }}
databases:
  data: {{ {}, {control}throttle: {{ batch_rows_max: 10 }} }}
{other}evidence:
  store: {{ database: {home} }}
  origin: {ORIGIN}
  signing_key: {{ file: evidence.key }}
rules:
  - name: items
    database: data
    table: item
    keep_for: 30d
    since: {{ column: at, as: unix_s }}
    action: delete
    mode: enforce
",
        url("data")
    )
}

/// Breaks one call, then runs again unbroken; says what is wrong, if anything.
async fn survives(sealed: bool, operation: Operation, n: u64, ending: Ending) -> Result<bool, String> {
    let what = format!("{operation:?} {n} {ending:?}");
    let world = World::new(sealed).await;
    let script = Script::default().on(operation, n, ending);
    let broken = world.run(&script).await;
    let reached = script.calls(operation) >= n;
    for report in broken.iter().flatten() {
        if report.verdict == Verdict::Clean && world.count("id <= 1000") > 0 {
            return Err(format!("{what}: clean was said and rows are left"));
        }
    }
    let after = world.run(&Script::default()).await.map_err(|why| format!("{what}: the next run: {why}"))?;
    if after.iter().any(|report| report.verdict != Verdict::Clean) {
        return Err(format!("{what}: the next run is not clean: {after:?}"));
    }
    if (world.count("id <= 1000"), world.count("id > 1000")) != (0, 1) {
        return Err(format!("{what}: wrong rows are gone"));
    }
    let entries = world.entries().await;
    let counted = |field: fn(&Value) -> Option<u64>| -> u64 {
        entries.iter().filter(|entry| entry["type"] == "batch").filter_map(field).sum()
    };
    let in_log = counted(|entry| entry["sealed"]["gone"].as_u64().or_else(|| entry["changed"].as_u64()));
    if in_log != ROWS {
        return Err(format!("{what}: {ROWS} rows gone, {in_log} in the log"));
    }
    let lane = entries.iter().filter(|entry| entry["lane"] == "0").filter_map(|entry| entry["sequence"].as_u64());
    let sequences: Vec<u64> = lane.collect();
    if !(1..).zip(&sequences).all(|(n, sequence)| n == *sequence) {
        return Err(format!("{what}: the lane's sequences are {sequences:?}"));
    }
    let finished = entries.iter().filter(|entry| entry["type"] == "run.finished").count();
    if finished == 0 {
        return Err(format!("{what}: no run ever finished in the log"));
    }
    Ok(reached)
}

/// Every way in which these calls can break, at their first and at a later call.
async fn all_survive(sealed: bool, operations: &[Operation], commits: &[Operation]) {
    let mut wrong = vec![];
    for operation in operations {
        let lost = forgetd_connector::Fault::new(FaultClass::Disconnected, "scripted", "test");
        let mut endings = vec![Ending::Fails(lost), Ending::Lost];
        if commits.contains(operation) {
            endings.push(Ending::NeverSent);
        }
        for ending in endings {
            let mut reached = false;
            for n in [1, 3] {
                match survives(sealed, *operation, n, ending.clone()).await {
                    Ok(called) => reached |= called,
                    Err(why) => wrong.push(why),
                }
            }
            if !reached {
                wrong.push(format!("{operation:?} was never called"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn an_atomic_run_survives_every_broken_call() {
    let commits = [Operation::Commit, Operation::KeepRule, Operation::OpenRun, Operation::CloseRun, Operation::Publish];
    let own = [Operation::Change, Operation::Commit];
    all_survive(false, &[ALWAYS, &own].concat(), &commits).await;
}

#[tokio::test]
async fn a_sealed_run_survives_every_broken_call() {
    let commits = [Operation::Seal, Operation::Unseal, Operation::Append];
    let own =
        [Operation::Pick, Operation::Seal, Operation::Finish, Operation::Unseal, Operation::Adopt, Operation::Append];
    all_survive(true, &own, &commits).await;
}

/// A lane whose every change is refused, from this call on, by an answer that nobody knows.
fn refusing(script: Script) -> Script {
    let script = (1..=20).fold(script, |script, n| script.fails(Operation::Finish, n, FaultClass::Internal));
    script.fails(Operation::Look, 1, FaultClass::Internal)
}

#[tokio::test]
async fn a_refusal_that_comes_again_ends_the_seal_by_a_look() {
    let world = World::new(true).await;
    let script = (1..=20).fold(Script::default(), |script, n| script.fails(Operation::Finish, n, FaultClass::Internal));
    let reports = world.run(&script).await.unwrap();
    assert_eq!((reports[0].verdict, reports[0].cause), (Verdict::Failed, Some(Cause::Internal)));
    assert_eq!((script.calls(Operation::Finish), script.calls(Operation::Look)), (2, 1), "tried twice, then looked");
    assert_eq!(world.home().await.control().adopt(u64::MAX >> 1).await.unwrap(), [], "no seal is left open");
    let adopted: Vec<Value> =
        world.entries().await.into_iter().filter(|entry| entry["sealed"]["adopted"] == true).collect();
    assert_eq!(adopted.len(), 1);
    assert_eq!((&adopted[0]["sealed"]["gone"], &adopted[0]["sealed"]["kept"]), (&json!(0), &json!(10)));
}

#[tokio::test]
async fn a_seal_that_nothing_ends_keeps_its_own_rule_alone_from_acting() {
    let mut world = World::new(true).await;
    world.add_other();
    let reports = world.run(&refusing(Script::default())).await.unwrap();
    assert_eq!((reports[0].verdict, reports[0].cause), (Verdict::Failed, Some(Cause::Internal)));
    // The first change is refused to whoever adopts the seal, and looking is too; the other rule's are not.
    let script = Script::default().fails(Operation::Finish, 1, FaultClass::Internal);
    let script = script.fails(Operation::Look, 1, FaultClass::Internal);
    let reports = world.run(&script).await.unwrap();
    assert_eq!((reports[0].verdict, reports[0].cause), (Verdict::Failed, Some(Cause::Internal)));
    assert_eq!((reports[1].verdict, reports[1].changed), (Verdict::Clean, ROWS), "{:?}", reports[1]);
    let reports = world.run(&Script::default()).await.unwrap();
    assert!(reports.iter().all(|report| report.verdict == Verdict::Clean), "{reports:?}");
    assert_eq!(world.count("id <= 1000"), 0);
}

/// Rows of a seal that is adopted count against the run's cap, by the run itself and by the one that goes on with it.
#[tokio::test]
async fn a_cap_holds_over_adopted_seals() {
    let lost = || Script::default().loses(Operation::Finish, 2);
    for scripts in [
        vec![lost()],
        // The seal is left to the next holder: the second adoption is the run's own, takeovers made the first.
        vec![
            (2..=20).fold(lost(), |script, n| script.fails(Operation::Adopt, n, FaultClass::Internal)),
            Script::default(),
        ],
    ] {
        let mut world = World::new(true).await;
        world.rewrite("    mode: enforce\n", "    mode: enforce\n    cap: { rows_per_run: 25 }\n");
        for script in &scripts {
            world.run(script).await.unwrap();
        }
        assert_eq!(world.count("id <= 1000"), ROWS - 25, "{} runs", scripts.len());
    }
}

/// Of one batch, the counts in its entry.
fn sealed(entries: &[Value]) -> Vec<&Value> {
    entries.iter().filter(|entry| entry["type"] == "batch").map(|entry| &entry["sealed"]).collect()
}

/// A seal whose answer was given up, and which is inserted when the next one is sent, is no other holder's.
#[tokio::test]
async fn a_seal_that_comes_late_is_ended_by_its_own_run() {
    let world = World::new(true).await;
    let reports = world.run(&Script::default().on(Operation::Seal, 2, Ending::Delayed)).await.unwrap();
    assert_eq!((reports[0].verdict, reports[0].left), (Verdict::Clean, Some(0)), "{:?}", reports[0]);
    let entries = world.entries().await;
    let batches = sealed(&entries);
    assert_eq!(batches.iter().filter(|counts| counts["adopted"] == true).count(), 1, "{batches:?}");
    assert!(batches.iter().all(|counts| counts["gone"] == counts["sealed"]), "{batches:?}");
    assert_eq!(world.count("id <= 1000"), 0);
}

/// The lease ends between two writes of one batch: by its own holder, and by one who adopted it.
#[tokio::test]
async fn what_was_changed_before_the_deadline_is_said_late() {
    let (row, fenced) = (FaultClass::Row(Cause::ForeignKey), FaultClass::Blocked(Cause::Fenced));
    let halved = |script: Script, n| script.fails(Operation::Finish, n, row).fails(Operation::Finish, n + 2, fenced);
    for script in
        [halved(Script::default(), 1), halved(Script::default().fails(Operation::Finish, 1, FaultClass::Transient), 2)]
    {
        let world = World::new(true).await;
        let reports = world.run(&script).await.unwrap();
        assert_eq!((reports[0].verdict, reports[0].cause), (Verdict::Failed, Some(Cause::Fenced)));
        assert_eq!(world.count("id <= 1000"), ROWS - 5, "half of the first batch went");
        assert_eq!(world.run(&Script::default()).await.unwrap()[0].verdict, Verdict::Clean);
        let entries = world.entries().await;
        let late: Vec<_> = entries.iter().filter(|entry| entry["type"] == "late").collect();
        assert_eq!(late.len(), 1, "{entries:?}");
        assert_eq!((&late[0]["sealed_sequence"], &late[0]["changed"]), (&json!(2), &json!(5)));
        let changed = |name: &'static str| {
            entries.iter().filter(move |entry| entry["type"] == name).filter_map(|entry| entry["changed"].as_u64())
        };
        assert_eq!(changed("batch").sum::<u64>() + changed("late").sum::<u64>(), ROWS, "nothing is said twice");
    }
}

#[tokio::test]
async fn a_list_that_takes_too_long_is_halved() {
    let world = World::new(true).await;
    let script = Script::default().fails(Operation::Finish, 1, FaultClass::Timeout);
    let reports = world.run(&script).await.unwrap();
    assert_eq!((reports[0].verdict, reports[0].changed), (Verdict::Clean, ROWS), "{:?}", reports[0]);
    let entries = world.entries().await;
    let batches = sealed(&entries);
    assert_eq!(script.calls(Operation::Finish), batches.len() as u64 + 2);
    assert!(
        batches.iter().all(|counts| counts["adopted"] == false && counts["gone"] == counts["sealed"]),
        "{batches:?}"
    );
}

#[tokio::test]
async fn a_batch_that_takes_too_long_is_tried_with_a_quarter_and_not_with_as_many_soon() {
    let world = World::new(false).await;
    let script = Script::default().fails(Operation::Change, 1, FaultClass::Timeout);
    let reports = world.run(&script).await.unwrap();
    assert_eq!((reports[0].verdict, reports[0].changed), (Verdict::Clean, ROWS), "{:?}", reports[0]);
    let entries = world.entries().await;
    let batches = entries.iter().filter(|entry| entry["type"] == "batch");
    let rows: Vec<u64> = batches.filter_map(|entry| entry["changed"].as_u64()).collect();
    assert_eq!((rows[..2].to_vec(), rows.iter().sum()), (vec![2, 2], ROWS), "{rows:?}");
}
