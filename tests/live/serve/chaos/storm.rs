//! The trouble itself.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use forgetd_testkit::proxy::Link;

use super::ground::Ground;
use super::judged;
use super::pod::Pod;
use crate::harness::{Process, Program, until};
use crate::serve::dice::Dice;
use crate::serve::{DUE, FRESH};

const PODS: usize = 3;

/// Sessions that become due in each round: a run of many batches.
const ADDED: u64 = 3_000;

/// The lease, as the policy has it.
const LEASE: Duration = Duration::from_secs(3);

/// A takeover that is not there by then will not come: what can be seen is told.
const LONG: Duration = Duration::from_secs(60);

/// The periods of the policies: the last process has a newer one, as in a rollout.
const PERIODS: [&str; PODS] = ["30d", "30d", "31d"];

/// What happens to a holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trouble {
    Kill,
    End,
    Freeze,
    FreezeInside,
    Hold,
    Swallow,
    Refuse,
}

/// How long it goes on.
pub(super) enum Plan<'a> {
    /// One of each.
    Each(&'a [Trouble]),
    /// Whatever the dice say, for so long.
    For(Duration),
}

/// What the storm is about.
struct Storm<'a> {
    ground: &'a dyn Ground,
    program: Program,
    pods: Vec<Pod>,
    dice: Dice,
    /// Sessions that were or are due.
    due: u64,
    /// How long it took from the trouble until another one held the lease.
    took: BTreeMap<Trouble, Vec<Duration>>,
    /// What people asked for meanwhile.
    asked: Vec<Process>,
}

/// Makes trouble as planned; then everything that is due must be gone, and told.
pub(super) fn survives(ground: &dyn Ground, plan: &Plan<'_>) {
    let (seed, first) = match plan {
        Plan::Each(troubles) => (1, troubles.first() == Some(&Trouble::FreezeInside)),
        Plan::For(_) => (Dice::seed(), true),
    };
    println!("{}: seed {seed}", ground.engine());
    let mut storm = Storm::over(ground, Dice::new(seed), first);
    let began = Instant::now();
    match plan {
        Plan::Each(troubles) => troubles.iter().for_each(|trouble| storm.round(Some(*trouble))),
        Plan::For(long) => {
            while began.elapsed() < *long {
                storm.round(None);
            }
        }
    }
    storm.pass(began);
}

// === impl Storm ===

impl<'a> Storm<'a> {
    fn over(ground: &'a dyn Ground, dice: Dice, armed: bool) -> Self {
        ground.create(DUE, FRESH);
        let program = Program::installed(&ground.policy(None, PERIODS[0]));
        let mut storm = Self { ground, program, pods: vec![], dice, due: DUE, took: BTreeMap::new(), asked: vec![] };
        for period in PERIODS {
            let nth = (armed && storm.pods.is_empty()).then_some(4);
            storm.pods.push(Pod::start(ground, &storm.program, period, nth));
            // The first one holds the lease.
            storm.until_held(None);
        }
        storm
    }

    /// Which of the processes holds the lease.
    fn holder(&self) -> Option<usize> {
        let status = self.program.call(&["status"]).stdout;
        let line = status.lines().next().filter(|line| line.contains(" acts"))?;
        self.pods.iter().position(|pod| pod.is(line))
    }

    /// Waits until another process than this one holds the lease.
    fn until_held(&mut self, but: Option<usize>) -> usize {
        let (mut held, since, mut told) = (None, Instant::now(), false);
        until("another process holds the lease", 90, || {
            self.pods.iter_mut().for_each(Pod::come_back);
            held = self.holder().filter(|number| Some(*number) != but);
            if since.elapsed() > LONG && !std::mem::replace(&mut told, true) {
                println!("nobody for {} s; status says: {}", LONG.as_secs(), self.program.call(&["status"]).stderr);
                println!("{}", self.ground.state());
            }
            held.is_some()
        });
        held.expect("a holder")
    }

