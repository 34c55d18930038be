//! Named points at which tests make the program die, stop, fail or lose an answer.
//!
//! Without the cargo feature `faults` these functions are empty. With it, `FORGETD_FAULT` holds a comma-separated list
//! of `point.before=action[@n]` or `point.after=action[@n]`: at the n-th time (default the first) that the point is
//! reached, `kill` sends SIGKILL to the process itself, `stop` SIGSTOP, `fail` answers with a lost connection, and
//! `hold` waits to be killed. `after` with `fail` is the "done, but the answer was lost" twin. Every point reached is
//! written as a line to the file named by `FORGETD_FAULT_REPORT`, a pipe in tests.

#[cfg(not(feature = "faults"))]
use crate::Fault;

/// Every point, by name. `before` means: not done yet; `after`: done, and nobody knows yet.
pub const POINTS: &[&str] = &[
    "lease.acquire",
    "fence.raise",
    "rulebook.keep",
    "run.recheck",
    "run.open",
    "change",
    "receipt",
    "commit",
    "pick",
    "seal",
    "finish",
    "unseal",
    "run.close",
    "key.destroy",
    "standing.keep",
    "request.answer",
    "relay.publish",
    "relay.checkpoint",
    "relay.ack",
];

/// The point is about to be passed.
#[cfg(not(feature = "faults"))]
#[inline]
pub fn before(_point: &'static str) -> Result<(), Fault> {
    Ok(())
}

/// The point was passed.
#[cfg(not(feature = "faults"))]
#[inline]
pub fn after(_point: &'static str) -> Result<(), Fault> {
    Ok(())
}

/// Whether this wrong way of doing something is asked for, by `FORGETD_NAIVE`: what is there to catch it must do so.
#[cfg(not(feature = "faults"))]
#[inline]
pub fn naive(_name: &str) -> bool {
    false
}

#[cfg(feature = "faults")]
pub use armed::{after, before, naive};

#[cfg(feature = "faults")]
mod armed {
    use std::collections::BTreeMap;
    use std::io::Write as _;
    use std::process::Command;
    use std::sync::{Mutex, OnceLock, PoisonError};
    use std::time::Duration;

    use crate::{Fault, FaultClass};

    struct Arm {
        place: String,
        action: String,
        at: u64,
    }

    /// Reads `FORGETD_FAULT` once.
    fn arms() -> &'static [Arm] {
        static ARMS: OnceLock<Vec<Arm>> = OnceLock::new();
        ARMS.get_or_init(|| {
            let text = std::env::var("FORGETD_FAULT").unwrap_or_default();
            text.split(',').filter(|part| !part.is_empty()).filter_map(parse).collect()
        })
    }

    fn parse(part: &str) -> Option<Arm> {
        let (place, rest) = part.split_once('=')?;
        let (action, at) = rest.split_once('@').unwrap_or((rest, "1"));
        Some(Arm { place: place.into(), action: action.into(), at: at.parse().ok()? })
    }

    /// The point is about to be passed.
    pub fn before(point: &'static str) -> Result<(), Fault> {
        reach(&format!("{point}.before"), point)
    }

    /// The point was passed.
    pub fn after(point: &'static str) -> Result<(), Fault> {
        reach(&format!("{point}.after"), point)
    }

    /// Whether this wrong way of doing something is asked for, by `FORGETD_NAIVE`: what is there to catch it must do so.
    pub fn naive(name: &str) -> bool {
        static ASKED: OnceLock<Option<String>> = OnceLock::new();
        ASKED.get_or_init(|| std::env::var("FORGETD_NAIVE").ok()).as_deref() == Some(name)
    }

    fn reach(place: &str, point: &'static str) -> Result<(), Fault> {
        debug_assert!(super::POINTS.contains(&point), "fault point {point} has no name");
        static HITS: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());
        let hit = {
            let mut hits = HITS.lock().unwrap_or_else(PoisonError::into_inner);
            let hit = hits.entry(place.into()).or_default();
            *hit += 1;
            *hit
        };
        if let Some(path) = std::env::var_os("FORGETD_FAULT_REPORT")
            && let Ok(mut file) = std::fs::OpenOptions::new().append(true).open(path)
        {
            // One write, so that a kill leaves the whole line or none of it. A reader that went away is the test's business.
            drop(file.write_all(format!("{place} {hit}\n").as_bytes()));
        }
        let Some(arm) = arms().iter().find(|arm| arm.place == place && arm.at == hit) else {
            return Ok(());
        };
        match arm.action.as_str() {
            "kill" => signal("KILL"),
            "stop" => signal("STOP"),
            "hold" => loop {
                std::thread::park();
            },
            _ => return Err(Fault::new(FaultClass::Disconnected, point, "fault point")),
        }
        Ok(())
    }

    /// Longer than a signal takes to reach every thread.
    const SIGNAL_TAKES: Duration = Duration::from_millis(300);

    /// Signals this very process; `unsafe` is forbidden here, so the shell's kill does it. The signal reaches this
    /// thread a little later than it was sent, so the thread waits for it: past the point it must not go.
    fn signal(name: &str) {
        let pid = std::process::id().to_string();
        drop(Command::new("kill").args([&format!("-{name}"), &pid]).status());
        std::thread::sleep(SIGNAL_TAKES);
    }
}
