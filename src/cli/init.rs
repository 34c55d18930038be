//! `forgetd init`: a first policy, suggested by looking at a live database. Reads only, and writes one file.

mod candidates;
mod survey;
mod written;

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::{BAD_CONFIG, USAGE, print, say};
use crate::{app, config::Secret};
use written::Draft;

/// Options of `init`. The URL never stands on the command line, where others can read a password in it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The environment variable that holds the database's URL; the policy will name it too.
    #[arg(long, value_name = "VAR", conflicts_with = "url_file")]
    url_env: Option<String>,

    /// The file that holds the database's URL; the policy will name it too.
    #[arg(long, value_name = "FILE")]
    url_file: Option<PathBuf>,

    /// Where the policy goes; to standard output without it. A file that is there is never replaced.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Writes the policy. The exit code is the command's: 78 where the URL cannot be read, 69 where the database does not
/// answer.
pub async fn run(args: &Args) -> u8 {
    let draft = match draft(args).await {
        Ok(draft) => draft,
        Err(code) => return code,
    };
    let text = draft.text();
    match &args.out {
        None => {
            print(text.trim_end());
            0
        }
        Some(out) => write(out, &text),
    }
}

async fn draft(args: &Args) -> Result<Draft, u8> {
    let Some((secret, shown)) = named(args) else {
        let url = "{ env: DATABASE_URL }".into();
        return Ok(Draft { url, ..Draft::default() });
    };
    let url: SecretString = secret.read().map_err(|problem| {
        say(problem);
        BAD_CONFIG
    })?;
    let connector = match app::connect_to(&url, "app").await {
        Ok(Ok(connector)) => connector,
        Ok(Err(fault)) => {
            say(format_args!("{fault}; {}", fault.cause().fix()));
            return Err(app::exit_code(&fault));
        }
        Err(problem) => {
            say(problem);
            return Err(BAD_CONFIG);
        }
    };
    let draft = survey::survey(&*connector, shown).await;
    connector.close().await;
    draft.map_err(|fault| {
        say(format_args!("{fault}; {}", fault.cause().fix()));
        app::exit_code(&fault)
    })
}

/// Where the URL is, and how the policy says so.
fn named(args: &Args) -> Option<(Secret, String)> {
    if let Some(name) = &args.url_env {
        return Some((Secret::Env(name.clone()), format!("{{ env: {name} }}")));
    }
    let file = args.url_file.as_ref()?;
    let shown = serde_json::to_string(&file.to_string_lossy()).unwrap_or_default();
    Some((Secret::File(file.clone()), format!("{{ file: {shown} }}")))
}

fn write(out: &Path, text: &str) -> u8 {
    use std::io::Write as _;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(out);
    match file.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => {
            print(format_args!("{} written: read it, decide, then `forgetd check --connect`", out.display()));
            0
        }
        Err(error) => {
            say(format_args!("{}: {}", out.display(), error.kind()));
            USAGE
        }
    }
}

#[cfg(test)]
mod tests;
