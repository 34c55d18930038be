//! `evidence show`: the entries of a log, one line each.

use std::path::Path;

use jiff::Timestamp;
use serde_json::Value as Json;

use super::log;
use super::print;
use crate::cli::keys::written;
use crate::evidence::each;

/// Options of `evidence show`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A folder or a web address with the log; the configured log without it.
    #[arg(value_name = "DIR|URL")]
    target: Option<String>,

    /// Only entries of this rule.
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,

    /// Only entries of this type, for example batch or run.finished.
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,

    /// List fire times of the policy's schedules that left no entry instead. The exit code is 3 if there are any.
    #[arg(long, conflicts_with_all = ["target", "kind"])]
    missing: bool,

    /// With --missing: fire times from then on, for example 2026-01-01; else from the first entry of each rule.
    #[arg(long, value_name = "DATE", requires = "missing", value_parser = written::moment)]
    since: Option<(Timestamp, String)>,

    /// Print each entry as it stands in the log, one JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Lists. Nothing is verified here; `verify` does that.
pub(super) async fn run(file: &Path, args: &Args) -> u8 {
    if args.missing {
        let since = args.since.as_ref().map(|(since, _)| *since);
        return super::missing::run(file, args.rule.as_deref(), since, args.json).await;
    }
    let shown = log::files(file, args.target.as_deref(), async |files| {
        each(files, &mut |index, entry| {
            if let Ok(json) = serde_json::from_slice::<Json>(entry) {
                line(index, &json, entry, args);
            }
            true
        })
        .await?;
        Ok(())
    });
    match shown.await {
        Ok(()) => 0,
        Err(code) => code,
    }
}

fn line(index: u64, json: &Json, entry: &[u8], args: &Args) {
    let text = |key: &str| json.get(key).and_then(Json::as_str).unwrap_or("-");
    let differs = |wanted: &Option<String>, key: &str| wanted.as_ref().is_some_and(|wanted| wanted != text(key));
    if differs(&args.rule, "rule") || differs(&args.kind, "type") {
        return;
    }
    if args.json {
        print(String::from_utf8_lossy(entry));
        return;
    }
    let mut words = Vec::new();
    for key in [
        "table",
        "action",
        "verdict",
        "cause",
        "how",
        "causes",
        "changed",
        "left",
        "batches",
        "due",
        "cutoff",
        "domain",
        "id",
        "kind",
        "fingerprint",
        "epoch",
        "active_from",
        "backups_until",
        "who",
        "reason",
    ] {
        match json.get(key) {
            Some(Json::String(value)) => words.push(format!("{key}={value}")),
            Some(value @ (Json::Number(_) | Json::Bool(_))) => words.push(format!("{key}={value}")),
            Some(Json::Array(values)) => {
                let values: Vec<&str> = values.iter().filter_map(Json::as_str).collect();
                words.push(format!("{key}={}", values.join(",")));
            }
            _ => {}
        }
    }
    print(format_args!(
        "{index:>7}  {}  {:<13} {} {} {}/{}  {}",
        text("at"),
        text("type"),
        text("database"),
        text("rule"),
        text("lane"),
        json.get("sequence").and_then(Json::as_u64).unwrap_or_default(),
        words.join(" ")
    ));
}
