//! `forgetd evidence`: what an operator or an auditor asks of the evidence log.

mod log;
mod missing;
mod prove;
mod prove_row;
mod recover;
mod show;
mod verify;

use std::path::{Path, PathBuf};

use super::{print, say};
use crate::evidence::verify::LogVerdict;

/// The exit code of a log whose bytes are not those that were signed.
pub const TAMPERED: u8 = LogVerdict::Tampered.exit_code();

/// Options of `evidence`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do with the log.
    #[command(subcommand)]
    verb: Verb,
}

/// The verbs.
#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Check signature, entries, tiles and root. Exit codes: 0 ok, 10 tampered, 11 rolled back, 12 incomplete, 13 no
    /// key to check the signature with.
    Verify(verify::Args),
    /// List the entries.
    Show(show::Args),
    /// Write a proof that one entry, or one deleted row, is in the log.
    Prove(prove::Args),
    /// Write the log as plain files that any web server can serve.
    Export(ExportArgs),
    /// Show what is lost, and rebuild it or go on under a new origin.
    Recover(recover::Args),
}

/// Options of `evidence export`.
#[derive(Debug, clap::Args)]
struct ExportArgs {
    /// The folder to write to.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Runs one verb. The exit code is the command's.
pub async fn run(file: &Path, args: &Args) -> u8 {
    match &args.verb {
        Verb::Verify(args) => verify::run(file, args).await,
        Verb::Show(args) => show::run(file, args).await,
        Verb::Prove(args) => prove::run(file, args).await,
        Verb::Export(args) => export(file, &args.dir).await,
        Verb::Recover(args) => recover::run(file, args).await,
    }
}

/// Exports the configured log to `dir`. The exit code is the command's.
pub async fn export(file: &Path, dir: &Path) -> u8 {
    let exported = log::configured(file, async |log| Ok(log.relay.export(&log.controls, dir).await?)).await;
    match exported {
        Ok(files) => {
            print(format_args!("{files} files written to {}", dir.display()));
            0
        }
        Err(code) => code,
    }
}

/// Verifies the log in a folder with the key that lies in it, and says in words what was found.
pub async fn verify_folder(dir: &Path) -> u8 {
    verify::folder(dir).await
}
