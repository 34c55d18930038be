//! A daemon, as who watches it over HTTP sees it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::harness::{Clock, Process, Program, free_port, until};

/// A process that serves, and where.
pub(crate) struct Watched {
    pub(crate) process: Process,
    pub(crate) port: u16,
}

impl Watched {
    /// With the machine's own time.
    pub(crate) fn start(program: &Program) -> Self {
        Self::start_at(program, &Clock::Right)
    }

    /// With a clock that may be wrong.
    pub(crate) fn start_at(program: &Program, clock: &Clock) -> Self {
        Self::start_on(free_port(), program, clock)
    }

    /// The same at a port that somebody was told of.
    pub(crate) fn start_on(port: u16, program: &Program, clock: &Clock) -> Self {
        let mut command = program.command(&["serve", "--listen", &format!("127.0.0.1:{port}")]);
        let process = Process::spawn(clock.set(&mut command));
        until("it listens", 30, || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { process, port }
    }

    /// Status and body.
    pub(crate) fn get(&self, path: &str, accept: &str) -> (u16, String) {
        self.try_get(path, accept).expect("an answer")
    }

    fn try_get(&self, path: &str, accept: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: t\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut bytes = vec![];
        stream.read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    /// What `/status` says, as JSON.
    pub(crate) fn board(&self) -> Value {
        serde_json::from_str(&self.get("/status", "application/json").1).expect("JSON")
    }

    /// What Prometheus reads; nothing where nobody answers.
    pub(crate) fn metrics(&self) -> Option<String> {
        self.try_get("/metrics", "*/*").filter(|(code, _)| *code == 200).map(|(_, body)| body)
    }

    /// The value of the series that begins so; nothing where there is none.
    pub(crate) fn metric(&self, series: &str) -> Option<f64> {
        let text = self.get("/metrics", "*/*").1;
        let line = text.lines().find(|line| line.starts_with(series))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    /// Ends it as a cluster would; what it logged.
    pub(crate) fn end(self) -> String {
        self.process.signal("TERM");
        self.process.wait().expect(0).stderr
    }
}
