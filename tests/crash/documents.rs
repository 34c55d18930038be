//! Documents: kills, and freezes longer than the lease, while an application works on the very documents in flight: it
//! uses them again, replaces them, holds them, lets them expire again and deletes them.
//!
//! Nothing commits there together, so what is true of every round is this: no document that the application keeps is gone,
//! and what forgetd deleted is at least what its entries report as changed, and at most what they announced and found gone. In
//! every fourth round the application rests: what was announced and found gone is then what went, to the document.

use std::collections::BTreeSet;
use std::fmt;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use forgetd::clock;
use jiff::Timestamp;
use mongodb::bson::{Bson, DateTime, Document, doc};
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::evidence::{Exported, batches_of};
use crate::harness::{Mongo, Policy, Process, Program, Rule};
use crate::lane::ABSENT;
use crate::rounds::{REACH, TRIES, pause};
use crate::watch::Report;

/// What the lane is called.
pub(crate) const NAME: &str = "mongodb";

/// Documents that are due in each round, and of one batch.
const ROWS: u64 = 600;
const BATCH_ROWS: u64 = 6;

/// Where it is killed or frozen, mostly: around a batch's announcement and its end.
const POINTS: &[&str] = &[
    "seal.before",
    "seal.after",
    "finish.before",
    "finish.after",
    "finish.before",
    "finish.after",
    "unseal.before",
    "pick.after",
];

/// The same outside of batches.
const BESIDE: &[&str] = &["relay.publish.before", "relay.ack.before", "run.open.after", "run.close.before"];

/// One after the other, in turn: what happens in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Kill,
    Freeze,
}

/// How many rounds of each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rounds {
    pub(crate) kills: u64,
    pub(crate) freezes: u64,
}

/// The counts of a whole form.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    kills: u64,
    freezes: u64,
    quiet: u64,
    in_seal: u64,
    used: u64,
    app_deleted: u64,
    confirmed: u64,
    truth: u64,
    gone: u64,
    receipts: u64,
    exact: u64,
    lost: u64,
    unannounced: u64,
    overstated: u64,
    keys_left: u64,
}

/// Documents, a policy, and the program.
struct World {
    documents: Mongo,
    program: Program,
    seeded: u64,
}

/// What the application did in a round, by what the server acknowledged.
#[derive(Default)]
struct Used {
    /// Documents that must be there.
    keeps: BTreeSet<i64>,
    operations: u64,
    deleted: u64,
}

/// The application, at work until it is told to stop.
struct Application {
    stop: std::sync::Arc<AtomicBool>,
    works: JoinHandle<Used>,
}

/// A round's beginning, and what went in it that the application did not take.
struct Round {
    from: Timestamp,
    truth: u64,
    quiet: bool,
}

/// Runs the form and returns its last line, as an error where it must fail.
pub(crate) fn run(rounds: Rounds, naive: Option<&str>, mut dice: Dice) -> Result<String, String> {
    let Some(mut world) = World::new() else { return Ok(ABSENT.into()) };
    let mut counts = Counts::default();
    let mut ledger = vec![];
    let Rounds { kills, freezes } = rounds;
    for round in 0..kills + freezes {
        let trouble = if round % 7 < 2 && counts.freezes < freezes || counts.kills == kills {
            Trouble::Freeze
        } else {
            Trouble::Kill
        };
        // Documents that the application touches are found gone as well, among which a wrong order could hide.
        let quiet = naive.is_some() || round % 4 == 3;
        ledger.push(world.round((trouble, quiet), naive, &mut dice, &mut counts)?);
    }
    world.compare(&ledger, &mut counts)?;
    let line = counts.to_string();
    if !counts.agree() {
        return Err(line);
    }
    if counts.in_seal * 2 < rounds.kills || counts.used == 0 {
        return Err(format!("{line}\ntoo few kills met the states that matter"));
    }
    Ok(line)
}

