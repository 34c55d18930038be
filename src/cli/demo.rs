//! `forgetd demo`: the whole way in one command, on a database of its own.
//!
//! It is the one verb beside `install` that runs DDL, and only in a folder that it makes itself.

use std::fs;
use std::path::{Path, PathBuf};

use super::{approve, evidence, install, keys, plan, print, run, say};
use crate::app;

/// The tables and rows of the demo's CRM.
const CRM: &str = include_str!("../demo/crm.sql");

/// The tables and rows of the newsletter's database.
const NEWSLETTER: &str = include_str!("../demo/newsletter.sql");

/// What the sales were, per country and month.
const REVENUE: &str = "select country, substr(placed_at, 1, 7), count(*), sum(total_cents) from \"order\" \
                       group by 1, 2 order by 1, 2";

/// The demo's policy.
const POLICY: &str = include_str!("../demo/forgetd.yaml");

/// Options of `demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder to work in.
    #[arg(long, default_value = "forgetd-demo", value_name = "DIR")]
    dir: PathBuf,
}

/// Runs the demo. Run again in the same place it finds nothing left to do. The exit code is the command's.
pub async fn run(args: &Args) -> u8 {
    match tour(&args.dir).await {
        Ok(()) => 0,
        Err(Failed::Step(what, code)) => {
            say(format_args!("the demo stopped: {what} ended with exit code {code}"));
            code.max(1)
        }
        Err(Failed::Io(what)) => {
            say(format_args!("the demo stopped: {what}"));
            1
        }
    }
}

