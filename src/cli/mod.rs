//! The command line: one file per verb.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{self, Config, LoadOptions};

pub mod approve;
mod ask;
pub mod check;
pub mod completions;
#[cfg(feature = "sqlite")]
pub mod demo;
pub mod evidence;
pub mod explain;
pub mod home;
pub mod init;
pub mod install;
pub mod keys;
pub mod pause;
pub mod plan;
pub mod progress;
mod prompt;
mod report;
mod row_key;
pub mod run;
pub mod schema;
pub mod serve;
pub mod status;

/// The daemon that forgets: deletes what its retention policy says is due, and proves it.
#[derive(Debug, Parser)]
#[command(name = "forgetd", version, disable_help_subcommand = true)]
pub struct Cli {
    /// The policy file; rule files in `conf.d/` beside it are read too.
    #[arg(
        long,
        global = true,
        env = "FORGETD_CONFIG",
        default_value = "/etc/forgetd/forgetd.yaml",
        value_name = "FILE"
    )]
    pub config: PathBuf,

    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs that work.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Suggest a first policy by looking at a live database; changes nothing in it.
    Init(init::Args),
    /// Create or upgrade forgetd's own tables; --print shows the DDL and grants instead.
    Install(install::Args),
    /// Say whether the configuration is right; --connect asks the databases too.
    Check(check::Args),
    /// Show what every rule would do right now, with its statements; changes nothing.
    Plan(plan::Args),
    /// Show one rule's statements, how the engine would run them, and its next fire times; --key says why a row goes or
    /// stays.
    Explain(explain::Args),
    /// Run one rule, or every rule, now.
    Run(run::Args),
    /// Run rules on their schedules, beside an application, for as long as it lives.
    Serve(serve::Args),
    /// Show who acts, and how every rule stands.
    Status(status::Args),
    /// Let one rule, or every rule, rest from its next batch on.
    Pause(pause::Args),
    /// Let paused rules work again.
    Resume(pause::ResumeArgs),
    /// Approve a new or changed rule, or what stops its next run.
    Approve(approve::Args),
    /// Verify, list, prove, export or recover the evidence log.
    Evidence(evidence::Args),
    /// Make keys; list, rotate and destroy pseudonym keys.
    Keys(keys::Args),
    /// Show the whole way on a small database of its own, in ./forgetd-demo.
    #[cfg(feature = "sqlite")]
    Demo(demo::Args),
    /// Print the JSON Schema of the policy file.
    Schema,
    /// Print a completion script for a shell.
    Completions(completions::Args),
}

/// Bad usage, by sysexits.
pub const USAGE: u8 = 64;
/// The database cannot be reached.
pub const UNAVAILABLE: u8 = 69;
/// Another process holds the lease.
pub const NOT_HOLDER: u8 = 75;
/// The configuration is broken.
pub const BAD_CONFIG: u8 = 78;

/// Runs a parsed command line.
pub async fn main(cli: Cli) -> ExitCode {
    let code = match cli.verb {
        Verb::Init(args) => init::run(&args).await,
        Verb::Install(args) => install::run(&cli.config, &args).await,
        Verb::Check(args) => check::run(&cli.config, &args).await,
        Verb::Plan(args) => plan::run(&cli.config, &args).await,
        Verb::Explain(args) => explain::run(&cli.config, &args).await,
        Verb::Run(args) => run::run(&cli.config, &args).await,
        Verb::Serve(args) => Box::pin(serve::run(&cli.config, &args)).await,
        Verb::Status(args) => status::run(&cli.config, &args).await,
        Verb::Pause(args) => Box::pin(pause::pause(&cli.config, &args)).await,
        Verb::Resume(args) => Box::pin(pause::resume(&cli.config, &args)).await,
        Verb::Approve(args) => approve::run(&cli.config, &args).await,
        Verb::Evidence(args) => evidence::run(&cli.config, &args).await,
        Verb::Keys(args) => keys::run(&cli.config, &args).await,
        #[cfg(feature = "sqlite")]
        Verb::Demo(args) => Box::pin(demo::run(&args)).await,
        Verb::Schema => schema::run(),
        Verb::Completions(args) => completions::run(&args),
    };
    ExitCode::from(code)
}

/// Loads the configuration or prints every problem with it.
pub(crate) fn load(file: &std::path::Path) -> Result<Config, u8> {
    let options = LoadOptions::from_env(Some(file.to_path_buf()));
    config::load(&options).map_err(|problems| complain(&problems))
}

/// Prints to standard error what is wrong with the configuration.
#[allow(clippy::print_stderr, reason = "this is the program speaking to its user")]
pub(crate) fn complain(problems: &config::Problems) -> u8 {
    eprintln!("{problems}");
    BAD_CONFIG
}

/// Prints one line to standard error.
#[allow(clippy::print_stderr, reason = "this is the program speaking to its user")]
pub(crate) fn say(line: impl std::fmt::Display) {
    eprintln!("{line}");
}

/// Says what went wrong in a database and what to do about it. Returns the exit code.
pub(crate) fn fault_code(fault: &forgetd_connector::Fault) -> u8 {
    say(format_args!("{fault}; {}", fault.cause().fix()));
    crate::app::exit_code(fault)
}

/// Prints one line to standard output. A reader that went away ends nothing: the work is in the database.
pub(crate) fn print(line: impl std::fmt::Display) {
    use std::io::Write as _;
    drop(writeln!(std::io::stdout().lock(), "{line}"));
}

/// Says that not even the runtime could be started.
pub fn complain_start(error: &std::io::Error) {
    say(format_args!("the runtime cannot be started: {error}"));
}
