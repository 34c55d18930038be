//! One of the processes: its configuration, its wire to the database, and what it logged in all its lives.

use std::time::{Duration, Instant};

use forgetd_testkit::proxy::Link;

use super::ground::Ground;
use crate::harness::{Process, Program, Wire};

/// A process that can be cut off from its database.
pub(super) struct Pod {
    program: Program,
    wire: Wire,
    process: Process,
    /// It stops itself inside one of its first batches.
    armed: bool,
    /// When it is frozen or cut off, and how long.
    away: Option<(Instant, Duration)>,
    logs: Vec<String>,
}

// === impl Pod ===

impl Pod {
    /// Another process of the installation, with a policy and a wire of its own.
    pub(super) fn start(ground: &dyn Ground, installed: &Program, keep_for: &str, armed: Option<u64>) -> Self {
        let wire = Wire::to(ground.address());
        let program = installed.another(&ground.policy(Some(wire.port()), keep_for));
        let process = spawn(ground, &program, armed);
        Self { program, wire, process, armed: armed.is_some(), away: None, logs: vec![] }
    }

    /// Starts the next process in the place of one that ends.
    pub(super) fn restart(&mut self, ground: &dyn Ground, armed: Option<u64>) {
        let next = spawn(ground, &self.program, armed);
        let ended = std::mem::replace(&mut self.process, next).wait();
        assert!([0, -1].contains(&ended.code), "it ended with {}\n{}", ended.code, ended.stderr);
        self.logs.push(ended.stderr);
        self.armed = armed.is_some();
    }

    pub(super) fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    pub(super) fn cut(&self, link: Link) {
        self.wire.set(link);
    }

    /// Whether the holder of this name is this process.
    pub(super) fn is(&self, holder: &str) -> bool {
        holder.contains(&format!("/{}/", self.process.pid()))
    }

    /// Whether it will stop itself inside a batch.
    pub(super) fn is_armed(&self) -> bool {
        self.armed
    }

    pub(super) fn is_frozen(&self) -> bool {
        self.process.is_frozen()
    }

    /// It does not act before this time is over.
    pub(super) fn stays_away(&mut self, long: Duration) {
        self.away = Some((Instant::now(), long));
    }

    pub(super) fn is_away(&self) -> bool {
        self.away.is_some()
    }

    /// Comes back when its time is over.
    pub(super) fn come_back(&mut self) {
        if self.away.is_some_and(|(since, long)| since.elapsed() >= long) {
            self.away = None;
            self.armed = false;
            self.cut(Link::Up);
            self.signal("CONT");
        }
    }

    /// Ends it as Kubernetes does; everything that it logged.
    pub(super) fn end(mut self) -> Vec<String> {
        assert!(self.process.runs(), "it is not there any more");
        self.signal("TERM");
        self.logs.push(self.process.wait().expect(0).stderr);
        self.logs
    }
}

fn spawn(ground: &dyn Ground, program: &Program, armed: Option<u64>) -> Process {
    let mut command = program.command(&["serve", "--listen", "127.0.0.1:0"]);
    if let Some(nth) = armed {
        command.env("FORGETD_FAULT", format!("{}=stop@{nth}", ground.inside()));
    }
    Process::spawn(&mut command)
}
