//! The application on MariaDB: sysbench, whose script logs each transaction.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::latency::Seen;

/// Runs until it is stopped.
pub(crate) struct Sysbench {
    child: Child,
    folder: TempDir,
}

/// How many sessions it has.
const SESSIONS: u32 = 8;

/// Each session paces itself: sysbench's own histogram is told at the end alone, and says nothing of the time before a purge
/// and of the purge apart. An event that sysbench begins anew met an error.
const SCRIPT: &str = r#"
local ffi = require("ffi")
ffi.cdef[[
typedef struct { long s; long ns; } moment;
int clock_gettime(int clock, moment *at);
int usleep(unsigned int micros);
]]
local at = ffi.new("moment")
local con, log, due, open
sysbench.cmdline.options = { nrows = {"rows", 1000000}, each = {"transactions a second of a session", 10} }
local function now()
  ffi.C.clock_gettime(0, at)
  return tonumber(at.s) + tonumber(at.ns) / 1e9
end
function thread_init()
  con = sysbench.sql.driver():connect()
  log = io.open("transactions." .. sysbench.tid, "w")
  log:setvbuf("line")
  due = now()
end
function thread_done() con:disconnect() end
function event()
  if open then log:write("error\n") end
  open = true
  due = due - math.log(sysbench.rand.uniform(1, 1000000) / 1000000) / sysbench.opt.each
  local wait = due - now()
  if wait > 0 then ffi.C.usleep(wait * 1e6) end
  local n = sysbench.opt.nrows
  local id, account = sysbench.rand.uniform(n / 2 + 1, n), sysbench.rand.uniform(0, 65535)
  con:query("select * from event where id = " .. id)
  con:query("select id, email, at from event where account_id = " .. account .. " order by id desc limit 20")
  con:query("begin")
  con:query("update event set name = 'changed " .. account .. "' where id = " .. id)
  con:query("insert into event select n, now(6), " .. account .. ", concat(n, '@example.com'), 'n', 'p', repeat('x', 64) from (select uuid_short() as n) as new")
  con:query("commit")
  log:write(string.format("%.6f %.3f\n", due, (now() - due) * 1000))
  open = false
end
"#;

// === impl Sysbench ===

impl Sysbench {
    /// So many transactions a second on a table of `rows` rows, from eight sessions, for `within` at most.
    pub(crate) fn start(port: u16, rows: u64, rate: u32, within: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("application.lua"), SCRIPT).unwrap();
        let child = Command::new("sysbench")
            .args(["application.lua", "--db-driver=mysql", "--mysql-host=127.0.0.1", "--mysql-user=bench"])
            .args(["--mysql-password=bench", "--mysql-db=people", "--events=0", "--mysql-ignore-errors=all"])
            .arg(format!("--time={}", within.as_secs()))
            .args([&format!("--mysql-port={port}"), &format!("--nrows={rows}")])
            .args([&format!("--threads={SESSIONS}"), &format!("--each={}", f64::from(rate) / f64::from(SESSIONS))])
            .arg("run")
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sysbench is not installed: Debian's package sysbench");
        Self { child, folder }
    }

    /// Stops it.
    pub(crate) fn stop(mut self) -> Seen {
        assert!(self.child.try_wait().unwrap().is_none(), "sysbench has ended");
        drop(self.child.kill());
        drop(self.child.wait());
        let mut seen = Seen::default();
        for session in 0..SESSIONS {
            let text = std::fs::read_to_string(self.folder.path().join(format!("transactions.{session}"))).unwrap();
            seen.transactions.extend(text.lines().filter_map(transaction));
            seen.errors += text.lines().filter(|line| *line == "error").count();
        }
        seen
    }
}

/// When it was to begin, in seconds, and how long it took from then on, in milliseconds.
fn transaction(line: &str) -> Option<(f64, f64)> {
    let (due, took) = line.split_once(' ')?;
    Some((due.parse().ok()?, took.parse().ok()?))
}
