//! Debian's percona-toolkit.

use std::process::Command;
use std::time::Instant;

/// pt-archiver in its fastest form, on the server at this port: the seconds that it took.
pub(crate) fn pt_archiver(port: u16, batch: u32) -> f64 {
    let dsn = format!("h=127.0.0.1,P={port},u=bench,p=bench,D=people,t=event");
    let started = Instant::now();
    let output = Command::new("pt-archiver")
        .args(["--source", &dsn, "--where", "at < now(6) - interval 30 day"])
        .args(["--purge", "--bulk-delete", "--commit-each"])
        .args(["--limit", &batch.to_string(), "--no-check-charset", "--primary-key-only", "--sleep", "0"])
        .output()
        .expect("pt-archiver is not installed: Debian's package percona-toolkit");
    assert!(output.status.success(), "pt-archiver: {}", String::from_utf8_lossy(&output.stderr));
    started.elapsed().as_secs_f64()
}
