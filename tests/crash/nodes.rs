//! Several nodes that all take writes: a holder works on one, its successor on another, and something happens to one of
//! the two processes or nodes. A batch of an old term must never be committed once the new term has begun.

use std::fs;
use std::time::{Duration, Instant};

use crate::dice::Dice;
use crate::harness::{Cluster, Flow, Process, until};
use crate::lane::Site;
use crate::report::Counts;
use crate::rounds::{IN_TRANSACTION, REACH, TRIES, UNRELAYED, pause};
use crate::watch::Report;

/// What happens in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// SIGKILL, and the successor works on another node.
    Kill,
    /// The holder stands still while a successor works, and goes on then.
    Freeze,
    /// The holder's node has not heard of the new term when the holder commits.
    HolderLags,
    /// The successor's node has not heard of the holder's last batches when the successor begins.
    SuccessorLags,
    /// The holder's node is alone while the successor works, and comes back then.
    CutOff,
}

/// The wrong way to fence a cluster: a read under a lock, which one node alone knows of.
pub(crate) const FENCE_BY_READ: &str = "fence_by_read";

/// Longer than a commit takes to leave a node.
const LEAVES: Duration = Duration::from_millis(500);

/// In which of a run's batches something happens: one of the first so many.
const BATCHES: u64 = 40;

// === impl Trouble ===

impl Trouble {
    pub(crate) const ALL: &[Self] = &[Self::Kill, Self::Freeze, Self::HolderLags, Self::SuccessorLags, Self::CutOff];

    /// In turn, so that a short form meets each that takes no long time.
    pub(crate) fn of_round(round: u64) -> Self {
        match (round % 20, round % 4) {
            (19, _) => Self::CutOff,
            (_, 0) => Self::HolderLags,
            (_, 1) => Self::Kill,
            (_, 2) => Self::Freeze,
            _ => Self::SuccessorLags,
        }
    }

    /// As the last line counts it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Kill => "killed",
            Self::Freeze => "frozen",
            Self::HolderLags => "holder_lagged",
            Self::SuccessorLags => "successor_lagged",
            Self::CutOff => "cut_off",
        }
    }
}

/// Two nodes for one round; nothing happens to the first one of all.
pub(crate) struct Pair {
    cluster: Cluster,
    pub(crate) holder: usize,
    pub(crate) successor: usize,
}

// === impl Pair ===

impl Pair {
    pub(crate) fn draw(cluster: Cluster, trouble: Trouble, dice: &mut Dice) -> Self {
        let nodes = cluster.servers().expect("the cluster").count() as u64;
        let unlucky = 1 + dice.below(nodes - 1);
        let other = (unlucky + 1 + dice.below(nodes - 1)) % nodes;
        let (holder, successor) = if trouble == Trouble::SuccessorLags { (other, unlucky) } else { (unlucky, other) };
        let number = |node| usize::try_from(node).unwrap();
        Self { cluster, holder: number(holder), successor: number(successor) }
    }
}

/// A round in which something other than a plain kill happens.
pub(crate) fn befall(
    site: &Site,
    pair: &Pair,
    trouble: Trouble,
    naive: Option<&str>,
    dice: &mut Dice,
    counts: &mut Counts,
) -> Result<(), String> {
    for _ in 0..TRIES {
        let happened = match trouble {
            Trouble::Kill => unreachable!("a kill is a round of its own"),
            Trouble::Freeze => freeze(site, pair, naive, dice, counts)?,
            Trouble::HolderLags => holder_lags(site, pair, naive, dice, counts)?,
            Trouble::SuccessorLags => successor_lags(site, pair, naive, dice, counts)?,
            Trouble::CutOff => cut_off(site, pair, naive, dice, counts)?,
        };
        if happened {
            return Ok(());
        }
        // It came to its end by itself: there is work again.
        site.seed();
    }
    Err(format!("no holder came to the point where it is {}", trouble.name()))
}

/// The successor works to its end, or stands still as well, when the holder goes on.
fn freeze(site: &Site, pair: &Pair, naive: Option<&str>, dice: &mut Dice, counts: &mut Counts) -> Result<bool, String> {
    let points = if dice.below(4) == 0 { UNRELAYED } else { IN_TRANSACTION };
    let point = *dice.pick(points);
    let Some(holder) = stopped(site, pair.holder, point, batch(point, BATCHES, dice), naive) else { return Ok(false) };
    let mut old = Old::standing(site);
    let point = *dice.pick(IN_TRANSACTION);
    let successor = match dice.below(2) {
        0 => stopped(site, pair.successor, point, batch(point, BATCHES, dice), None),
        _ => None,
    };
    if successor.is_none() {
        site.work_on(pair.successor);
        site.recover()?;
    }
    old.passed(site);
    holder.signal("CONT");
    holder.wait();
    counts.late += old.late(site);
    if let Some(successor) = successor {
        successor.signal("CONT");
        successor.wait();
    }
    Ok(true)
}

