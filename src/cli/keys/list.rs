//! `keys list`: how every pseudonym key of the policy stands.

use std::path::Path;

use comfy_table::Cell;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::rows::{self, Rows};
use crate::cli::check::open;
use crate::cli::{complain, load, print, report, say};
use crate::config::Config;
use crate::keys::{self, Held, KeyFile};
use crate::{app, clock};

/// Options of `keys list`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Connect to the databases and count the rows that carry the tokens of each key.
    #[arg(long)]
    connect: bool,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// One key, as it is shown.
struct Shown<'a> {
    held: &'a Held<'a>,
    state: &'static str,
    /// Why it gives no key.
    why: Option<String>,
    rows: Option<Vec<Rows>>,
}

/// Lists. The exit code is the command's: 4 where a key is unreadable.
pub(super) async fn run(file: &Path, args: &Args) -> u8 {
    let config = match load(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let held = keys::look(&config.pseudonym_keys);
    let now = clock::now();
    let mut shown: Vec<Shown<'_>> = held.iter().map(|one| Shown::new(&held, one, now)).collect();
    let mut code = if shown.iter().any(|one| one.why.is_some()) { 4 } else { 0 };
    if args.connect {
        match count(&config, &mut shown).await {
            Ok(counted) => code = code.max(counted),
            Err(stopped) => return stopped,
        }
    }
    if args.json {
        print(json!({ "keys": shown.iter().map(Shown::json).collect::<Vec<_>>() }));
    } else if shown.is_empty() {
        print("the policy has no pseudonym keys");
    } else {
        print(text(&shown));
    }
    code
}

/// Counts rows for every key whose tokens are known. The exit code of what could not be counted, which was said.
async fn count(config: &Config, shown: &mut [Shown<'_>]) -> Result<u8, u8> {
    let databases = app::connect(config).await.map_err(|problems| complain(&problems))?;
    let opened = open(config, &databases);
    let places = rows::places_of(&config.policy);
    let mut code = 0;
    for one in shown {
        let Some(epoch) = one.held.epoch() else { continue };
        match rows::count(&opened, &places, &one.held.entry.domain, epoch).await {
            Ok(rows) => one.rows = Some(rows),
            Err(fault) => {
                say(format_args!("{fault}; {}", fault.cause().fix()));
                code = code.max(app::exit_code(&fault));
            }
        }
    }
    databases.close().await;
    Ok(code)
}

// === impl Shown ===

impl<'a> Shown<'a> {
    fn new(all: &[Held<'_>], held: &'a Held<'a>, now: Timestamp) -> Self {
        let why = held.key().err().map(|problem| problem.to_string());
        Self { held, state: keys::state(all, held, now).word(), why, rows: None }
    }

    /// What its file is, or was.
    fn kind(&self) -> Option<&'static str> {
        match self.held.file.as_ref().ok()? {
            KeyFile::Plain(_) => Some("plain"),
            // No other is ever called destroyed.
            KeyFile::Wrapped(_) | KeyFile::Destroyed(_) => Some("wrapped"),
        }
    }

    fn json(&self) -> Json {
        let (entry, held) = (self.held.entry, self.held);
        let rows = self.rows.as_ref().map(|rows| {
            let row = |rows: &Rows| json!({ "rule": rows.rule, "place": rows.place, "rows": rows.rows });
            rows.iter().map(row).collect::<Vec<_>>()
        });
        json!({
            "domain": entry.domain,
            "id": entry.id,
            "state": self.state,
            "kind": self.kind(),
            "active_from": entry.active_from,
            "fingerprint": held.fingerprint().map(|print| print.to_string()),
            "epoch": held.epoch().map(|epoch| epoch.to_string()),
            "file": entry.file,
            "open_to_others": !held.open_to_others().is_empty(),
            "why": self.why,
            "rows": rows,
        })
    }
}

fn text(shown: &[Shown<'_>]) -> String {
    let mut table = report::table();
    table.add_row(["domain", "id", "state", "kind", "active from", "fingerprint", "epoch"].map(Cell::new));
    for one in shown {
        let entry = one.held.entry;
        let absent = || "-".to_owned();
        let from = entry.active_from.map_or_else(|| "since ever".to_owned(), |from| from.to_string());
        table.add_row([
            Cell::new(&entry.domain),
            Cell::new(&entry.id),
            Cell::new(one.state),
            Cell::new(one.kind().unwrap_or("-")),
            Cell::new(from),
            Cell::new(one.held.fingerprint().map_or_else(absent, |print| print.to_string())),
            Cell::new(one.held.epoch().map_or_else(absent, |epoch| epoch.to_string())),
        ]);
    }
    let mut lines = vec![report::text(&table)];
    for one in shown {
        let name = format!("{} {}", one.held.entry.domain, one.held.entry.id);
        lines.extend(one.why.iter().map(|why| format!("{name}: {why}")));
        for file in one.held.open_to_others() {
            lines.push(format!("{name}: others than its owner can read {}", file.display()));
        }
        lines.extend(one.rows.iter().flatten().map(|rows| format!("{name}: {}", counted(rows))));
    }
    lines.join("\n")
}

/// One count in words.
pub(super) fn counted(rows: &Rows) -> String {
    match rows.rows {
        Some(n) => format!("{n} rows of {} carry its tokens (rule {})", rows.place, rows.rule),
        None => format!("tokens in {} do not show whose they are (rule {})", rows.place, rows.rule),
    }
}
