//! `evidence verify`: the verdict over a log, in words or as JSON.

use std::path::{Path, PathBuf};

use super::{log, print, say};
use crate::approval::Approvers;
use crate::cli::USAGE;
use crate::evidence::log::VerifierKey;
use crate::evidence::store::Folder;
use crate::evidence::verify::{KeyFrom, Knowledge, LogVerdict, Verification, independent, verify};

/// Options of `evidence verify`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A folder or a web address with the log; the configured log without it. A folder needs no configuration, no
    /// database and no network.
    #[arg(value_name = "DIR|URL")]
    target: Option<String>,

    /// A checkpoint of this log that you kept: the log must extend it.
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,

    /// The log's key, from somewhere other than the log; else log.vkey beside it is used.
    #[arg(long, value_name = "FILE")]
    vkey: Option<PathBuf>,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Verifies. The exit code is the verdict's.
pub(super) async fn run(file: &Path, args: &Args) -> u8 {
    let knowledge = match knowledge(args) {
        Ok(knowledge) => knowledge,
        Err(code) => return code,
    };
    let mut approvers = None;
    let found = match &args.target {
        Some(target) => {
            let files = log::outside(target);
            verify(&*files, &knowledge).await.map_err(|fault| log::Stop::from(fault).code())
        }
        None => {
            log::configured(file, async |log| {
                approvers = Some(log.config.policy.approvers.clone());
                Ok(log.relay.verify(&log.controls, knowledge.since.clone()).await?)
            })
            .await
        }
    };
    let found = match found {
        Ok(found) => found,
        Err(code) => return code,
    };
    if args.json {
        print(found.to_json());
    } else {
        tell(&found, args.target.as_deref(), args.since.is_some(), approvers.as_ref());
    }
    found.verdict.exit_code()
}

/// Verifies a folder with the key in it.
pub(super) async fn folder(dir: &Path) -> u8 {
    match verify(&Folder::new(dir), &Knowledge::default()).await {
        Ok(found) => {
            tell(&found, Some(&dir.display().to_string()), false, None);
            found.verdict.exit_code()
        }
        Err(fault) => log::Stop::from(fault).code(),
    }
}

fn knowledge(args: &Args) -> Result<Knowledge, u8> {
    let read = |path: &PathBuf| {
        std::fs::read(path).map_err(|error| {
            say(format_args!("{}: {}", path.display(), error.kind()));
            USAGE
        })
    };
    let since = args.since.as_ref().map(read).transpose()?;
    let key = args.vkey.as_ref().map(read).transpose()?.map(|bytes| {
        std::str::from_utf8(&bytes).ok().and_then(|text| VerifierKey::parse(text).ok()).ok_or_else(|| {
            say("--vkey: the file must hold one line, name+key id+base64, as log.vkey does");
            USAGE
        })
    });
    Ok(Knowledge { key: key.transpose()?, since, remembered: Vec::new() })
}

fn tell(found: &Verification, target: Option<&str>, since: bool, approvers: Option<&Approvers>) {
    let verdict = match found.verdict {
        LogVerdict::Ok => "ok",
        LogVerdict::Tampered => "TAMPERED",
        LogVerdict::RolledBack => "ROLLED BACK",
        LogVerdict::Incomplete => "INCOMPLETE",
        LogVerdict::Unanchored => "NOT PROVEN: there is no key to check the signature with; give it with --vkey FILE",
    };
    print(format_args!("{}: {verdict}", target.unwrap_or("the configured log")));
    if let Some(checkpoint) = &found.checkpoint {
        print(format_args!("  log      {}", checkpoint.origin));
        print(format_args!("  size     {} entries, {} read", checkpoint.size, found.entries));
        print(format_args!("  root     {}", hex::encode(checkpoint.root)));
    }
    let kinds: Vec<String> = found.kinds.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
    if !kinds.is_empty() {
        print(format_args!("  entries  {}", kinds.join(", ")));
    }
    for ((who, key), entries) in &found.signers {
        print(format_args!("  signed   {entries} by {who} with {key}: {}", whose(who, key, approvers)));
    }
    for problem in &found.problems {
        print(format_args!("  {}: {}: {}", problem.kind.id(), problem.place, problem.found));
    }
    if found.verdict == LogVerdict::Ok {
        print(format_args!("  key      {}", key_words(found.key_from)));
        if !since {
            print(
                "  memory   none: an earlier state of this log would look the same; keep its checkpoint and use --since",
            );
        }
    }
    if let Some(dir) = target.filter(|target| !target.contains("://")) {
        let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.into());
        print(independent(&absolute.display().to_string()));
    }
}

/// What is known of an approver's key.
fn whose(who: &str, key: &str, approvers: Option<&Approvers>) -> &'static str {
    match approvers {
        None => "compare it with that person's key",
        Some(approvers) if approvers.fingerprints().get(who).is_some_and(|own| own == key) => "as the policy says",
        Some(_) => "the policy names another key, or none",
    }
}

fn key_words(from: KeyFrom) -> &'static str {
    match from {
        KeyFrom::Verifier => "the one you gave",
        KeyFrom::Log => "log.vkey, which lies beside the log: compare it with one you had before, or use --vkey",
        KeyFrom::Nowhere => "none",
    }
}
