//! `keys destroy`: a wrapped key for good, with its entry in the evidence.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::{list, rows, written};
use crate::cli::approve::{actor, tools};
use crate::cli::check::open;
use crate::cli::run::explain;
use crate::cli::{USAGE, complain, load, print, prompt, say};
use crate::config::{Config, Problem};
use crate::keys::{self, Held, KeyFile};
use crate::rules::Period;
use crate::run::{Approver, Databases, KeyDestruction, KeyEntry, KeyStopped, Quiet, Session, Sites};
use crate::{app, clock};

/// Something stops it.
const BLOCKED: u8 = 4;

/// Options of `keys destroy`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The key's name.
    #[arg(value_name = "ID", value_parser = written::name)]
    id: String,

    /// Its domain.
    #[arg(long, value_name = "DOMAIN", value_parser = written::name)]
    domain: String,

    /// Why, in words that name no person; it becomes part of the evidence.
    #[arg(long, value_name = "TEXT")]
    reason: String,

    /// The day after which no backup holds a copy of the key's file any more; it becomes part of the evidence.
    #[arg(long, value_name = "DATE", value_parser = written::moment, required_unless_present = "backups_keep")]
    backups_until: Option<(Timestamp, String)>,

    /// The same as a period from now, for example 90d.
    #[arg(long, value_name = "PERIOD", value_parser = period, conflicts_with = "backups_until")]
    backups_keep: Option<Period>,

    /// The key that makes its domain's new tokens, too: its rules stop until a new one is there.
    #[arg(long)]
    last: bool,

    /// Answer the question that is asked on a terminal.
    #[arg(long)]
    yes: bool,
}

