//! Somebody between the program and its server, who at times lets a part of a write be done and says that it failed, loses
//! an answer, or says that no majority has what was written.

use std::collections::BTreeMap;

use super::middleman::{Middleman, Trick};
use crate::harness::{Aside, Mongo};

/// Of so many writes one is meddled with.
const ONE_IN: u64 = 20;

/// A running one.
pub(super) struct Proxy {
    server: String,
    middleman: Middleman,
    _aside: Aside,
}

/// How often which trick was played on a write to several documents.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tricks {
    pub(super) part_then_failover: u64,
    pub(super) part_then_error: u64,
    pub(super) answer_lost: u64,
    pub(super) unconfirmed: u64,
}

// === impl Proxy ===

impl Proxy {
    /// Before the server of these documents; none where what it says cannot be read.
    pub(super) fn before(documents: &Mongo) -> Option<Self> {
        let url = documents.server().strip_prefix("mongodb://")?;
        let (address, options) = url.split_once('/').unwrap_or((url, ""));
        if options.contains("tls=true") {
            return None;
        }
        // Several hosts, and what needs a password, are no address.
        let server = address.parse().ok()?;
        let (middleman, aside) = Aside::start(move || Middleman::start(server));
        let server = format!("mongodb://{}/{options}", middleman.address);
        Some(Self { server, middleman, _aside: aside })
    }

    /// The server's URL through it.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    pub(super) fn meddle(&self, seed: u64) {
        self.middleman.meddle(seed, ONE_IN);
    }

    /// Passes everything on from now on; says what it did.
    pub(super) fn rest(&self) -> Tricks {
        Tricks::of(&self.middleman.rest())
    }
}

// === impl Tricks ===

impl Tricks {
    fn of(played: &BTreeMap<Trick, u64>) -> Self {
        let times = |trick| played.get(&trick).copied().unwrap_or(0);
        Self {
            part_then_failover: times(Trick::PartThenFailover),
            part_then_error: times(Trick::PartThenWriteError),
            answer_lost: times(Trick::AnswerLost),
            unconfirmed: times(Trick::Unconfirmed),
        }
    }

    pub(super) const fn each(&self) -> [(&'static str, u64); 4] {
        [
            ("part_then_failover", self.part_then_failover),
            ("part_then_error", self.part_then_error),
            ("answer_lost", self.answer_lost),
            ("unconfirmed", self.unconfirmed),
        ]
    }

    pub(super) fn any(&self) -> bool {
        self.each().iter().any(|(_, times)| *times > 0)
    }

    pub(super) const fn add(&mut self, other: Self) {
        self.part_then_failover += other.part_then_failover;
        self.part_then_error += other.part_then_error;
        self.answer_lost += other.answer_lost;
        self.unconfirmed += other.unconfirmed;
    }
}
