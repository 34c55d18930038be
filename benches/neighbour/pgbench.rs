//! The application on PostgreSQL: pgbench, which logs each transaction.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::latency::Seen;

/// Runs until it is stopped.
pub(crate) struct Pgbench {
    child: Child,
    folder: TempDir,
}

const SCRIPT: &str = "\\set id random(:rows / 2 + 1, :rows)
\\set account random(0, 9999)
select * from events where id = :id;
select id, email, created_at from events where account_id = :account order by id desc limit 20;
begin;
update events set name = 'changed ' || :account where id = :id;
insert into events select n, now(), :account, 'new' || n || '@example.com', 'n', 'p', repeat('x', 64) from nextval('new') as n;
commit;
";

// === impl Pgbench ===

impl Pgbench {
    /// So many transactions a second on a table of `rows` rows, from eight sessions, for `within` at most.
    pub(crate) fn start(port: u16, database: &str, rows: u64, rate: u32, within: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("script"), SCRIPT).unwrap();
        let errors = std::fs::File::create(folder.path().join("errors")).unwrap();
        let child = Command::new("pgbench")
            .args(["-h", "127.0.0.1", "-U", "postgres", "-n", "-f", "script", "-c", "8", "-l"])
            .args(["-T", &within.as_secs().to_string()])
            .args(["-p", &port.to_string(), "-R", &rate.to_string(), "-D", &format!("rows={rows}"), database])
            .env("PGSSLMODE", "disable")
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .expect("pgbench is not installed: Debian's package postgresql-contrib");
        Self { child, folder }
    }

    /// Stops it. What it had not written yet, less than a second's worth, is lost.
    pub(crate) fn stop(mut self) -> Seen {
        drop(self.child.kill());
        drop(self.child.wait());
        let mut transactions = vec![];
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name().to_string_lossy().starts_with("pgbench_log") {
                let text = std::fs::read_to_string(entry.path()).unwrap();
                transactions.extend(text.lines().filter_map(transaction));
            }
        }
        let errors = std::fs::read_to_string(self.folder.path().join("errors")).unwrap();
        // Its first line says which version it is.
        let errors = errors.lines().filter(|line| line.contains("error") || line.contains("ERROR")).count();
        Seen { transactions, errors }
    }
}

/// A line of the log: client, number, microseconds, script, the second and microsecond of the end, how late it began.
fn transaction(line: &str) -> Option<(f64, f64)> {
    let fields: Vec<f64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    let [_, _, took, _, second, micros, _] = fields[..] else { return None };
    Some((second + micros / 1e6 - took / 1e6, took / 1e3))
}

/// How often somebody had waited for a lock for more than 200 ms, by what the server's log says so far.
pub(crate) fn long_lock_waits(log: &std::path::Path) -> usize {
    let text = std::fs::read_to_string(log).unwrap();
    text.lines().filter(|line| line.contains(" still waiting for ")).count()
}
