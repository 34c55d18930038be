//! Log lines, on standard error so that standard output stays for results. No line ever holds a value of a user's
//! table.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Starts logging. The level comes from `FORGETD_LOG` (`info` unless set); lines are JSON where
/// `FORGETD_LOG_FORMAT` is `json`.
pub fn start() {
    let filter = EnvFilter::try_from_env("FORGETD_LOG").unwrap_or_else(|_| EnvFilter::new("warn,forgetd=info"));
    let json = std::env::var("FORGETD_LOG_FORMAT").is_ok_and(|format| format == "json");
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start in one process (tests) keeps the first.
    let started = if json {
        builder.json().flatten_event(true).try_init()
    } else {
        builder.with_ansi(std::io::stderr().is_terminal()).try_init()
    };
    drop(started);
}
