//! What the storm passes over: sessions in a table, or in a collection.

use std::net::SocketAddr;

use mongodb::bson::doc;
use serde_json::{Value, json};

use crate::harness::{Database, Ferret, Mongo, Mysql, Policy, Postgres, Rule};
use crate::serve::{LEASE, SELDOM};
use crate::shop;

/// A home database with web sessions.
pub(super) trait Ground {
    fn engine(&self) -> &'static str;

    /// Where the server listens.
    fn address(&self) -> SocketAddr;

    /// Makes the table.
    fn create(&self, due: u64, fresh: u64);

    /// More sessions that are due, from this number on.
    fn add_due(&self, first: u64, count: u64);

    /// Sessions that are there.
    fn rows(&self) -> u64;

    /// A policy that reaches the server at another port of this machine, if one is given.
    fn policy(&self, port: Option<u16>, keep_for: &str) -> Policy;

    /// The fault that stops a process inside a batch: what it changed is not settled yet.
    fn inside(&self) -> &'static str;

    /// What the log says of rows that went: no fewer than the first number, and no more than the second.
    fn told(&self, batches: &[Value]) -> (u64, u64);

    /// What the server is at, where that can be seen from below.
    fn state(&self) -> String {
        String::new()
    }
}

/// Sessions in a table, and receipts in the same commit.
pub(super) struct Tables<D> {
    database: D,
}

/// What differs between servers with tables.
pub(super) trait Server: Database {
    fn address(&self) -> SocketAddr;
    fn url_at(&self, port: u16) -> String;
}

/// Sessions in a collection.
pub(super) struct Documents(pub(super) Mongo);

fn number(entry: &Value, key: &str) -> u64 {
    entry[key].as_u64().unwrap_or_else(|| panic!("no number {key}: {entry}"))
}

// === impl Tables ===

impl<D> Tables<D> {
    pub(super) fn on(database: D) -> Self {
        Self { database }
    }
}

impl<D: Server> Ground for Tables<D> {
    fn engine(&self) -> &'static str {
        self.database.engine()
    }

    fn address(&self) -> SocketAddr {
        self.database.address()
    }

    fn create(&self, due: u64, fresh: u64) {
        shop::create(&self.database, due, fresh);
    }

    fn add_due(&self, first: u64, count: u64) {
        shop::add(&self.database, first, count, 40);
    }

    fn rows(&self) -> u64 {
        shop::rows(&self.database)
    }

    fn policy(&self, port: Option<u16>, keep_for: &str) -> Policy {
        let url = port.map_or_else(|| self.database.url(), |port| self.database.url_at(port));
        let rule = shop::rule().with(SELDOM).with(&format!("keep_for: {keep_for}"));
        shop::ruled_at(&url, LEASE, &rule)
    }

    fn inside(&self) -> &'static str {
        "change.after"
    }

    fn told(&self, batches: &[Value]) -> (u64, u64) {
        let changed = batches.iter().map(|batch| number(batch, "changed")).sum();
        (changed, changed)
    }
}

impl Server for Postgres {
    fn address(&self) -> SocketAddr {
        Self::address()
    }

    fn url_at(&self, port: u16) -> String {
        self.url_at(port)
    }
}

impl Server for Mysql {
    fn address(&self) -> SocketAddr {
        self.address()
    }

    fn url_at(&self, port: u16) -> String {
        self.url_at(port)
    }
}

// === impl Documents ===

impl Documents {
    fn add(&self, first: u64, count: u64, seen: &str) {
        let session = |n: u64| json!({ "_id": n, "last_seen_at": { "$date": seen } });
        self.0.insert("web_session", (first..first + count).map(session));
    }
}

impl Ground for Documents {
    fn engine(&self) -> &'static str {
        "mongodb"
    }

    fn address(&self) -> SocketAddr {
        let url = url::Url::parse(self.0.server()).expect("a URL");
        url.socket_addrs(|| Some(27017)).expect("an address")[0]
    }

    fn create(&self, due: u64, fresh: u64) {
        self.add_due(1, due);
        self.add(due + 1, fresh, "2090-01-01T00:00:00Z");
        let index = doc! { "key": { "last_seen_at": 1 }, "name": "last_seen_at_1" };
        self.0.command(self.0.name(), doc! { "createIndexes": "web_session", "indexes": [index] });
    }

    fn add_due(&self, first: u64, count: u64) {
        self.add(first, count, "2020-01-01T00:00:00Z");
    }

    fn rows(&self) -> u64 {
        self.0.count("web_session", doc! {})
    }

    fn policy(&self, port: Option<u16>, keep_for: &str) -> Policy {
        let options = self.0.server().split_once('?').map_or("", |(_, options)| options);
        let url = match port {
            Some(port) => self.0.url_at(&format!("mongodb://127.0.0.1:{port}/?{options}")),
            None => self.0.url(),
        };
        let rule = Rule::delete("web-sessions", "web_session", "last_seen_at").with("when_null: keep");
        shop::ruled_at(&url, LEASE, &rule.with(SELDOM).with(&format!("keep_for: {keep_for}")))
    }

    fn inside(&self) -> &'static str {
        "finish.after"
    }

    /// A write to several documents that was cut short is told as an interval.
    fn told(&self, batches: &[Value]) -> (u64, u64) {
        let changed = batches.iter().map(|batch| number(batch, "changed")).sum();
        (changed, batches.iter().map(|batch| number(&batch["sealed"], "gone")).sum())
    }

    fn state(&self) -> String {
        Ferret::there().map(Ferret::sessions).unwrap_or_default()
    }
}
