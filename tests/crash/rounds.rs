//! Kills at random moments.

use std::time::{Duration, Instant};

use crate::dice::Dice;
use crate::harness::{Cluster, Process};
use crate::lane::{ABSENT, Coordination, Engine, Lane, Site};
use crate::ledger::Ledger;
use crate::nodes::{self, FENCE_BY_READ, Pair, Trouble};
use crate::report::{Counts, Line, Met};
use crate::watch::{Report, server_state, settled_state};

/// Rows that are due in each round: a hundred batches, so that a random moment meets one.
const ROWS: u64 = 600;

/// A kill that comes after the run's own end is no kill: it is tried again, this often.
pub(crate) const TRIES: u32 = 20;

/// Longer than any run of a round takes to a given point.
pub(crate) const REACH: Duration = Duration::from_secs(60);

/// Points inside an atomic batch's transaction, after its rows changed.
pub(crate) const IN_TRANSACTION: &[&str] = &["change.after", "receipt.before", "receipt.after", "commit.before"];

/// Points between a sealed receipt and its outcome.
const IN_SEAL: &[&str] = &["seal.after", "finish.before", "finish.after", "unseal.before"];

/// Points at which receipts wait and no batch is under way.
pub(crate) const UNRELAYED: &[&str] =
    &["relay.publish.before", "relay.publish.after", "relay.checkpoint.before", "relay.ack.before"];

/// Runs the form and returns its last line, as an error where it must fail.
pub(crate) fn run(lane: Lane, rounds: u64, naive: Option<&str>, mut dice: Dice) -> Result<String, String> {
    let Some(site) = Site::new(lane, ROWS) else { return Ok(ABSENT.into()) };
    if let Some(cluster) = lane.engine.cluster() {
        cluster.prepare(site.data());
    }
    let mut counts = Counts::default();
    let mut ledger = Ledger::new();
    ledger.begin();
    let lasts = undisturbed(&site)?;
    ledger.end(&site, &mut counts)?;
    for round in 0..rounds {
        // On a cluster what happens goes round as well.
        let turn = if lane.engine.cluster().is_some() { round / 4 } else { round };
        site.coordinate(if turn % 2 == 0 { Coordination::Lease } else { Coordination::None });
        site.seed();
        ledger.begin();
        match lane.engine.cluster() {
            Some(cluster) => nodes(&site, cluster, lasts, round, naive, &mut dice, &mut counts)?,
            None => counts.met(kill(&site, lasts, round, naive, &mut dice)?),
        }
        ledger.died(&site, &mut counts);
        // The wrong order is wrong only while it runs: what comes after is done right.
        site.recover()?;
        ledger.end(&site, &mut counts)?;
    }
    ledger.compare(&site, &mut counts)?;
    counts.by_second = site.receipts("lane = '1'");
    let line = Line(lane, &counts).to_string();
    if !counts.agree() {
        return Err(line);
    }
    if naive.is_none() && lane.divides() && counts.by_second < rounds {
        return Err(format!("{line}\nthe second lane did too little"));
    }
    if naive.is_none() && !counts.suffice(lane) {
        return Err(format!("{line}\ntoo few kills met the states that matter"));
    }
    Ok(line)
}

/// A round on a cluster. Wrong orders of change and receipt are wrong whatever happens to nodes.
fn nodes(
    site: &Site,
    cluster: Cluster,
    lasts: u64,
    round: u64,
    naive: Option<&str>,
    dice: &mut Dice,
    counts: &mut Counts,
) -> Result<(), String> {
    let orders = naive.is_some_and(|naive| naive != FENCE_BY_READ);
    let trouble = if orders { Trouble::Kill } else { Trouble::of_round(round) };
    let pair = Pair::draw(cluster, trouble, dice);
    if trouble == Trouble::Kill {
        site.work_on(pair.holder);
        let wrong = naive.filter(|_| orders);
        counts.met(kill(site, lasts, round, wrong, dice)?);
    } else {
        nodes::befall(site, &pair, trouble, naive, dice, counts)?;
    }
    counts.befell(trouble);
    site.work_on(pair.successor);
    Ok(())
}

/// How long a run takes that nobody kills, in microseconds: random moments are drawn from it.
fn undisturbed(site: &Site) -> Result<u64, String> {
    site.coordinate(Coordination::None);
    site.seed();
    let began = Instant::now();
    site.recover()?;
    Ok(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX))
}

/// Of twelve rounds nine inside a batch, two before the relay, one wherever it is: in turn, so that a short form meets
/// each of them too.
fn wanted(lane: Lane, round: u64) -> Met {
    match round % 12 {
        2 | 7 => Met::Unrelayed,
        5 => Met::Elsewhere,
        _ if lane.is_sealed() => Met::OpenSeal,
        _ => Met::OpenTransaction,
    }
}

