//! Approvals of one rule that approvers of the policy signed.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::shown::{self, Shown};
use super::{elsewhere, explain, tools};
use crate::app;
use crate::approval::{Given, SshSignature, Statement};
use crate::cli::{USAGE, print, say};
use crate::config::Config;
use crate::rules::Rule;
use crate::run::{Databases, Quiet, Session, SignedError, Sites};
use crate::serve::request::{Ask, Signed};

/// What a statement or a signature has at the most.
const BYTES_MAX: u64 = 64 * 1024;

/// The exit code where nothing was approved, so that what stops the rule stops it still.
const STOPPED: u8 = 4;

/// Reads a statement and its signatures. What is wrong was said.
pub(super) fn read(statement: &Path, signatures: &[PathBuf]) -> Result<Given, u8> {
    let complain = |path: &Path, error: &dyn std::fmt::Display| {
        say(format_args!("{}: {error}", path.display()));
        USAGE
    };
    let bytes = |path: &Path| {
        let mut bytes = vec![];
        let read = std::fs::File::open(path).and_then(|file| file.take(BYTES_MAX).read_to_end(&mut bytes));
        read.map(|_| bytes).map_err(|error| complain(path, &error.kind()))
    };
    let text = String::from_utf8(bytes(statement)?).map_err(|_| complain(statement, &"it is not text"))?;
    Statement::read(&text).map_err(|error| complain(statement, &error))?;
    let signature = |path: &PathBuf| SshSignature::parse(&bytes(path)?).map_err(|error| complain(path, &error));
    Ok(Given { statement: text, signatures: signatures.iter().map(signature).collect::<Result<_, _>>()? })
}

/// Prints what is signed of a rule.
pub(super) async fn statement(config: &Config, databases: &Databases, rules: &[&Rule], reason: &str) -> u8 {
    let shown = shown::look(config, databases, rules).await;
    let Some(shown) = shown.first() else { return USAGE };
    match shown.statement(config, reason) {
        Some(statement) => {
            print(Statement::Rule(statement).text().trim_end());
            0
        }
        // An empty text must not look like one to sign.
        None => {
            say(shown.text());
            shown.exit_code().max(1)
        }
    }
}

/// Looks whether what was signed is what is shown now, and has it verified and written down by whoever holds the lease.
pub(super) async fn approve(config: &Config, databases: &Databases, rules: &[&Rule], given: &Given) -> u8 {
    let shown = shown::look(config, databases, rules).await;
    let Some(shown) = shown.first() else { return USAGE };
    if let Some(code) = differs(shown, given) {
        return code;
    }
    let (key, stop) = match tools(config) {
        Ok(tools) => tools,
        Err(code) => return code,
    };
    let sites = Sites::survey(config, databases).await;
    let done = match Session::open(config, &sites, &key, Duration::ZERO, stop, &Quiet).await {
        Ok(session) => session.approve_signed(given).await,
        Err(refused) => {
            return elsewhere(&sites, &refused, Ask::ApproveSigned { signed: Signed::of(given) }).await;
        }
    };
    match done {
        Ok(Ok((rule, outcome))) => {
            print(outcome.said(&rule));
            outcome.exit_code()
        }
        Ok(Err(SignedError::Fault(fault))) => {
            say(format_args!("{fault}; {}", fault.cause().fix()));
            app::exit_code(&fault)
        }
        Ok(Err(error)) => {
            say(&error);
            STOPPED
        }
        Err(refused) => explain(&refused),
    }
}

/// Whether what was signed is something else than what is shown now; that was said. The exit code.
fn differs(shown: &Shown<'_>, given: &Given) -> Option<u8> {
    let statement = match Statement::of_rule(&given.statement) {
        Ok(statement) => statement,
        Err(error) => {
            say(&error);
            return Some(USAGE);
        }
    };
    let rule = &shown.rule().name;
    if statement.rule != *rule {
        say(format_args!("the statement is of rule {:?}, not of {rule}", statement.rule));
        return Some(USAGE);
    }
    let Some(approval) = shown.approval() else {
        print(shown.text());
        return Some(shown.exit_code());
    };
    match statement.is_shown(&approval.causes, &approval.catalog, approval.due) {
        Ok(()) => None,
        Err(error) => {
            print(shown.text());
            say(format_args!("{rule}: {error}"));
            Some(STOPPED)
        }
    }
}