/// The long form: `mongodb [--rounds N] [--freezes N] [--naive VARIANT] [--seed S]`.
pub(crate) fn long(arguments: &[String]) -> ExitCode {
    let mut rounds = Rounds { kills: 200, freezes: 80 };
    let (mut naive, mut seed) = (None, Dice::seed());
    for pair in arguments.chunks(2) {
        let number = || pair.get(1).and_then(|text| text.parse().ok());
        let known = match (pair[0].as_str(), number()) {
            ("--rounds", Some(kills)) => {
                rounds = Rounds { kills, freezes: kills * 2 / 5 };
                true
            }
            ("--freezes", Some(freezes)) => {
                rounds.freezes = freezes;
                true
            }
            ("--seed", Some(number)) => {
                seed = number;
                true
            }
            ("--naive", None) => {
                naive = pair.get(1).map(String::as_str).filter(|naive| *naive == LOG_AFTER);
                naive.is_some()
            }
            _ => false,
        };
        if !known {
            println!("{} is no flag of this lane, or lacks its value", pair[0]);
            return ExitCode::from(64);
        }
    }
    match run(rounds, naive, Dice::new(seed)) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            println!("{why} seed={seed}");
            ExitCode::FAILURE
        }
    }
}

/// The wrong order: documents go, and what was done is written afterwards.
pub(crate) const LOG_AFTER: &str = "log_after_commit";

// === impl World ===

impl World {
    fn new() -> Option<Self> {
        let documents = Mongo::database()?;
        // Its type is the collection's from the start, and what stays makes no run a purge of everything.
        documents.insert("item", (1..=500).map(|n| json!({ "_id": -n, "at": date(fresh()), "state": "idle" })));
        let rule = Rule::delete("items", "item", "at").with("when_null: keep").with("where: { state: idle }");
        let policy = Policy::new(&documents.url())
            .with(&format!("throttle: {{ batch_rows_max: {BATCH_ROWS} }}"))
            .top("coordination: { lease: 1s }")
            .rule(&rule);
        let program = Program::installed(&policy);
        Some(Self { documents, program, seeded: 0 })
    }

    fn round(
        &mut self,
        (trouble, quiet): (Trouble, bool),
        naive: Option<&str>,
        dice: &mut Dice,
        counts: &mut Counts,
    ) -> Result<Round, String> {
        let (first, before) = (self.seeded, self.there());
        let from = clock::now();
        self.seed();
        let seed = dice.below(u64::MAX);
        let application = (!quiet).then(|| Application::start(self.documents.beside(), first, self.seeded, seed));
        let met = match trouble {
            Trouble::Kill => self.kill(naive, dice)?,
            Trouble::Freeze => self.freeze(dice)?,
        };
        match trouble {
            Trouble::Kill => counts.kills += 1,
            Trouble::Freeze => counts.freezes += 1,
        }
        counts.quiet += u64::from(quiet);
        counts.in_seal += u64::from(met);
        // The application goes on while the successor mends; what it expires behind the position is for another run.
        self.start(&[]).wait();
        let used = application.map(Application::stop).unwrap_or_default();
        self.recover()?;
        counts.used += used.operations;
        counts.app_deleted += used.deleted;
        counts.lost += self.missing(&used.keeps);
        counts.keys_left += self.documents.find_control("receipt", doc! { "keys": { "$exists": true } }).len() as u64;
        let went = before + (self.seeded - first) - self.there();
        Ok(Round { from, truth: went.saturating_sub(used.deleted), quiet })
    }

    fn seed(&mut self) {
        let old = |n: u64| 1_577_836_800_000 + i64::try_from(n / 12).expect("small") * 1_000;
        let seeded = self.seeded;
        let item = |n| json!({ "_id": n, "at": date(old(n)), "state": "idle", "note": "as it was" });
        self.documents.insert("item", (seeded..seeded + ROWS).map(item));
        self.seeded += ROWS;
    }

    fn there(&self) -> u64 {
        self.documents.count("item", doc! { "_id": { "$gte": 0 } })
    }

    /// How many of these documents are not there.
    fn missing(&self, keeps: &BTreeSet<i64>) -> u64 {
        let keys: Vec<i64> = keeps.iter().copied().collect();
        keys.len() as u64 - self.documents.count("item", doc! { "_id": { "$in": keys } })
    }

    fn start(&self, environment: &[(&str, &str)]) -> Process {
        let mut command = self.program.command(&["run", "--json", "--wait", "30s"]);
        Process::spawn(command.envs(environment.iter().copied()))
    }

