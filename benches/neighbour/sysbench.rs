//! The application on MariaDB: sysbench, which tells a histogram when it ends, and therefore works in short stints.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, spawn};
use std::time::Instant;

use crate::latency::Latencies;

/// Runs stint after stint until it is stopped.
pub(crate) struct Sysbench {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Stint>>,
}

struct Stint {
    from: Instant,
    to: Instant,
    ms: Vec<f64>,
    errors: usize,
}

/// Everything that it saw.
pub(crate) struct Seen(Vec<Stint>);

/// How long a stint is, in seconds.
const STINT: &str = "3";

const SCRIPT: &str = r#"
sysbench.cmdline.options = { nrows = {"rows", 1000000} }
function thread_init() con = sysbench.sql.driver():connect() end
function thread_done() con:disconnect() end
function event()
  local n = sysbench.opt.nrows
  local id, account = sysbench.rand.uniform(n / 2 + 1, n), sysbench.rand.uniform(0, 65535)
  con:query("select * from event where id = " .. id)
  con:query("select id, email, at from event where account_id = " .. account .. " order by id desc limit 20")
  con:query("begin")
  con:query("update event set name = 'changed " .. account .. "' where id = " .. id)
  con:query("insert into event select n, now(6), " .. account .. ", concat(n, '@example.com'), 'n', 'p', repeat('x', 64) from (select uuid_short() as n) as new")
  con:query("commit")
end
"#;

// === impl Sysbench ===

impl Sysbench {
    /// So many transactions a second on a table of `rows` rows, from eight sessions.
    pub(crate) fn start(port: u16, rows: u64, rate: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = spawn(move || {
            let folder = tempfile::tempdir().unwrap();
            let script = folder.path().join("application.lua");
            std::fs::write(&script, SCRIPT).unwrap();
            let mut stints = vec![];
            while !stopped.load(Ordering::Relaxed) {
                let from = Instant::now();
                let output = Command::new("sysbench")
                    .arg(&script)
                    .args([
                        "--db-driver=mysql",
                        "--mysql-host=127.0.0.1",
                        "--mysql-user=bench",
                        "--mysql-password=bench",
                    ])
                    .args([
                        "--mysql-db=people",
                        "--threads=8",
                        "--events=0",
                        "--histogram=on",
                        "--mysql-ignore-errors=all",
                    ])
                    .args([&format!("--mysql-port={port}"), &format!("--nrows={rows}"), &format!("--rate={rate}")])
                    .args([&format!("--time={STINT}"), "run"])
                    .output()
                    .expect("sysbench is not installed: Debian's package sysbench");
                let text = String::from_utf8_lossy(&output.stdout);
                assert!(output.status.success(), "sysbench: {text}");
                let (ms, errors) = (histogram(&text), ignored(&text));
                stints.push(Stint { from, to: Instant::now(), ms, errors });
            }
            stints
        });
        Self { stop, thread }
    }

    /// Ends with the stint under way.
    pub(crate) fn stop(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        Seen(self.thread.join().unwrap())
    }
}

/// Lines like `  0.858 |*****    123`: so many transactions took so many milliseconds.
fn histogram(text: &str) -> Vec<f64> {
    let bars = text.lines().filter_map(|line| {
        let (ms, bar) = line.split_once('|')?;
        let count: usize = bar.trim_start_matches(['*', ' ']).trim().parse().ok()?;
        Some(std::iter::repeat_n(ms.trim().parse().ok()?, count))
    });
    bars.flatten().collect()
}

fn ignored(text: &str) -> usize {
    let line = text.lines().find_map(|line| line.trim().strip_prefix("ignored errors:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

// === impl Seen ===

impl Seen {
    /// The transactions of the stints that lie in this stretch of time, or of those that touch it where none does.
    pub(crate) fn between(&self, from: Instant, to: Instant) -> Latencies {
        let within = |stint: &&Stint| stint.from >= from && stint.to <= to;
        let touching = |stint: &&Stint| stint.from < to && stint.to > from;
        let inside = self.0.iter().any(|stint| within(&stint));
        let stints = self.0.iter().filter(|stint| if inside { within(stint) } else { touching(stint) });
        Latencies::new(stints.flat_map(|stint| stint.ms.iter().copied()).collect())
    }

    pub(crate) fn errors(&self) -> usize {
        self.0.iter().map(|stint| stint.errors).sum()
    }
}
