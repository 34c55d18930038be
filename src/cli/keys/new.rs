//! `keys new`: keys from random bytes, in files that are never written over.

use std::path::{Path, PathBuf};

use super::written;
use crate::cli::{USAGE, print, say};
use crate::config::Secret;
use crate::evidence::log::VerifierKey;
use crate::keys::{EvidenceKey, FILE_NAME, Kek, disk};

/// Kinds of keys.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Kind {
    /// The key that signs the evidence log. Lose it, and the log goes on under a new origin; keep a copy offline.
    Evidence(EvidenceArgs),
    /// A key that makes tokens. Lose it, and the same value becomes another token from then on; keep a copy offline.
    Pseudonym(PseudonymArgs),
    /// A key that wraps pseudonym keys, so that they can be destroyed. Keep it apart from them.
    Kek(KekArgs),
}

/// Options of `keys new evidence`.
#[derive(Debug, clap::Args)]
pub(super) struct EvidenceArgs {
    /// The file to make, readable by its owner only. One that exists is never written over. Without it the key goes
    /// to standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// The log's origin, to show its public key now; else `log.vkey` beside the log shows it after the first run.
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<String>,
}

/// Options of `keys new pseudonym`.
#[derive(Debug, clap::Args)]
pub(super) struct PseudonymArgs {
    /// The key's name among those of its domain.
    #[arg(long, value_name = "ID", default_value = "k1", value_parser = written::name)]
    id: String,

    /// What its tokens are for.
    #[arg(long, value_name = "DOMAIN", value_parser = written::name)]
    domain: String,

    /// The file to make, readable by its owner only. One that exists is never written over. Without it the key goes
    /// to standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// The file of the key to wrap it with. Without it the key is plain, and can never be called destroyed.
    #[arg(long, value_name = "FILE")]
    kek: Option<PathBuf>,
}

/// Options of `keys new kek`.
#[derive(Debug, clap::Args)]
pub(super) struct KekArgs {
    /// The file to make, readable by its owner only. One that exists is never written over.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Makes a key. The exit code is the command's.
pub(super) fn run(kind: &Kind) -> u8 {
    let done = match kind {
        Kind::Evidence(args) => evidence(args.out.as_deref(), args.origin.as_deref()),
        Kind::Pseudonym(args) => pseudonym(args),
        Kind::Kek(args) => kek(&args.out),
    };
    done.err().unwrap_or(0)
}

/// Makes an evidence key in `out`, or prints it. The exit code is the command's.
pub fn new_evidence(out: Option<&Path>) -> u8 {
    evidence(out, None).err().unwrap_or(0)
}

/// Makes a plain pseudonym key in `out`. The exit code is the command's.
pub fn new_pseudonym(id: &str, domain: &str, out: &Path) -> u8 {
    let args = PseudonymArgs { id: id.into(), domain: domain.into(), out: Some(out.into()), kek: None };
    pseudonym(&args).err().unwrap_or(0)
}

fn evidence(out: Option<&Path>, origin: Option<&str>) -> Result<(), u8> {
    let key = EvidenceKey::generate().map_err(|error| failed(&error))?;
    let text = key.to_file_text(origin.unwrap_or(FILE_NAME)).map_err(|error| {
        say(format_args!("--origin: {error}"));
        USAGE
    })?;
    let Some(path) = out else {
        print(text.trim_end());
        return Ok(());
    };
    disk::create(path, &text).map_err(|problem| failed(&problem))?;
    print(format_args!("evidence key written to {}; keep a copy offline", path.display()));
    if let Some(vkey) = origin.and_then(|origin| VerifierKey::of(&key, origin).ok()) {
        print(format_args!("public key for verifiers: {vkey}"));
    }
    Ok(())
}

fn pseudonym(args: &PseudonymArgs) -> Result<(), u8> {
    let kek = args.kek.as_ref().map(|path| Secret::File(written::absolute(path)));
    let file = written::generate(kek.as_ref()).map_err(|problem| failed(&problem))?;
    let entry = written::Entry { id: &args.id, domain: &args.domain, kek: kek.as_ref(), active_from: None };
    let Some(path) = &args.out else {
        print(file.to_text().trim_end());
        say(format_args!("write the line into a file, and this into the policy:\n{}", entry.text(Path::new("FILE"))));
        return Ok(());
    };
    written::keep(path, &file).map_err(|problem| failed(&problem))?;
    print(entry.text(&written::absolute(path)));
    Ok(())
}

fn kek(out: &Path) -> Result<(), u8> {
    let kek = Kek::generate().map_err(|error| failed(&error))?;
    disk::create(out, &kek.to_text()).map_err(|problem| failed(&problem))?;
    let fingerprint = kek.fingerprint();
    print(format_args!(
        "KEK {fingerprint} written to {}; keep it apart from the keys it wraps, and a copy offline",
        out.display()
    ));
    Ok(())
}

/// Says why not, and gives the exit code.
fn failed(error: &impl std::fmt::Display) -> u8 {
    say(error);
    1
}
