//! The file: rows of about 180 bytes under three indexes, half of them due.

use std::path::Path;

use rusqlite::Connection;

/// Whether rows that are due lie together.
#[derive(Clone, Copy)]
pub(crate) enum Layout {
    Clustered,
    Scattered,
}

/// How long anybody waits for the file.
const BUSY_MS: u64 = 60_000;

// === impl Layout ===

impl Layout {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Clustered => "clustered",
            Self::Scattered => "scattered",
        }
    }
}

pub(crate) fn build(path: &Path, rows: u64, layout: Layout) {
    let place = match layout {
        Layout::Clustered => "n".to_owned(),
        // A prime: every place once, in no order.
        Layout::Scattered => format!("(n * 7919) % {rows}"),
    };
    let fill = format!(
        "pragma journal_mode = wal; pragma synchronous = off; begin;
         create table event (id integer primary key, at timestamp not null, account_id integer not null, email text not null,
             name text not null, payload text not null);
         insert into event with recursive n (n) as (select 1 union all select n + 1 from n where n < {rows})
             select n, datetime('now', '-60 days', '+' || ({place} * 5184000 / {rows}) || ' seconds'), n % 65536,
             'user' || n || '@example.com', 'Name ' || n, printf('%080d', n) from n;
         create index event_at on event (at);
         create index event_account_id on event (account_id);
         create index event_email on event (email);
         commit; analyze; pragma wal_checkpoint(truncate);"
    );
    open(path).execute_batch(&fill).unwrap();
}

/// A fresh copy of `base`, without anything of the file that lay there before.
pub(crate) fn copy(base: &Path, to: &Path) {
    for suffix in ["-wal", "-shm"] {
        let mut beside = to.as_os_str().to_owned();
        beside.push(suffix);
        drop(std::fs::remove_file(beside));
    }
    std::fs::copy(base, to).unwrap();
}

/// A connection whose commits are durable, and which waits for the file.
pub(crate) fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(std::time::Duration::from_millis(BUSY_MS)).unwrap();
    connection.execute_batch("pragma synchronous = full").unwrap();
    connection
}
