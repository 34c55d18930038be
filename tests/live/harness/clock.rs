//! Clocks that are set wrong, by libfaketime.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What a process takes the time to be. Monotonic clocks are left alone.
pub(crate) enum Clock {
    /// The machine's own time.
    Right,
    /// So far from it, for example `+3650d` or `-2h`.
    Off(&'static str),
    /// So far from it as this file says now: clocks that are set while processes run, several at once.
    Told(PathBuf),
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
            Self::Off(by) => faked("FAKETIME", (*by).into(), vec![]),
            Self::Told(file) => {
                let file = file.display().to_string();
                faked("FAKETIME_TIMESTAMP_FILE", file, vec![("FAKETIME_NO_CACHE", "1".into())])
            }
        }
    }

    /// A clock that this file sets; right until it is written again.
    pub(crate) fn told_by(file: PathBuf) -> Self {
        tell(&file, "+0");
        Self::Told(file)
    }
}

/// Sets every clock that the file tells. In one step: nobody reads a half.
pub(crate) fn tell(file: &Path, offset: &str) {
    let draft = file.with_extension("new");
    std::fs::write(&draft, offset).expect("write");
    std::fs::rename(draft, file).expect("rename");
}

fn faked(how: &'static str, value: String, more: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
    let mut all = vec![
        ("LD_PRELOAD", library().display().to_string()),
        (how, value),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
    ];
    all.extend(more);
    all
}

/// Debian's package `faketime` keeps it apart from other libraries; `./test` installs it.
fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let mut found = folders.map(|folder| folder.join("faketime/libfaketime.so.1")).filter(|path| path.exists());
    found.next().expect("libfaketime: install Debian's package faketime")
}