/// The holder stands inside a transaction. Its node lags; the new term begins on the other one; then it commits.
fn holder_lags(
    site: &Site,
    pair: &Pair,
    naive: Option<&str>,
    dice: &mut Dice,
    counts: &mut Counts,
) -> Result<bool, String> {
    let point = *dice.pick(IN_TRANSACTION);
    let point = if point == "receipt.after" { "commit.before" } else { point };
    let Some(mut holder) = stopped(site, pair.holder, point, batch(point, BATCHES, dice), naive) else {
        return Ok(false);
    };
    let mut old = Old::standing(site);
    let (node, flow) = (pair.cluster.node(pair.holder), *dice.pick(&[Flow::Free, Flow::Held]));
    node.lag(flow, site.data());
    let successor = stopped(site, pair.successor, "fence.raise.after", 1, None);
    let Some(successor) = successor else {
        node.catch_up();
        return Err("no new term began".into());
    };
    old.passed(site);
    let sent = node.sent();
    holder.signal("CONT");
    let end = Instant::now() + LEAVES;
    while holder.runs() && Instant::now() < end {
        pause(10_000);
    }
    counts.tried += u64::from(node.sent() > sent);
    // The successor is through, or about to begin, when the holder has its answer; or it waits for the node as well.
    match (flow, dice.below(2)) {
        (Flow::Free, 0) => {
            successor.signal("CONT");
            successor.wait();
            node.catch_up();
        }
        (Flow::Free, _) => {
            node.catch_up();
            successor.signal("CONT");
            successor.wait();
        }
        (Flow::Held, _) => {
            successor.signal("CONT");
            pause(dice.below(1_000_000));
            node.catch_up();
            successor.wait();
        }
    }
    holder.wait();
    counts.late += old.late(site);
    Ok(true)
}

/// The successor's node lags before the holder begins, so that it knows none of its batches.
fn successor_lags(
    site: &Site,
    pair: &Pair,
    naive: Option<&str>,
    dice: &mut Dice,
    counts: &mut Counts,
) -> Result<bool, String> {
    let node = pair.cluster.node(pair.successor);
    node.lag(Flow::Free, site.data());
    let point = *dice.pick(IN_TRANSACTION);
    let Some(holder) = stopped(site, pair.holder, point, batch(point, BATCHES, dice), naive) else {
        node.catch_up();
        return Ok(false);
    };
    let dies = dice.below(2) == 0;
    let mut old = Old::standing(site);
    let holder = if dies {
        holder.signal("KILL");
        holder.wait();
        None
    } else {
        Some(holder)
    };
    site.work_on(pair.successor);
    let successor = site.start(&[]);
    pause(dice.below(1_500_000));
    node.catch_up();
    successor.wait();
    site.recover()?;
    old.passed(site);
    if let Some(holder) = holder {
        holder.signal("CONT");
        holder.wait();
    }
    counts.late += old.late(site);
    Ok(true)
}

/// The holder stands still or works on when its node loses the others.
fn cut_off(
    site: &Site,
    pair: &Pair,
    naive: Option<&str>,
    dice: &mut Dice,
    counts: &mut Counts,
) -> Result<bool, String> {
    let point = *dice.pick(IN_TRANSACTION);
    let Some(holder) = stopped(site, pair.holder, point, batch(point, BATCHES, dice), naive) else { return Ok(false) };
    let mut old = Old::standing(site);
    let node = pair.cluster.node(pair.holder);
    let works = dice.below(2) == 0;
    if works {
        holder.signal("CONT");
        pause(dice.below(20_000));
    }
    node.cut_off();
    site.work_on(pair.successor);
    let recovered = site.recover();
    old.passed(site);
    node.come_back();
    if !works {
        holder.signal("CONT");
    }
    holder.wait();
    counts.late += old.late(site);
    recovered.map(|()| true)
}

/// Which time a point is passed: any batch, or the only one.
fn batch(point: &str, batches: u64, dice: &mut Dice) -> u64 {
    if IN_TRANSACTION.contains(&point) { 1 + dice.below(batches) } else { 1 }
}

/// A process on this node that stands still where it passed a point for the nth time; none where it did not come there.
fn stopped(site: &Site, node: usize, point: &str, nth: u64, naive: Option<&str>) -> Option<Process> {
    site.work_on(node);
    let report = Report::open(site.program());
    let (variable, path) = report.variable();
    let fault = format!("{point}=stop@{nth}");
    let mut environment = vec![(variable, path.as_str()), ("FORGETD_FAULT", fault.as_str())];
    environment.extend(naive.map(|naive| ("FORGETD_NAIVE", naive)));
    let mut running = site.start(&environment);
    if !report.reaches(&format!("{point} {nth}"), REACH, || !running.runs()) {
        return None;
    }
    until("the process stands still", 60, || state(&running) == 'T');
    Some(running)
}

/// The kernel's letter for what the process does.
fn state(process: &Process) -> char {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.pid())).unwrap_or_default();
    // The name of the program stands in brackets before it.
    stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).unwrap_or('?')
}

/// A term that another passes, and how many receipts it has.
struct Old {
    term: u64,
    receipts: u64,
}

// === impl Old ===

impl Old {
    /// The term that stands now.
    fn standing(site: &Site) -> Self {
        Self { term: site.term(), receipts: 0 }
    }

    /// Another stands: what the old one has by now was committed before that.
    fn passed(&mut self, site: &Site) {
        assert!(site.term() > self.term, "no new term began");
        self.receipts = self.count(site);
    }

    /// Receipts that it has got since.
    fn late(&self, site: &Site) -> u64 {
        self.count(site) - self.receipts
    }

    fn count(&self, site: &Site) -> u64 {
        site.receipts(&format!("term <= {}", self.term))
    }
}
