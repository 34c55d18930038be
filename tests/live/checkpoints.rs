//! Collects every checkpoint that was ever printed or stored, to see whether one origin ever had two histories.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::harness::{Output, Program};

/// Roots by (origin, size).
#[derive(Default)]
pub(crate) struct Checkpoints(BTreeMap<(String, u64), BTreeSet<String>>);

// === impl Checkpoints ===

impl Checkpoints {
    /// Takes what a program printed: one log line for each checkpoint, or whole notes.
    pub(crate) fn printed(&mut self, output: &Output) {
        for text in [&output.stdout, &output.stderr] {
            for line in text.lines().filter(|line| line.contains("checkpoint")) {
                let field = |name: &str| {
                    let (_, rest) = line.split_once(&format!(" {name}="))?;
                    Some(rest.split(' ').next()?.trim_matches('"').to_owned())
                };
                let (Some(origin), Some(size), Some(root)) = (field("origin"), field("size"), field("root")) else {
                    continue;
                };
                self.take(origin, size.parse().unwrap(), root);
            }
            self.notes(text);
        }
    }

    /// Takes every checkpoint in a folder and below it, and in its files of several.
    pub(crate) fn stored(&mut self, folder: &Path) {
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                self.stored(&path);
            } else if name.starts_with("checkpoint") {
                self.notes(&String::from_utf8_lossy(&std::fs::read(&path).unwrap()));
            }
        }
    }

    /// Exports the log as it is now and takes its checkpoint, where there is a log that can be exported.
    pub(crate) fn exported(&mut self, program: &Program) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let output = program.call(&["evidence", "export", path.to_str().unwrap()]);
        self.printed(&output);
        self.stored(&path);
    }

    /// Says how many sizes of an origin have two roots, and fails if any has.
    #[track_caller]
    pub(crate) fn one_history(&self) {
        let forked: Vec<_> = self.0.iter().filter(|(_, roots)| roots.len() > 1).collect();
        let line = format!("checkpoints={} sizes with two roots: {}", self.0.len(), forked.len());
        assert!(forked.is_empty() && self.0.len() > 1, "{line}\n{forked:#?}");
        println!("note: {line}");
    }

    /// Signed notes begin with three lines: origin, size, root in base64.
    fn notes(&mut self, text: &str) {
        let lines: Vec<&str> = text.lines().collect();
        for three in lines.windows(4).filter(|four| four[3].is_empty()) {
            let (Ok(size), Ok(root)) = (three[1].parse(), STANDARD.decode(three[2])) else { continue };
            if root.len() == 32 {
                self.take(three[0].to_owned(), size, hex::encode(root));
            }
        }
    }

    fn take(&mut self, origin: String, size: u64, root: String) {
        self.0.entry((origin, size)).or_default().insert(root);
    }
}