enum Failed {
    Step(&'static str, u8),
    Io(String),
}

async fn tour(dir: &Path) -> Result<(), Failed> {
    let config = dir.join("forgetd.yaml");
    let log = dir.join("evidence");
    let tampered = dir.join("tampered");
    prepare(dir, &config)?;

    title("forgetd install", "creates forgetd's own tables beside the application's");
    step("install", install::run(&config, &install::Args::default()).await)?;

    title("forgetd plan", "shows what would happen; nothing changes");
    step("plan", plan::run(&config, &plan::Args::default()).await)?;

    title(
        "forgetd approve",
        "a new rule waits a day, or for somebody who has seen the plan; a run alone would delete nothing",
    );
    let yes = approve::Args { yes: true, reason: Some("the demo's own policy".into()), ..approve::Args::default() };
    step("approve", approve::run(&config, &yes).await)?;

    let revenue = ask(dir, "crm.db", REVENUE)?;
    title("forgetd run", "deletes and transforms what is due, each batch in one commit with its receipt");
    step("run", run::run(&config, &run::Args { yes: true, ..run::Args::default() }).await)?;
    compare(dir, &revenue)?;

    title("forgetd evidence export forgetd-demo/evidence", "writes the evidence log as plain files");
    if log.exists() {
        fs::remove_dir_all(&log).map_err(|error| io("replace the exported evidence", &error))?;
    }
    step("evidence export", evidence::export(&config, &log).await)?;

    title("forgetd evidence verify forgetd-demo/evidence", "needs no database, no configuration and no network");
    step("evidence verify", evidence::verify_folder(&log).await)?;

    title("forgetd evidence verify forgetd-demo/tampered", "the same log with one byte changed");
    tamper(&log, &tampered)?;
    let code = evidence::verify_folder(&tampered).await;
    if code != evidence::TAMPERED {
        return Err(Failed::Step("verifying the changed log", code));
    }
    farewell(dir);
    Ok(())
}

/// What the run left as it was, and what belongs together still.
fn compare(dir: &Path, revenue: &[Vec<String>]) -> Result<(), Failed> {
    let after = ask(dir, "crm.db", REVENUE)?;
    let months = after.len();
    if after != revenue {
        return Err(Failed::Io("the sales per country and month are not what they were".into()));
    }
    let customers = ask(dir, "crm.db", "select email from customer where email like 'fg1%@pseudonym.invalid'")?;
    let subscribers =
        ask(dir, "newsletter.db", "select email from subscriber where email like 'fg1%@pseudonym.invalid'")?;
    let tokens: std::collections::BTreeSet<_> = customers.iter().collect();
    let both = subscribers.iter().filter(|subscriber| tokens.contains(subscriber)).count();
    print(format_args!(
        "\nSales per country and month: {months} sums, each the same as before.\n\
         Customers without a name: {}. Subscribers without an address: {}. People who are both: {both}, by the same token.",
        customers.len(),
        subscribers.len()
    ));
    Ok(())
}

fn ask(dir: &Path, database: &str, query: &str) -> Result<Vec<Vec<String>>, Failed> {
    app::ask_sqlite(&dir.join(database), query).map_err(|fault| Failed::Io(fault.to_string()))
}

/// Makes the folder, the databases, the keys and the policy, each only where it is missing.
fn prepare(dir: &Path, config: &Path) -> Result<(), Failed> {
    fs::create_dir_all(dir).map_err(|error| io("make the folder", &error))?;
    for (name, script, what) in [
        ("crm.db", CRM, "a small CRM: leads, calls, messages, sessions, customers, orders"),
        ("newsletter.db", NEWSLETTER, "another application's database: subscribers"),
    ] {
        let database = dir.join(name);
        if database.exists() {
            print(format_args!("{} is there already: going on with it.", database.display()));
        } else {
            app::create_sqlite(&database, script).map_err(|fault| Failed::Io(fault.to_string()))?;
            print(format_args!("Made {}, {what}.", database.display()));
        }
    }
    let key = dir.join("evidence.key");
    if !key.exists() {
        step("keys new evidence", keys::new_evidence(Some(&key)))?;
    }
    let people = dir.join("people.key");
    if !people.exists() {
        step("keys new pseudonym", keys::new_pseudonym("k1", "people", &people))?;
    }
    if !config.exists() {
        fs::write(config, POLICY).map_err(|error| io("write the policy", &error))?;
    }
    print(format_args!("The policy is in {}.", config.display()));
    Ok(())
}

/// Copies the log and flips one bit in the middle of its first bundle of entries.
fn tamper(log: &Path, tampered: &Path) -> Result<(), Failed> {
    if tampered.exists() {
        fs::remove_dir_all(tampered).map_err(|error| io("replace the changed copy", &error))?;
    }
    copy(log, tampered).map_err(|error| io("copy the evidence", &error))?;
    let bundle =
        first_file(&tampered.join("tile/entries")).ok_or_else(|| Failed::Io("the log has no entries".into()))?;
    let mut bytes = fs::read(&bundle).map_err(|error| io("read the copy", &error))?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&bundle, bytes).map_err(|error| io("write the copy", &error))
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// The first file below `dir` by name.
fn first_file(dir: &Path) -> Option<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths.into_iter().find_map(|path| if path.is_dir() { first_file(&path) } else { Some(path) })
}

fn title(command: &str, what: &str) {
    print(format_args!("\n$ {command}\n  {what}\n"));
}

fn farewell(dir: &Path) {
    let dir = dir.display();
    print(format_args!(
        "\nDone. What is in {dir}/ is yours to look at:\n  \
         evidence/    the log: checkpoint, log.vkey, tiles and entries; tampered/ is the copy that fails\n  \
         forgetd.yaml the policy; change a period and plan again\n\n\
         Try next:\n  \
         forgetd --config {dir}/forgetd.yaml evidence show\n  \
         forgetd --config {dir}/forgetd.yaml run            # changes 0 rows: nothing is due any more\n  \
         forgetd --config {dir}/forgetd.yaml check --connect"
    ));
}

fn step(what: &'static str, code: u8) -> Result<(), Failed> {
    if code == 0 { Ok(()) } else { Err(Failed::Step(what, code)) }
}

fn io(what: &str, error: &std::io::Error) -> Failed {
    Failed::Io(format!("cannot {what}: {error}"))
}
