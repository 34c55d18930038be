//! The daemon at work.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::daemon::Daemon;
use crate::process::{command, finish};
use crate::server::Server;

/// Rows that the application adds a second, half of them due at once.
const ADDED: u64 = 2_000;

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How much more memory the last quarter may need than the second, in MiB.
const GROWTH: f64 = 2.0;

/// Memory while so many rows go.
pub(crate) async fn purge(server: &Server, config: &Path, rows: u64) {
    let session = server.connect("postgres").await;
    let fill = format!(
        "insert into events select 1000 + n, now() - interval '31 days' - interval '60 days' * (1 - n::float8 / {rows}),
                repeat('x', 100) from generate_series(1, {rows}) n;
         insert into events select {rows} + 1000 + n, now(), repeat('x', 100) from generate_series(1, {rows} / 20) n;
         vacuum (analyze) events"
    );
    for statement in fill.split(';') {
        session.client.batch_execute(statement).await.unwrap();
    }
    let daemon = Daemon::start(config);
    daemon.until_holds();
    let before = daemon.rss();
    let mut asking = command(config).arg("run").stdout(std::process::Stdio::null()).spawn().unwrap();
    let (began, mut most) = (Instant::now(), before);
    while asking.try_wait().unwrap().is_none() {
        most = most.max(daemon.rss());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    let left =
        session.client.query_one("select count(*) from events where created_at < now() - interval '30 days'", &[]);
    let left: i64 = left.await.unwrap().get(0);
    println!(
        "purge of {rows} rows: {seconds:.1} s, {left} left; {before:.1} MiB before, at most {most:.1} MiB, {:.1} MiB after",
        daemon.rss()
    );
    assert_eq!(left, 0, "rows were left");
    daemon.stop();
}

/// One look.
struct Look {
    rss: f64,
    due: i64,
    receipts: f64,
}

/// Constant inserts, and a rule that fires every minute.
pub(crate) async fn soak(server: &Server, config: &Path, long: Duration) {
    let session = server.connect("postgres").await;
    let daemon = Daemon::start(config);
    daemon.until_holds();
    let first = session.client.query_one("select max(id) from events", &[]).await.unwrap().get::<_, i64>(0) + 1;
    let (began, cpu, mut id, mut looks) = (Instant::now(), daemon.cpu(), first, vec![]);
    while began.elapsed() < long {
        let looked = Instant::now();
        let last = id + i64::try_from(ADDED).unwrap();
        let add = format!(
            "insert into events select n, now() - interval '1 day' * case n % 2 when 0 then 40 else 0 end, repeat('x', 100)
             from generate_series({id}, {}) n",
            last - 1
        );
        session.client.batch_execute(&add).await.unwrap();
        id = last;
        let due = "select count(*) from events where created_at < now() - interval '30 days'";
        looks.push(Look {
            rss: daemon.rss(),
            due: session.client.query_one(due, &[]).await.unwrap().get(0),
            receipts: daemon.metric("forgetd_evidence_pending_receipts").unwrap_or(f64::NAN),
        });
        tokio::time::sleep(LOOK_EVERY.saturating_sub(looked.elapsed())).await;
    }
    let share = (daemon.cpu() - cpu) / long.as_secs_f64() * 100.0;
    daemon.stop();
    finish(command(config).arg("run"));
    finish(command(config).args(["evidence", "verify"]));
    let quarter = |n: usize| -> f64 {
        let part = &looks[looks.len() * n / 4..looks.len() * (n + 1) / 4];
        part.iter().map(|look| look.rss).fold(0.0, f64::max)
    };
    let due = looks.iter().map(|look| look.due).max().unwrap();
    let receipts = looks.iter().map(|look| look.receipts).fold(0.0, f64::max);
    println!(
        "soak, {} s, {} rows added, half of them due: {:.1} / {:.1} / {:.1} / {:.1} MiB at most by quarters, {share:.2}% of a core; \
         at most {due} rows due and {receipts} receipts waiting",
        long.as_secs(),
        id - first,
        quarter(0),
        quarter(1),
        quarter(2),
        quarter(3)
    );
    assert!(quarter(3) <= quarter(1) + GROWTH, "memory grows");
    // A minute's rows, and those that came while they were deleted.
    assert!(due <= i64::try_from(ADDED / 2 * 150).unwrap(), "the backlog grows");
}
