//! The program that serves, watched over HTTP and in /proc.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::process::command;

/// The kernel's ticks a second, as Linux gives them to programs everywhere.
const TICKS: f64 = 100.0;

pub(crate) struct Daemon {
    child: Child,
    port: u16,
}

impl Daemon {
    pub(crate) fn start(config: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = command(config).args(["serve", "--listen", &format!("127.0.0.1:{port}")]).spawn().unwrap();
        Self { child, port }
    }

    /// Waits until this path answers 200.
    pub(crate) fn until(&self, path: &str) {
        self.asked(path, |_| true);
    }

    /// Waits until it holds the lease.
    pub(crate) fn until_holds(&self) {
        self.asked("/metrics", |text| text.lines().any(|line| line == "forgetd_holder 1"));
    }

    fn asked(&self, path: &str, enough: impl Fn(&str) -> bool) {
        let began = Instant::now();
        while !self.get(path).is_some_and(|text| enough(&text)) {
            assert!(began.elapsed() < Duration::from_secs(60), "{path} does not answer as it should");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.starts_with("HTTP/1.1 200").then_some(text)
    }

    /// The value of the series that begins so.
    pub(crate) fn metric(&self, series: &str) -> Option<f64> {
        let text = self.get("/metrics")?;
        text.lines().find(|line| line.starts_with(series))?.rsplit(' ').next()?.parse().ok()
    }

    /// Seconds of processor time so far.
    pub(crate) fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The name of the program stands in brackets before it.
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap() / TICKS).sum()
    }

    /// Resident MiB now.
    pub(crate) fn rss(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }

    /// Tells it to end, and waits.
    pub(crate) fn stop(mut self) {
        let status = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success() && self.child.wait().unwrap().success(), "it did not end as it should");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Already gone is what is hoped for.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