/// Destroys. The exit code is the command's: 4 where the key may not be destroyed.
pub(super) async fn run(file: &Path, args: &Args) -> u8 {
    if args.reason.trim().is_empty() {
        say("--reason says nothing: it becomes part of the evidence");
        return USAGE;
    }
    let config = match load(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let now = clock::now();
    let Some(until) = until(args, now) else {
        say(
            "the day after which no backup holds a copy lies in the past or too far away; where there is none, write today",
        );
        return USAGE;
    };
    let held = keys::look(&config.pseudonym_keys);
    let Some(one) = held.iter().find(|held| held.entry.domain == args.domain && held.entry.id == args.id) else {
        say(format_args!("the policy has no key {} of domain {}", args.id, args.domain));
        return USAGE;
    };
    if let Err(problem) = may(&held, one, args.last, now) {
        say(problem);
        return BLOCKED;
    }
    let databases = match app::connect(&config).await {
        Ok(databases) => databases,
        Err(problems) => return complain(&problems),
    };
    let code = ask_and_destroy(&config, &databases, one, args, until).await;
    databases.close().await;
    code
}

/// The end of the backups; absent where it lies before today or cannot be reckoned.
fn until(args: &Args, now: Timestamp) -> Option<Timestamp> {
    match (&args.backups_until, &args.backups_keep) {
        (Some((until, _)), _) => {
            let today = now.to_zoned(jiff::tz::TimeZone::UTC).start_of_day().ok()?.timestamp();
            (*until >= today).then_some(*until)
        }
        (None, Some(keep)) => keep.after(now),
        (None, None) => None,
    }
}

fn period(text: &str) -> Result<Period, String> {
    Period::parse(text).map_err(|error| error.to_string())
}

/// Whether the key may be destroyed at all.
fn may(all: &[Held<'_>], one: &Held<'_>, last: bool, now: Timestamp) -> Result<(), Problem> {
    let place = one.entry.file.display().to_string();
    match &one.file {
        Ok(KeyFile::Plain(_)) => {
            let message =
                "the key is plain: whoever has a copy of the file has the key, so nobody can say that it is destroyed";
            let fix = "delete the file and its copies yourself; no evidence will claim it";
            return Err(Problem::new(place, message, fix));
        }
        Ok(KeyFile::Destroyed(_)) => return Ok(()),
        // A file that was left half destroyed is gone on from; any other is refused where it is opened again.
        Ok(KeyFile::Wrapped(_)) | Err(_) => {}
    }
    let print = one.fingerprint();
    let twin = all.iter().find(|held| !std::ptr::eq(*held, one) && print.is_some() && held.fingerprint() == print);
    if let Some(twin) = twin {
        let message = format!("{} {} is the same key, and would stay", twin.entry.domain, twin.entry.id);
        return Err(Problem::new(place, message, "give each entry a key of its own"));
    }
    if keys::newest(all, &one.entry.domain, now).is_some_and(|newest| newest.entry.id == one.entry.id) && !last {
        let message = format!("the key makes the new tokens of domain {}", one.entry.domain);
        let fix = format!(
            "make the next one active first, with `forgetd keys rotate {}`; --last destroys it all the same, and rules of the \
             domain stop until there is a new one",
            one.entry.domain
        );
        return Err(Problem::new(place, message, fix));
    }
    Ok(())
}

async fn ask_and_destroy(config: &Config, databases: &Databases, one: &Held<'_>, args: &Args, until: Timestamp) -> u8 {
    let before = matches!(one.file, Ok(KeyFile::Destroyed(_)));
    if before {
        print("the key is destroyed already; the evidence gets its entry, if it has none");
    } else {
        print(meaning(one, until));
        for line in carried(config, databases, one).await {
            print(line);
        }
        if !prompt::agreed("destroy the key for good?", args.yes).await {
            say("nothing was destroyed");
            return 1;
        }
    }
    let (key, stop) = match tools(config) {
        Ok(tools) => tools,
        Err(code) => return code,
    };
    let who = actor();
    let by = Approver { who: &who, reason: args.reason.trim() };
    let sites = Sites::survey(config, databases).await;
    let what = KeyDestruction { key: one.entry, backups_until: until, by };
    let done = match Session::open(config, &sites, &key, Duration::ZERO, stop, &Quiet).await {
        Ok(session) => session.destroy_key(what).await,
        Err(refused) => Err(refused),
    };
    match done {
        Ok(Ok(done)) => {
            let (entry, code) = match &done.entry {
                KeyEntry::Now => ("the evidence says so now", 0),
                KeyEntry::Before => ("the evidence says so already", 0),
                KeyEntry::Later(fault) => {
                    say(format_args!("the evidence log could not be written: {fault}"));
                    ("the evidence will say so as soon as the log can be written", app::exit_code(fault))
                }
            };
            print(format_args!("key {} of domain {} was destroyed at {}; {entry}", args.id, args.domain, done.at));
            code
        }
        Ok(Err(KeyStopped::File(problem))) => {
            say(problem);
            BLOCKED
        }
        Ok(Err(KeyStopped::Fault(fault))) => {
            say(format_args!("{fault}; {}", fault.cause().fix()));
            app::exit_code(&fault)
        }
        Err(refused) => explain(&refused),
    }
}

/// What destroying it means.
fn meaning(one: &Held<'_>, until: Timestamp) -> String {
    let entry = one.entry;
    let print = one.fingerprint().map_or_else(String::new, |print| format!(" {print}"));
    let kek = match &one.file {
        Ok(KeyFile::Wrapped(wrapped)) => format!(" {}", wrapped.kek()),
        _ => String::new(),
    };
    format!(
        "key {} of domain {}{print} in {}\n\
         - its tokens stay where they are and are recognised still; no new ones can be made\n\
         - nobody can tell any more which token a value became: not for this key, not by us\n\
         - a copy of the file in a backup brings it back, together with the KEK{kek}: until {until}, as you say\n\
         - destroy the KEK and its copies as soon as no other key needs it, to be sure before then\n\
         - the entry of the policy and what is left of the file must stay as long as the tokens do",
        entry.id,
        entry.domain,
        entry.file.display()
    )
}

/// How many rows carry its tokens, in words.
async fn carried(config: &Config, databases: &Databases, one: &Held<'_>) -> Vec<String> {
    let Some(epoch) = one.epoch() else { return vec![] };
    let places = rows::places_of(&config.policy);
    match rows::count(&open(config, databases), &places, &one.entry.domain, epoch).await {
        Ok(rows) => rows.iter().map(|rows| format!("- {}", list::counted(rows))).collect(),
        Err(fault) => vec![format!("- rows that carry its tokens could not be counted: {fault}")],
    }
}
