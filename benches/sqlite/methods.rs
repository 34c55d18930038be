//! Who purges, and how.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::data::open;
use crate::policy::Prepared;

/// One way to purge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// One DELETE of everything.
    OneDelete,
    /// Ranges of the index of so many rows, each a transaction, without anything else.
    Naked(u32),
    /// The whole program with this `throttle`, which has a name.
    Forgetd(&'static str, &'static str),
}

/// All that are compared.
pub(crate) const METHODS: &[Method] = &[
    Method::OneDelete,
    Method::Naked(1_000),
    Method::Forgetd("forgetd, default settings", "{}"),
    Method::Forgetd("forgetd, 1000 rows a batch", "{ batch_rows_max: 1000, batch_ms_target: 10000 }"),
    Method::Forgetd("forgetd, 10000 rows a batch", "{ batch_rows_max: 10000, batch_ms_target: 10000 }"),
];

// === impl Method ===

impl Method {
    pub(crate) fn name(self) -> String {
        match self {
            Self::OneDelete => "one DELETE".into(),
            Self::Naked(rows) => format!("ranges of {rows} rows"),
            Self::Forgetd(name, _) => name.into(),
        }
    }

    /// What has to be there before the time begins.
    pub(crate) fn prepared(self, path: &Path) -> Option<Prepared> {
        let Self::Forgetd(_, throttle) = self else { return None };
        let url = format!("sqlite:{}", path.display());
        Some(Prepared::new(&url, "event", "{ column: at, zone: UTC }", throttle))
    }

    /// The seconds that it takes, and the peak of its memory in MiB where it is a process of its own.
    pub(crate) async fn purge(self, path: &Path, prepared: Option<&Prepared>) -> (f64, f64) {
        if let Some(prepared) = prepared {
            let purged = prepared.run(Duration::MAX).await;
            return (purged.seconds, purged.peak_mib);
        }
        let path = path.to_owned();
        let seconds = tokio::task::spawn_blocking(move || match self {
            Self::Naked(rows) => ranges(&path, rows),
            _ => one_delete(&path),
        });
        (seconds.await.unwrap(), f64::NAN)
    }
}

fn one_delete(path: &Path) -> f64 {
    let connection = open(path);
    let started = Instant::now();
    connection.execute("delete from event where at < datetime('now', '-30 days')", []).unwrap();
    started.elapsed().as_secs_f64()
}

fn ranges(path: &Path, rows: u32) -> f64 {
    let connection = open(path);
    let started = Instant::now();
    let cutoff: String = connection.query_row("select datetime('now', '-30 days')", [], |row| row.get(0)).unwrap();
    let mut from = String::new();
    loop {
        let peek = "select at from event where at >= ?1 and at < ?2 order by at limit 1 offset ?3";
        let to: Option<String> = connection.query_row(peek, (&from, &cutoff, rows), |row| row.get(0)).ok();
        let end = to.as_ref().unwrap_or(&cutoff);
        connection.execute_batch("begin immediate").unwrap();
        connection.execute("delete from event where at >= ?1 and at < ?2", (&from, end)).unwrap();
        connection.execute_batch("commit").unwrap();
        let Some(to) = to else { return started.elapsed().as_secs_f64() };
        from = to;
    }
}