    /// Kills it where it holds still at a point, or at a random moment; whether a seal was open then.
    fn kill(&mut self, naive: Option<&str>, dice: &mut Dice) -> Result<bool, String> {
        for _ in 0..TRIES {
            let point = match (naive, dice.below(10)) {
                (Some(_), _) => "finish.after",
                (None, 0..7) => *dice.pick(POINTS),
                (None, 7) => *dice.pick(BESIDE),
                (None, _) => "",
            };
            let nth = if BESIDE.contains(&point) { 1 } else { 1 + dice.below(40) };
            let report = Report::open(&self.program);
            let (variable, path) = report.variable();
            let fault = format!("{point}=hold@{nth}");
            let mut environment = vec![(variable, path.as_str())];
            if point.is_empty() {
                environment.push(("FORGETD_FAULT", ""));
            } else {
                environment.push(("FORGETD_FAULT", fault.as_str()));
            }
            environment.extend(naive.map(|naive| ("FORGETD_NAIVE", naive)));
            let mut running = self.start(&environment);
            let met = if point.is_empty() {
                pause(200_000 + dice.below(1_500_000));
                running.runs()
            } else {
                report.reaches(&format!("{point} {nth}"), REACH, || !running.runs())
            };
            if met {
                running.signal("KILL");
                running.wait();
                report.rest();
                return Ok(self.open_seals() > 0);
            }
            running.wait();
            report.rest();
            // It came to its end by itself: there is work again.
            self.seed();
        }
        Err("no kill came before the end of a run".into())
    }

    /// It stands still for longer than its lease while a successor works, and goes on then.
    fn freeze(&mut self, dice: &mut Dice) -> Result<bool, String> {
        for _ in 0..TRIES {
            let fault = format!("{}=stop@{}", dice.pick(POINTS), 1 + dice.below(40));
            let report = Report::open(&self.program);
            let (variable, path) = report.variable();
            let mut holder = self.start(&[(variable, path.as_str()), ("FORGETD_FAULT", &fault)]);
            let (point, nth) = fault.split_once("=stop@").expect("a fault");
            if !report.reaches(&format!("{point} {nth}"), REACH, || !holder.runs()) {
                holder.wait();
                report.rest();
                self.seed();
                continue;
            }
            crate::harness::until("it stands still", 60, || is_stopped(&holder));
            let open = self.open_seals() > 0;
            let successor = self.start(&[]).wait();
            if successor.code == 1 {
                return Err(format!("the successor failed\n{}\n{}", successor.stdout, successor.stderr));
            }
            holder.signal("CONT");
            holder.wait();
            report.rest();
            return Ok(open);
        }
        Err("no freeze came before the end of a run".into())
    }

    fn open_seals(&self) -> usize {
        self.documents.find_control("receipt", doc! { "state": "sealed" }).len()
    }

    /// Runs it to its end, as often as a supervisor would start it again; nobody helps.
    fn recover(&self) -> Result<(), String> {
        let mut said = String::new();
        for _ in 0..4 {
            let output = self.start(&[]).wait();
            if output.code == 0 && output.lines().iter().all(|report| report["verdict"] == "clean") {
                return Ok(());
            }
            said = format!("exit {}\n{}\n{}", output.code, output.stdout, output.stderr);
        }
        Err(format!("not clean after four starts: {said}"))
    }

