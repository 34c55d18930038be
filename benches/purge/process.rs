//! The program as a process: started, waited for, watched.

use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

pub(crate) fn command(config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forgetd"));
    command.arg("--config").arg(config).env("FORGETD_LOG", "error");
    command
}

pub(crate) fn finish(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Waits for the process and returns its peak resident size in KiB. The kernel's own high-water mark is read, so a
/// look every few milliseconds misses nothing but the process's very last moments.
pub(crate) async fn watch(mut child: Child) -> (Child, u64) {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        if let Ok(text) = std::fs::read_to_string(&status)
            && let Some(line) = text.lines().find(|line| line.starts_with("VmHWM:"))
        {
            peak = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(peak);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (child, peak)
}