fn kill(site: &Site, lasts: u64, round: u64, naive: Option<&str>, dice: &mut Dice) -> Result<Met, String> {
    let wanted = wanted(site.lane, round);
    for _ in 0..TRIES {
        let met = match naive {
            // The wrong orders pass few of the right one's points: each second kill comes at a random moment.
            Some(naive) if round.is_multiple_of(2) => blindly(site, lasts, naive, dice),
            Some(naive) => {
                let point = if round % 4 == 1 { "finish.before" } else { "finish.after" };
                killed_at(site, point, 1 + dice.below(60), Some(naive)).then_some(Met::Elsewhere)
            }
            None if site.lane.engine == Engine::Postgres && !site.lane.is_sealed() => frozen(site, lasts, wanted, dice),
            None => held(site, lasts, wanted, dice),
        };
        if let Some(met) = met {
            return Ok(met);
        }
        // It came to its end by itself: there is work again.
        site.seed();
    }
    Err(format!("no kill came before the end of a run ({wanted:?} was wanted)"))
}

/// PostgreSQL: the program is frozen, the server is asked what it sees of it, and only then it is killed.
fn frozen(site: &Site, lasts: u64, wanted: Met, dice: &mut Dice) -> Option<Met> {
    let mut running = site.start(&[]);
    pause(dice.below(lasts));
    // One kill in four does not wait for the server: statements under way die with the program.
    let settle = dice.below(4) > 0;
    for _ in 0..400 {
        if !running.runs() {
            return None;
        }
        running.signal("STOP");
        let (open, _) = if settle { settled_state(site) } else { server_state(site) };
        let met = if open {
            Met::OpenTransaction
        } else if site.pending() > 0 {
            Met::Unrelayed
        } else {
            Met::Elsewhere
        };
        if met == wanted || (wanted == Met::Elsewhere && running.runs()) {
            kill_now(running);
            return Some(met);
        }
        running.signal("CONT");
        pause(dice.below(3_000));
    }
    None
}

/// Elsewhere: the program holds still at a fault point, or reports where it was when a random moment came.
fn held(site: &Site, lasts: u64, wanted: Met, dice: &mut Dice) -> Option<Met> {
    let inside = if site.lane.is_sealed() { IN_SEAL } else { IN_TRANSACTION };
    let (points, nth) = match wanted {
        Met::OpenTransaction | Met::OpenSeal => (inside, 1 + dice.below(60)),
        Met::Unrelayed => (UNRELAYED, 1),
        Met::Elsewhere => (&[][..], 0),
    };
    if points.is_empty() {
        let report = Report::open(site.program());
        let (variable, path) = report.variable();
        let running = site.start(&[(variable, &path)]);
        pause(dice.below(lasts));
        return at_random(site, running, report);
    }
    let point = *dice.pick(points);
    if !killed_at(site, point, nth, None) {
        return None;
    }
    // What the point promises is looked up where it can be.
    match wanted {
        Met::OpenSeal => (site.open_seals() == 1).then_some(wanted),
        Met::Unrelayed if point == "relay.publish.before" => (site.pending() > 0).then_some(wanted),
        _ => Some(wanted),
    }
}

/// Kills it where it holds still at a point for the nth time; false where it does not come there.
fn killed_at(site: &Site, point: &str, nth: u64, naive: Option<&str>) -> bool {
    let report = Report::open(site.program());
    let (variable, path) = report.variable();
    let fault = format!("{point}=hold@{nth}");
    let mut environment = vec![(variable, path.as_str()), ("FORGETD_FAULT", fault.as_str())];
    environment.extend(naive.map(|naive| ("FORGETD_NAIVE", naive)));
    let mut running = site.start(&environment);
    if !report.reaches(&format!("{point} {nth}"), REACH, || !running.runs()) {
        return false;
    }
    kill_now(running);
    report.rest();
    true
}

/// Kills it now and says where it was by its last report.
fn at_random(site: &Site, mut running: Process, report: Report) -> Option<Met> {
    if !running.runs() {
        report.rest();
        return None;
    }
    kill_now(running);
    let lines = report.rest();
    let last = lines.last().map_or("", |line| line.split(' ').next().unwrap_or_default());
    if site.lane.is_sealed() && site.open_seals() > 0 {
        return Some(Met::OpenSeal);
    }
    // The commit itself may be under way at the last of these points, so it proves nothing.
    if IN_TRANSACTION[..3].contains(&last) {
        return Some(Met::OpenTransaction);
    }
    Some(if site.pending() > 0 { Met::Unrelayed } else { Met::Elsewhere })
}

/// A kill at a random moment, wherever it is.
fn blindly(site: &Site, lasts: u64, naive: &str, dice: &mut Dice) -> Option<Met> {
    let before = site.begun();
    let mut running = site.start(&[("FORGETD_NAIVE", naive)]);
    // Not before work has begun, else few kills would meet it.
    while site.begun() == before {
        if !running.runs() {
            return None;
        }
    }
    pause(dice.below(lasts));
    if !running.runs() {
        return None;
    }
    kill_now(running);
    Some(Met::Elsewhere)
}

/// SIGKILL, and waits until nothing of the process is left.
fn kill_now(running: Process) {
    running.signal("KILL");
    running.wait();
}

/// Draws the moment of a kill; nothing waits for anything here.
pub(crate) fn pause(micros: u64) {
    std::thread::sleep(Duration::from_micros(micros));
}
