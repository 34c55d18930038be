//! The machine, and whether it is free enough to be measured on.

use std::fs::read_to_string;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Above this share of all processors for others nothing is measured.
const FOREIGN_MAX: f64 = 0.25;

/// How long it is waited for others to end.
const QUIET_WITHIN: Duration = Duration::from_secs(300);

/// How long a look at the processors takes.
const LOOK: Duration = Duration::from_secs(1);

/// Processors, memory, kernel and load.
pub(crate) fn description() -> String {
    let read = |path: &str| read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        line.and_then(|line| line.split(':').nth(1).map(|value| value.trim().to_owned())).unwrap_or_default()
    };
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "machine: {cpus} x {}, memory {}, Linux {}, load {}",
        field(&read("/proc/cpuinfo"), "model name"),
        field(&read("/proc/meminfo"), "MemTotal"),
        read("/proc/sys/kernel/osrelease").trim(),
        read("/proc/loadavg").trim()
    )
}

/// Waits until the machine is ours while none of our own processes is at work. Returns the share that others had at the end.
///
/// # Panics
/// If others keep more than a quarter of it.
pub(crate) fn wait_quiet() -> f64 {
    let started = Instant::now();
    loop {
        let before = ticks();
        sleep(LOOK);
        let after = ticks();
        let share = (after.0 - before.0) / (after.1 - before.1);
        if share <= FOREIGN_MAX {
            return share;
        }
        assert!(
            started.elapsed() < QUIET_WITHIN,
            "others use {:.0}% of the processors: nothing that is measured now would be true",
            share * 100.0
        );
    }
}

/// Ticks of all processors that were used, and all that passed.
fn ticks() -> (f64, f64) {
    let stat = read_to_string("/proc/stat").unwrap();
    let ticks: Vec<f64> = stat.lines().next().unwrap().split_whitespace().skip(1).flat_map(str::parse).collect();
    let idle = ticks[3] + ticks[4];
    let all: f64 = ticks.iter().take(8).sum();
    (all - idle, all)
}
