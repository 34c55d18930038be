//! What happens to the program in a round.

use mongodb::bson::doc;

use super::World;
use super::proxy::Tricks;
use crate::dice::Dice;
use crate::harness::{Process, until};
use crate::rounds::{REACH, TRIES, pause};
use crate::watch::Report;

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
pub(super) enum Trouble {
    Kill,
    Freeze,
    Fault,
}

// === impl World ===

impl World {
    pub(super) fn start(&self, environment: &[(&str, &str)]) -> Process {
        let mut command = self.program.command(&["run", "--json", "--wait", "30s"]);
        Process::spawn(command.envs(environment.iter().copied()))
    }

    /// Kills it where it holds still at a point, or at a random moment; whether a seal was open then.
    pub(super) fn kill(&mut self, naive: Option<&str>, dice: &mut Dice) -> Result<bool, String> {
        for _ in 0..self.tries() {
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
    pub(super) fn freeze(&mut self, dice: &mut Dice) -> Result<bool, String> {
        for _ in 0..self.tries() {
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
            until("it stands still", 60, || holder.is_frozen());
            let open = self.open_seals() > 0;
            let successor = self.start(&[]).wait();
            if successor.code == 1 && !self.meddled {
                return Err(format!("the successor failed\n{}\n{}", successor.stdout, successor.stderr));
            }
            holder.signal("CONT");
            holder.wait();
            report.rest();
            return Ok(open);
        }
        Err("no freeze came before the end of a run".into())
    }

    /// Writes are meddled with: of a program that comes to its end, is killed or stands still, and at times of its successor.
    pub(super) fn fault(&mut self, dice: &mut Dice) -> Result<Tricks, String> {
        for _ in 0..TRIES {
            self.proxy.as_ref().expect("a proxy").meddle(dice.below(u64::MAX));
            self.meddled = true;
            // That it ended before is as well.
            match dice.below(3) {
                0 => drop(self.kill(None, dice)),
                1 => drop(self.freeze(dice)),
                _ => drop(self.start(&[]).wait()),
            }
            if dice.below(2) == 0 {
                self.start(&[]).wait();
            }
            self.meddled = false;
            let tricks = self.proxy.as_ref().expect("a proxy").rest();
            if tricks.any() {
                return Ok(tricks);
            }
            self.seed();
        }
        Err("no write was meddled with".into())
    }

    /// How often something is tried. What is meddled with comes to its end sooner.
    const fn tries(&self) -> u32 {
        if self.meddled { 1 } else { TRIES }
    }

    fn open_seals(&self) -> usize {
        self.documents.find_control("receipt", doc! { "state": "sealed" }).len()
    }

    /// Runs it to its end, as often as a supervisor would start it again; nobody helps.
    pub(super) fn recover(&self) -> Result<(), String> {
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
}
