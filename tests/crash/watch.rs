//! Where the program is: told by itself over a pipe, and seen from outside in the database.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::harness::Program;
use crate::lane::Site;

/// The program's own report of the fault points it reaches, over a named pipe.
pub(crate) struct Report {
    path: PathBuf,
    lines: Receiver<String>,
}

/// The last line of a report: written by us when the program is gone.
const END: &str = "end";

// === impl Report ===

impl Report {
    /// A pipe with a reader that never blocks its writer for long. Each report has its own: a reader that was left behind
    /// would take the lines of the next.
    pub(crate) fn open(program: &Program) -> Self {
        static OPENED: AtomicU64 = AtomicU64::new(0);
        let path = program.path(&format!("report-{}", OPENED.fetch_add(1, Ordering::Relaxed)));
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let pipe = both_ends(&path);
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok).filter(|line| !line.is_empty()) {
                let ended = line == END;
                if sender.send(line).is_err() || ended {
                    return;
                }
            }
        });
        Self { path, lines }
    }

    /// The environment variable that makes the program report here.
    pub(crate) fn variable(&self) -> (&'static str, String) {
        ("FORGETD_FAULT_REPORT", self.path.to_str().unwrap().into())
    }

    /// Waits for this line; false when it does not come in time or `over` says that nobody is left to write it.
    pub(crate) fn reaches(&self, line: &str, longest: Duration, mut over: impl FnMut() -> bool) -> bool {
        let end = Instant::now() + longest;
        loop {
            match self.lines.recv_timeout(Duration::from_millis(20)) {
                Ok(found) if found == line => return true,
                Ok(_) => {}
                Err(_) if Instant::now() >= end => return false,
                // Once more after the end: the last lines may still be in the pipe.
                Err(_) if over() => return self.lines.try_iter().any(|found| found == line),
                Err(_) => {}
            }
        }
    }

    /// Every line that was not looked at yet, once the program is gone.
    pub(crate) fn rest(self) -> Vec<String> {
        self.end();
        self.lines.iter().take_while(|line| line != END).collect()
    }

    fn end(&self) {
        // In a line of its own, whatever a killed process had begun to write.
        both_ends(&self.path).write_all(format!("\n{END}\n").as_bytes()).unwrap();
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        self.end();
        std::fs::remove_file(&self.path).unwrap();
    }
}

/// Opens a pipe for reading and writing, so that opening it waits for nobody, and writers come and go.
fn both_ends(path: &Path) -> File {
    std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap()
}

/// A transaction on the server that changed rows of the user's table and is still open, and whether any session of the
/// program is busy.
pub(crate) fn server_state(site: &Site) -> (bool, bool) {
    let open = "select count(*) from pg_stat_activity a join pg_locks l using (pid)
        where l.relation = 'item'::regclass and l.mode = 'RowExclusiveLock' and l.granted
        and a.state in ('active', 'idle in transaction') and a.pid <> pg_backend_pid()";
    let busy = "select count(*) from pg_stat_activity
        where datname = current_database() and state = 'active' and pid <> pg_backend_pid()";
    (site.data().count(open) > 0, site.data().count(busy) > 0)
}

/// The same, once the server has done what the frozen program had already sent.
pub(crate) fn settled_state(site: &Site) -> (bool, bool) {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let state = server_state(site);
        if !state.1 || Instant::now() >= end {
            return state;
        }
    }
}
