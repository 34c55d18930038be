//! The real binary with a configuration in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{Output, Policy, Process};

/// One installation: `forgetd.yaml`, `evidence.key`, and whatever a test puts beside them.
pub(crate) struct Program {
    folder: tempfile::TempDir,
}

// === impl Program ===

impl Program {
    /// A folder with a new evidence key and this policy. Nothing is installed yet.
    pub(crate) fn new(policy: &Policy) -> Self {
        let program = Self { folder: tempfile::tempdir().expect("tempdir") };
        program.call(&["keys", "new", "evidence", "--out", program.path("evidence.key").to_str().unwrap()]).expect(0);
        program.policy(policy);
        program
    }

    /// The same with the control tables in place.
    pub(crate) fn installed(policy: &Policy) -> Self {
        let program = Self::new(policy);
        program.call(&["install"]).expect(0);
        program
    }

    /// Another installation of the same instance, in a folder of its own: this policy, and the same key.
    pub(crate) fn another(&self, policy: &Policy) -> Self {
        let other = Self { folder: tempfile::tempdir().expect("tempdir") };
        std::fs::copy(self.path("evidence.key"), other.path("evidence.key")).expect("the key");
        other.policy(policy);
        other
    }

    /// Makes the key file that [`Policy::pseudonyms`] names.
    pub(crate) fn pseudonym_key(self) -> Self {
        let file = self.path("people.key");
        self.call(&["keys", "new", "pseudonym", "--domain", "people", "--out", file.to_str().unwrap()]).expect(0);
        self
    }

    /// Replaces the policy.
    pub(crate) fn policy(&self, policy: &Policy) {
        self.write("forgetd.yaml", &policy.yaml());
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file in the folder.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("write");
    }

    /// The command line, ready to be changed or spawned.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_forgetd"));
        command.args(args).arg("--config").arg(self.path("forgetd.yaml")).current_dir(self.folder());
        command
    }

    /// Starts it and comes back.
    pub(crate) fn start(&self, args: &[&str]) -> Process {
        Process::spawn(&mut self.command(args))
    }

    /// Runs it to its end.
    pub(crate) fn call(&self, args: &[&str]) -> Output {
        self.start(args).wait()
    }

    /// Approves what stops the next run of a rule, as somebody would who has looked at it.
    #[track_caller]
    pub(crate) fn approve(&self, rule: &str) -> Output {
        self.call(&["approve", rule, "--reason", "a test"]).expect(0)
    }

    /// `run --json`, which must end with `code`: the report of its only rule.
    #[track_caller]
    pub(crate) fn run(&self, code: i32) -> Value {
        let output = self.call(&["run", "--json"]).expect(code);
        let mut lines = output.lines();
        assert_eq!(lines.len(), 1, "reports\n{}\n{}", output.stdout, output.stderr);
        lines.remove(0)
    }

    /// Every entry of the evidence log, in order, after the log was verified.
    #[track_caller]
    pub(crate) fn evidence(&self) -> Vec<Value> {
        self.call(&["evidence", "verify", "--json"]).expect(0);
        self.call(&["evidence", "show", "--json"]).expect(0).lines()
    }

    /// Entries of one type.
    #[track_caller]
    pub(crate) fn entries(&self, kind: &str) -> Vec<Value> {
        self.evidence().into_iter().filter(|entry| entry["type"] == kind).collect()
    }

    /// Rows that the evidence says went from the rule's own table.
    #[track_caller]
    pub(crate) fn rows_in_evidence(&self) -> u64 {
        self.entries("batch").iter().map(|entry| entry["changed"].as_u64().expect("changed")).sum()
    }
}
