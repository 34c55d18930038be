//! `forgetd completions`: what a shell has to know to complete the command line.

use clap::CommandFactory as _;
use clap_complete::Shell;

/// Its arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell whose script is printed.
    pub shell: Shell,
}

/// Prints the script.
pub fn run(args: &Args) -> u8 {
    let mut script = vec![];
    clap_complete::generate(args.shell, &mut super::Cli::command(), "forgetd", &mut script);
    super::print(String::from_utf8_lossy(&script).trim_end());
    0
}
