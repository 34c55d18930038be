//! `forgetd serve`: the daemon.

use std::net::SocketAddr;
use std::path::Path;

use super::{NOT_HOLDER, complain, say};
use crate::config::LoadOptions;
use crate::serve::{self, Ended, Mode, Options, Start};

/// Options of `serve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How it is kept: `sidecar` never ends because something is wrong; `standalone` ends with 78 if the configuration
    /// is broken at the start.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) mode: Mode,

    /// Where probes, metrics and the status page are served, in place of `http.listen`.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
}

/// Serves until TERM or INT; the exit code is 0 then. 78: the configuration is broken; 1: the address cannot be listened
/// on; 75: another process took over where nobody coordinates.
pub async fn run(file: &Path, args: &Args) -> u8 {
    let load = LoadOptions::from_env(Some(file.to_path_buf()));
    match serve::serve(Options { load, mode: args.mode, listen: args.listen }).await {
        Ok(Ended::Asked) => 0,
        Ok(Ended::Fenced) => NOT_HOLDER,
        Err(Start::Config(problems)) => complain(&problems),
        Err(Start::Signals(error)) => {
            say(format_args!("signals cannot be listened to: {error}"));
            1
        }
        Err(Start::Listen(address, error)) => {
            say(format_args!("{address} cannot be listened on: {error}; set `http.listen` or --listen to a free one"));
            1
        }
        Err(Start::Metrics(error)) => {
            say(format_args!("the metrics cannot be made: {error}"));
            1
        }
    }
}
