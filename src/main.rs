//! The daemon that forgets.

use std::process::ExitCode;

use clap::Parser as _;
use forgetd::{cli, telemetry};

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            drop(error.print());
            return ExitCode::from(if error.use_stderr() { cli::USAGE } else { 0 });
        }
    };
    telemetry::logging::start();
    // One thread: pipelined statements leave in one flush, and idle costs nothing.
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(cli::main(cli)),
        Err(error) => {
            cli::complain_start(&error);
            ExitCode::FAILURE
        }
    }
}
