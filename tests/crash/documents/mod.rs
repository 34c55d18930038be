//! Documents: kills, and freezes longer than the lease, while an application works on the very documents in flight: it
//! uses them again, replaces them, holds them, lets them expire again and deletes them.
//!
//! Nothing commits there together, so what is true of every round is this: no document that the application keeps is gone,
//! and what forgetd deleted is at least what its entries report as changed, and at most what they announced and found gone. In
//! every fourth round the application rests: what was announced and found gone is then what went, to the document.
//!
//! Everything goes through somebody in the middle. In rounds of their own a part of a write is done and then fails, answers
//! are lost, and what is written is not confirmed: to the program, killed or frozen at times, and to its successor.
//!
//! Where documents are transformed, each is at any moment what the application made of it, or all of that transformed, once;
//! and one that the application keeps is what it made of it.

mod application;
mod counts;
mod deed;
mod deleted;
#[path = "../../../connectors/mongodb/tests/it/middleman.rs"]
#[allow(dead_code, reason = "the connector's own tests use the rest")]
mod middleman;
mod people;
mod proxy;
mod transformed;
mod trouble;

use std::process::ExitCode;
use std::sync::Arc;

use forgetd::clock;
use jiff::Timestamp;
use mongodb::bson::doc;
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::evidence::{Exported, batches_of};
use crate::harness::{Mongo, Policy, Program};
use crate::lane::ABSENT;
use application::Application;
use counts::{Counts, Line};
use deed::{Deed, Outcome};
use people::People;
use proxy::Proxy;
use trouble::Trouble;

/// What the lanes are called: documents go, or are written.
pub(crate) const NAMES: [&str; 2] = ["mongodb", "transform-mongodb"];

/// Documents that are due in each round, and of one batch.
const ROWS: i64 = 600;
const BATCH_ROWS: u64 = 6;

/// How many rounds of each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rounds {
    pub(crate) kills: u64,
    pub(crate) freezes: u64,
    /// Rounds in which writes are meddled with.
    pub(crate) faults: u64,
}

/// Documents, a policy, and the program.
struct World {
    deed: Deed,
    documents: Mongo,
    /// None: what the server says cannot be read.
    proxy: Option<Proxy>,
    meddled: bool,
    program: Program,
    seeded: i64,
}

/// A round's beginning, and what forgetd did in it.
struct Round {
    from: Timestamp,
    truth: u64,
    again: u64,
    quiet: bool,
}

/// Runs the form and returns its last line, as an error where it must fail.
pub(crate) fn run(name: &str, rounds: Rounds, naive: Option<&str>, mut dice: Dice) -> Result<String, String> {
    let Some(mut world) = World::new(name) else { return Ok(ABSENT.into()) };
    let mut counts = Counts::default();
    let mut ledger = vec![];
    let rounds = Rounds { faults: if world.proxy.is_some() { rounds.faults } else { 0 }, ..rounds };
    for round in 0..rounds.kills + rounds.freezes + rounds.faults {
        let trouble = rounds.next(round, &counts);
        // Documents that the application touches are found gone as well, among which a wrong order could hide.
        let quiet = naive.is_some() || round % 4 == 3;
        ledger.push(world.round((trouble, quiet), naive, &mut dice, &mut counts)?);
    }
    world.compare(&ledger, &mut counts)?;
    let line = Line(&world.deed, &counts).to_string();
    if !counts.agree() {
        return Err(line);
    }
    if counts.in_seal < rounds.in_seal() || (rounds.kills + rounds.freezes > 0 && counts.used == 0) {
        return Err(format!("{line}\ntoo few kills met the states that matter"));
    }
    let rare = counts.tricks.each().into_iter().find(|(_, times)| *times == 0);
    if let Some((trick, _)) = rare.filter(|_| rounds.faults >= FEW) {
        return Err(format!("{line}\n{trick} was never played"));
    }
    Ok(line)
}

/// Rounds in which each of the tricks must have been played.
const FEW: u64 = 10;

// === impl Rounds ===

impl Rounds {
    /// How many kills and freezes must meet an open seal: about two of three do, and of a few of them it may be one.
    const fn in_seal(&self) -> u64 {
        if self.kills < 40 { self.kills.div_ceil(40) } else { self.kills / 2 }
    }

    /// What happens in the next round: one kind beside the others, until there is no more of it.
    fn next(&self, round: u64, counts: &Counts) -> Trouble {
        let (kill, freeze, fault) =
            (counts.kills < self.kills, counts.freezes < self.freezes, counts.faults < self.faults);
        match round % 9 {
            0 | 1 if freeze => Trouble::Freeze,
            2 | 3 if fault => Trouble::Fault,
            _ if kill => Trouble::Kill,
            _ if freeze => Trouble::Freeze,
            _ => Trouble::Fault,
        }
    }
}