    /// Compares each round with the evidence that was made in it.
    fn compare(&self, ledger: &[Round], counts: &mut Counts) -> Result<(), String> {
        let folder = self.program.path("evidence-out");
        let name = folder.to_str().unwrap();
        for arguments in [["evidence", "export", name], ["evidence", "verify", name]] {
            let output = self.program.call(&arguments);
            if output.code != 0 {
                return Err(format!("{arguments:?}: exit {}\n{}\n{}", output.code, output.stdout, output.stderr));
            }
        }
        let exported = Exported::read(&folder);
        for (n, round) in ledger.iter().enumerate() {
            let to = ledger.get(n + 1).map_or(Timestamp::MAX, |next| next.from);
            let at = |entry: &Value| entry["at"].as_str().unwrap().parse::<Timestamp>().unwrap();
            let within = exported.entries.iter().filter(|entry| (round.from..to).contains(&at(entry)));
            let entries: Vec<Value> = within.cloned().collect();
            let (confirmed, gone) = (confirmed(&entries), batches_of(&entries));
            counts.confirmed += confirmed;
            counts.truth += round.truth;
            counts.gone += gone;
            counts.unannounced += round.truth.saturating_sub(gone);
            let most = if round.quiet { gone.max(confirmed) } else { confirmed };
            counts.overstated += most.saturating_sub(round.truth);
        }
        let batches = exported.entries.iter().filter(|entry| entry["type"] == "batch");
        for batch in batches {
            counts.receipts += 1;
            counts.exact += u64::from(batch["sealed"]["gone"] == batch["changed"]);
        }
        Ok(())
    }
}

/// Documents that the server said forgetd's own statements deleted, whoever wrote it down.
fn confirmed(entries: &[Value]) -> u64 {
    let counted = entries.iter().filter(|entry| entry["type"] == "batch" || entry["type"] == "late");
    counted.map(|entry| entry["changed"].as_u64().expect("a count")).sum()
}

fn is_stopped(process: &Process) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.pid())).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
}

fn date(at: i64) -> Value {
    json!({ "$date": { "$numberLong": at.to_string() } })
}

fn fresh() -> i64 {
    clock::now().as_millisecond()
}

// === impl Application ===

impl Application {
    /// Starts it on the documents of these numbers.
    fn start(documents: Mongo, first: u64, end: u64, seed: u64) -> Self {
        let stop = std::sync::Arc::new(AtomicBool::new(false));
        let told = std::sync::Arc::clone(&stop);
        let works = std::thread::spawn(move || {
            let (mut used, mut dice) = (Used::default(), Dice::new(seed));
            while !told.load(Ordering::Relaxed) {
                used.once(&documents, i64::try_from(first + dice.below(end - first)).expect("small"), dice.below(10));
                pause(2_000 + dice.below(6_000));
            }
            used
        });
        Self { stop, works }
    }

    fn stop(self) -> Used {
        self.stop.store(true, Ordering::Relaxed);
        self.works.join().expect("the application")
    }
}

// === impl Used ===

impl Used {
    /// One operation on one document. What it lets go is given up before it is sent, what it keeps is counted when the
    /// server has acknowledged it.
    fn once(&mut self, documents: &Mongo, id: i64, what: u64) {
        let at = |millis: i64| Bson::DateTime(DateTime::from_millis(millis));
        let set = |fields: Document| doc! { "$set": fields };
        let kept = match what {
            0..3 => set(doc! { "at": at(fresh()) }),
            3..5 => doc! { "at": at(fresh()), "state": "idle", "note": "another one" },
            5..8 => set(doc! { "state": "held" }),
            8 => {
                self.keeps.remove(&id);
                let old = set(doc! { "at": at(1_600_000_000_000), "state": "idle" });
                self.operations += documents.update_one("item", id, old);
                return;
            }
            _ => {
                self.keeps.remove(&id);
                let deleted = documents.remove("item", doc! { "_id": id });
                self.operations += deleted;
                self.deleted += deleted;
                return;
            }
        };
        if documents.update_one("item", id, kept) == 1 {
            self.operations += 1;
            self.keeps.insert(id);
        }
    }
}

// === impl Counts ===

impl Counts {
    fn agree(&self) -> bool {
        self.lost == 0 && self.unannounced == 0 && self.overstated == 0 && self.keys_left == 0
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, freezes, quiet, in_seal, used, app_deleted, confirmed, truth, gone, .. } = self;
        let Self { receipts, exact, lost, unannounced, overstated, keys_left, .. } = self;
        write!(f, "rounds={} kills={kills} freezes={freezes} quiet={quiet} in_open_seal={in_seal}", kills + freezes)?;
        write!(f, " application={used} application_deleted={app_deleted}")?;
        write!(f, " confirmed={confirmed} truth={truth} gone={gone} receipts={receipts} exact={exact}")?;
        write!(f, " protected_lost={lost} unannounced={unannounced} overstated={overstated} keys_left={keys_left}")
    }
}