    /// Waits until so many processes are neither frozen nor cut off.
    fn until_there(&mut self, count: usize) {
        until("processes came back", 90, || {
            self.pods.iter_mut().for_each(Pod::come_back);
            self.pods.iter().filter(|pod| !pod.is_away()).count() >= count
        });
    }

    /// Rows become due, the holder is asked to delete them, and goes away in the middle of that.
    fn round(&mut self, planned: Option<Trouble>) {
        self.until_there(2);
        let holder = self.until_held(None);
        self.ground.add_due(self.due + FRESH + 1, ADDED);
        self.due += ADDED;
        let before = self.ground.rows();
        self.asked.push(self.program.start(&["run", "--json"]));
        let armed = self.pods[holder].is_armed();
        let begun = Instant::now();
        // It may be somebody else's turn by now, and a rule may wait: then the trouble meets a holder that does nothing.
        while begun.elapsed() < 3 * LEASE
            && if armed { !self.pods[holder].is_frozen() } else { self.ground.rows() == before }
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        let trouble = match planned {
            _ if armed => Trouble::FreezeInside,
            Some(Trouble::FreezeInside) => Trouble::Freeze,
            Some(trouble) => trouble,
            None => {
                std::thread::sleep(Duration::from_millis(self.dice.below(300)));
                *self.dice.pick(&[
                    Trouble::Kill,
                    Trouble::End,
                    Trouble::Freeze,
                    Trouble::Hold,
                    Trouble::Swallow,
                    Trouble::Refuse,
                ])
            }
        };
        let made = Instant::now();
        self.make(trouble, holder);
        self.until_held(Some(holder));
        self.took.entry(trouble).or_default().push(made.elapsed());
        if [Trouble::Kill, Trouble::End].contains(&trouble) {
            let armed = (planned.is_none() && self.dice.below(3) == 0).then(|| 1 + self.dice.below(8));
            self.pods[holder].restart(self.ground, armed);
        }
    }

    fn make(&mut self, trouble: Trouble, holder: usize) {
        let pod = &mut self.pods[holder];
        match trouble {
            Trouble::Kill => pod.signal("KILL"),
            Trouble::End => pod.signal("TERM"),
            Trouble::Freeze | Trouble::FreezeInside => {
                pod.signal("STOP");
                pod.stays_away(3 * LEASE);
            }
            Trouble::Hold | Trouble::Swallow | Trouble::Refuse => {
                pod.cut(match trouble {
                    Trouble::Hold => Link::Held,
                    Trouble::Swallow => Link::Swallowed,
                    _ => Link::Refused,
                });
                pod.stays_away(LEASE.mul_f64(1.5) + Duration::from_millis(self.dice.below(4_500)));
            }
        }
    }

    /// The weather is fine again.
    fn pass(mut self, began: Instant) {
        let long = began.elapsed();
        self.until_there(PODS);
        let Self { ground, program, pods, due, took, asked, .. } = self;
        let mut logs = vec![];
        until("what is due is gone", 180, || {
            logs.push(program.call(&["run"]).stderr);
            ground.rows() == FRESH
        });
        logs.extend(pods.into_iter().flat_map(Pod::end));
        // Whether they were answered by the old holder, by the next one, or not at all; some took the lease themselves.
        logs.extend(asked.into_iter().map(|asked| asked.wait().stderr));
        let judged = judged::judge(ground, &program, due, &logs);
        let mut all: Vec<Duration> = took.values().flatten().copied().collect();
        all.sort_unstable();
        let each: Vec<String> = took.iter().map(|(trouble, took)| format!("{trouble:?}={}", took.len())).collect();
        let (median, max) = (all[all.len() / 2].as_millis(), all[all.len() - 1].as_millis());
        println!(
            "note: chaos on {}: {} s {} {judged} takeover_median_ms={median} takeover_max_ms={max}",
            ground.engine(),
            long.as_secs(),
            each.join(" ")
        );
    }
}
