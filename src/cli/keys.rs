//! `forgetd keys`: making keys.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::{USAGE, print, say};
use crate::evidence::log::VerifierKey;
use crate::keys::{EvidenceKey, FILE_NAME};

/// Options of `keys`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

/// The verbs that work.
#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make a key.
    New {
        /// What it is for.
        #[command(subcommand)]
        kind: Kind,
    },
}

/// Kinds of keys.
#[derive(Debug, clap::Subcommand)]
enum Kind {
    /// The key that signs the evidence log. Lose it, and the log goes on under a new origin; keep a copy offline.
    Evidence(EvidenceArgs),
}

/// Options of `keys new evidence`.
#[derive(Debug, clap::Args)]
struct EvidenceArgs {
    /// The file to make, readable by its owner only. One that exists is never written over. Without it the key goes
    /// to standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// The log's origin, to show its public key now; else `log.vkey` beside the log shows it after the first run.
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<String>,
}

/// Runs one verb. The exit code is the command's.
pub fn run(args: &Args) -> u8 {
    let Verb::New { kind: Kind::Evidence(args) } = &args.verb;
    make(args.out.as_deref(), args.origin.as_deref())
}

/// Makes an evidence key in `out`, or prints it. The exit code is the command's.
pub fn new_evidence(out: Option<&Path>) -> u8 {
    make(out, None)
}

fn make(out: Option<&Path>, origin: Option<&str>) -> u8 {
    let key = match EvidenceKey::generate() {
        Ok(key) => key,
        Err(error) => {
            say(error);
            return 1;
        }
    };
    let text = match key.to_file_text(origin.unwrap_or(FILE_NAME)) {
        Ok(text) => text,
        Err(error) => {
            say(format_args!("--origin: {error}"));
            return USAGE;
        }
    };
    let Some(path) = out else {
        print(text.trim_end());
        return 0;
    };
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    if let Err(error) = written {
        say(format_args!("{}: {}; a key is never written over", path.display(), error.kind()));
        return 1;
    }
    print(format_args!("evidence key written to {}; keep a copy offline", path.display()));
    if let Some(vkey) = origin.and_then(|origin| VerifierKey::of(&key, origin).ok()) {
        print(format_args!("public key for verifiers: {vkey}"));
    }
    0
}
