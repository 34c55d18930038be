//! Clocks that are set wrong, by libfaketime.

use std::path::PathBuf;
use std::process::Command;

/// What a process takes the time to be. Monotonic clocks are left alone.
pub(crate) enum Clock {
    /// The machine's own time.
    Right,
    /// So far from it, for example `+3650d` or `-2h`.
    Off(&'static str),
}

// === impl Clock ===

impl Clock {
    /// The command, started with this clock.
    pub(crate) fn set<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.envs(self.environment())
    }

    /// The environment that sets it.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Right => vec![],
            Self::Off(by) => vec![
                ("LD_PRELOAD", library().display().to_string()),
                ("FAKETIME", (*by).into()),
                ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
            ],
        }
    }
}

/// Debian's package `faketime` keeps it apart from other libraries; `./test` installs it.
fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let mut found = folders.map(|folder| folder.join("faketime/libfaketime.so.1")).filter(|path| path.exists());
    found.next().expect("libfaketime: install Debian's package faketime")
}
