//! `forgetd keys`: making keys, and what becomes of pseudonym keys.

mod destroy;
mod findings;
mod list;
mod new;
mod rotate;
mod rows;
pub(super) mod written;

use std::path::Path;

pub(super) use findings::findings;
pub use new::{new_evidence, new_pseudonym};

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
        kind: new::Kind,
    },
    /// List the pseudonym keys of the policy and how each stands; changes nothing.
    List(list::Args),
    /// Make a domain's next pseudonym key and print the entry to add; old tokens stay under their key.
    Rotate(rotate::Args),
    /// Destroy a wrapped pseudonym key for good: its tokens are recognised still, and nobody can make or link them.
    Destroy(destroy::Args),
}

/// Runs one verb. The exit code is the command's.
pub async fn run(file: &Path, args: &Args) -> u8 {
    match &args.verb {
        Verb::New { kind } => new::run(kind),
        Verb::List(args) => list::run(file, args).await,
        Verb::Rotate(args) => rotate::run(file, args),
        Verb::Destroy(args) => Box::pin(destroy::run(file, args)).await,
    }
}
