//! A running program: watched, signalled, waited for with a deadline.

use std::io::{Read, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::Value;

/// Longer than any run of these tests; a program that hangs is ended and fails its test.
const DEADLINE: Duration = Duration::from_secs(900);

/// A program that was started. Killed when dropped.
pub(crate) struct Process {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Output {
    /// The exit code; -1 where a signal ended it.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

// === impl Process ===

impl Process {
    /// Starts `command` with its output caught.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self::spawn_with(command, "")
    }

    /// The same with this on its standard input.
    pub(crate) fn spawn_with(command: &mut Command, input: &str) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("spawn");
        // A program that never reads may be gone already.
        drop(child.stdin.take().expect("piped").write_all(input.as_bytes()));
        let stdout = drain(child.stdout.take().expect("piped"));
        let stderr = drain(child.stderr.take().expect("piped"));
        Self { child, stdout, stderr }
    }

    /// The process's number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it is still there.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("wait").is_none()
    }

    /// Whether it was stopped and not told to go on.
    pub(crate) fn is_frozen(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        // The name of the program stands in brackets before it.
        stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
    }

    /// Sends a signal by its name: `KILL`, `STOP`, `CONT`, `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().expect("kill");
        assert!(status.success(), "kill -{name} {}", self.pid());
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Output {
        let stdout = match self.stdout.recv_timeout(DEADLINE) {
            Ok(text) => text,
            Err(RecvTimeoutError::Disconnected) => String::new(),
            Err(RecvTimeoutError::Timeout) => panic!("the program hangs"),
        };
        let stderr = self.stderr.recv_timeout(DEADLINE).unwrap_or_default();
        let status = self.child.wait().expect("wait");
        Output { code: status.code().unwrap_or(-1), stdout, stderr }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already gone is what is hoped for.
        drop(self.child.kill());
        drop(self.child.wait());
        // Whoever looks at a test that fails wants to know what its programs said.
        if std::thread::panicking()
            && let Ok(said) = self.stderr.recv_timeout(Duration::from_secs(1))
        {
            println!("process {} said:\n{said}", self.child.id());
        }
    }
}

/// Reads to the end on a thread of its own: a full pipe would stop the program.
fn drain(mut pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = vec![];
        drop(pipe.read_to_end(&mut bytes));
        drop(sender.send(String::from_utf8_lossy(&bytes).into_owned()));
    });
    receiver
}

// === impl Output ===

impl Output {
    /// The same, after checking the exit code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code\nstdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Every line of standard output as JSON.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        let line = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}\n{}", self.stderr));
        self.stdout.lines().filter(|line| !line.trim().is_empty()).map(line).collect()
    }

    /// The one JSON object that was printed.
    #[track_caller]
    pub(crate) fn object(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|_| panic!("not one JSON object: {}\nstderr: {}", self.stdout, self.stderr))
    }
}