/// The long form: `mongodb [--rounds N] [--freezes N] [--faults N] [--naive VARIANT] [--seed S]`.
pub(crate) fn long(name: &str, arguments: &[String]) -> ExitCode {
    let mut rounds = Rounds { kills: 200, freezes: 80, faults: 80 };
    let (mut naive, mut seed) = (None, Dice::seed());
    for pair in arguments.chunks(2) {
        let number = || pair.get(1).and_then(|text| text.parse().ok());
        let known = match (pair[0].as_str(), number()) {
            ("--rounds", Some(kills)) => {
                rounds = Rounds { kills, freezes: kills * 2 / 5, faults: kills * 2 / 5 };
                true
            }
            ("--freezes", Some(freezes)) => {
                rounds.freezes = freezes;
                true
            }
            ("--faults", Some(faults)) => {
                rounds.faults = faults;
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
    match run(name, rounds, naive, Dice::new(seed)) {
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

/// The wrong order must show in the counts.
pub(crate) fn caught(name: &str, kills: u64) -> Result<String, String> {
    let wrong = if name == NAMES[0] { "unannounced=" } else { "lost=" };
    match run(name, Rounds { kills, freezes: 0, faults: 0 }, Some(LOG_AFTER), Dice::new(Dice::seed())) {
        Ok(line) if line == ABSENT => Ok(line),
        Ok(line) => Err(format!("{LOG_AFTER} was not caught: {line}")),
        Err(line) if line.contains(wrong) && !line.contains(&format!(" {wrong}0")) => Ok(line),
        Err(why) => Err(why),
    }
}

/// The wrong order: documents change, and what was done is written afterwards.
pub(crate) const LOG_AFTER: &str = "log_after_commit";

// === impl World ===

impl World {
    fn new(name: &str) -> Option<Self> {
        let documents = Mongo::database()?;
        let deed = if name == NAMES[0] { Deed::Delete } else { Deed::Transform(Arc::new(People::new()?)) };
        // Its type is the collection's from the start, and what stays makes no run a purge of everything.
        let stays = |n: i64| json!({ "_id": -n, "at": deleted::date(deleted::fresh()), "state": "idle" });
        documents.insert("item", (1..=500).map(stays));
        let proxy = Proxy::before(&documents);
        let url = proxy.as_ref().map_or_else(|| documents.url(), |proxy| documents.url_at(proxy.server()));
        let policy = Policy::new(&url).with(&format!("throttle: {{ batch_rows_max: {BATCH_ROWS} }}"));
        let policy = deed.policy(policy).top("coordination: { lease: 1s }").rule(&deed.rule());
        let program = Program::installed(&policy);
        deed.equip(&program);
        Some(Self { deed, documents, proxy, meddled: false, program, seeded: 0 })
    }

    fn round(
        &mut self,
        (trouble, quiet): (Trouble, bool),
        naive: Option<&str>,
        dice: &mut Dice,
        counts: &mut Counts,
    ) -> Result<Round, String> {
        let (first, before) = (self.seeded, deleted::there(&self.documents));
        let from = clock::now();
        self.seed();
        let seed = dice.below(u64::MAX);
        let used = self.deed.application();
        let application =
            (!quiet).then(|| Application::start(self.documents.beside(), used, first..self.seeded, Dice::new(seed)));
        match trouble {
            Trouble::Kill => {
                counts.in_seal += u64::from(self.kill(naive, dice)?);
                counts.kills += 1;
            }
            Trouble::Freeze => {
                counts.in_seal += u64::from(self.freeze(dice)?);
                counts.freezes += 1;
            }
            Trouble::Fault => {
                counts.tricks.add(self.fault(dice)?);
                counts.faults += 1;
            }
        }
        counts.quiet += u64::from(quiet);
        let at_death = self.deed.application().died(&self.documents, &(first..self.seeded));
        // The application goes on while the successor mends; what it expires behind the position is for another run.
        self.start(&[]).wait();
        let used = application.map_or_else(|| self.deed.application(), Application::stop);
        self.recover()?;
        let (operations, app_deleted) = used.counts();
        counts.used += operations;
        counts.app_deleted += app_deleted;
        let before = before + (self.seeded - first).unsigned_abs();
        let Outcome { truth, again, found } =
            used.outcome(&self.documents, &(first..self.seeded), before, &at_death)?;
        counts.found.add(found);
        counts.keys_left += self.documents.find_control("receipt", doc! { "keys": { "$exists": true } }).len() as u64;
        Ok(Round { from, truth, again, quiet })
    }

    fn seed(&mut self) {
        let documents = (self.seeded..self.seeded + ROWS).map(|n| self.deed.document(n));
        self.documents.insert("item", documents);
        self.seeded += ROWS;
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
            counts.unannounced += round.truth.saturating_sub(gone + round.again);
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

/// Documents that the server said forgetd's own statements changed, whoever wrote it down.
fn confirmed(entries: &[Value]) -> u64 {
    let counted = entries.iter().filter(|entry| entry["type"] == "batch" || entry["type"] == "late");
    counted.map(|entry| entry["changed"].as_u64().expect("a count")).sum()
}
