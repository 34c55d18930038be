//! The program as a process: started, waited for, watched.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

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
/// Once it has worked `within` it is asked to stop.
async fn watch(mut child: Child, within: Duration) -> (Child, u64) {
    let status = format!("/proc/{}/status", child.id());
    let (started, mut asked, mut peak) = (Instant::now(), false, 0);
    while child.try_wait().unwrap().is_none() {
        if !asked && started.elapsed() >= within {
            asked = true;
            finish(Command::new("kill").arg("-TERM").arg(child.id().to_string()));
        }
        if let Ok(text) = std::fs::read_to_string(&status)
            && let Some(line) = text.lines().find(|line| line.starts_with("VmHWM:"))
        {
            peak = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(peak);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (child, peak)
}

/// Makes the keys of a policy that lies in this folder, installs its control tables and approves its one rule.
pub(crate) fn prepare(command: impl Fn() -> Command, folder: &Path) {
    finish(command().args(["keys", "new", "evidence", "--out"]).arg(folder.join("key")));
    finish(command().args(["keys", "new", "pseudonym", "--domain", "people", "--out"]).arg(folder.join("people.key")));
    finish(command().arg("install"));
    finish(command().arg("approve"));
}

/// Runs the one rule of a policy that is prepared. Returns the seconds of the run, its peak resident size in MiB and what it says.
pub(crate) async fn run_rule(command: impl Fn() -> Command) -> (f64, f64, Value) {
    run_rule_within(command, Duration::MAX).await
}

/// The same, which is stopped where it takes longer.
pub(crate) async fn run_rule_within(command: impl Fn() -> Command, within: Duration) -> (f64, f64, Value) {
    let started = Instant::now();
    let child = command().args(["run", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let (child, peak_kib) = watch(child, within).await;
    let seconds = started.elapsed().as_secs_f64();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line: Value = serde_json::from_str(text.lines().next().unwrap_or_default()).unwrap_or_default();
    let stopped = line["cause"] == "interrupted" && seconds >= within.as_secs_f64();
    assert!(line["verdict"] == "clean" || stopped, "{text}");
    #[allow(clippy::cast_precision_loss, reason = "kibibytes")]
    let peak_mib = peak_kib as f64 / 1024.0;
    (seconds, peak_mib, line)
}
