//! `evidence prove`: a proof that one entry is in the log, for somebody who has neither the log nor forgetd.

use std::path::{Path, PathBuf};

use super::log::{self, Stop};
use super::{print, prove_row, say};
use crate::cli::{USAGE, row_key};
use crate::evidence::log::merkle::leaf_hash;
use crate::evidence::log::{checkpoint, proof, tile, tlog_proof::TlogProof};
use crate::evidence::store::Files;
use crate::evidence::{EvidenceFault, each};

/// Options of `evidence prove`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The entry: its index, as `evidence show` prints it.
    #[arg(value_name = "INDEX", required_unless_present = "key")]
    index: Option<u64>,

    /// A deleted row instead, by its key, read from standard input: one line for each key column. The rule must have
    /// `evidence: { rows: commitments }`, and the receipt must still be kept.
    #[arg(long, value_name = "-", value_parser = ["-"], requires_all = ["rule", "out"], conflicts_with_all = ["index", "log"])]
    key: Option<String>,

    /// The rule that deleted the row.
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,

    /// A folder or a web address with the log; the configured log without it.
    #[arg(long, value_name = "DIR|URL")]
    log: Option<String>,

    /// Where the proof goes; else to standard output. The entry itself goes beside it with `.entry` added, and what
    /// opens a row's commitment with `.row` added.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Everything that a proof consists of.
struct Proven {
    proof: TlogProof,
    entry: Vec<u8>,
    row: Option<String>,
}

/// Proves. The proof is in the C2SP form, checked offline with the log's key and the entry's bytes.
pub(super) async fn run(file: &Path, args: &Args) -> u8 {
    let proven = match (args.index, &args.rule) {
        (None, Some(rule)) => match row_key::read() {
            Ok(key) => log::configured(file, async |log| row(log, rule, &key).await).await,
            Err(code) => Err(code),
        },
        (index, _) => {
            let index = index.unwrap_or_default();
            log::files(file, args.log.as_deref(), async |files| {
                prove(files, index).await.map(|(proof, entry)| Proven { proof, entry, row: None })
            })
            .await
        }
    };
    match (proven, &args.out) {
        (Err(code), _) => code,
        (Ok(proven), None) => {
            print(proven.proof.to_string().trim_end());
            0
        }
        (Ok(proven), Some(out)) => write(&proven, out),
    }
}

async fn row(log: &log::Configured<'_>, rule: &str, key: &[String]) -> Result<Proven, Stop> {
    let Some(found) = prove_row::find(log, rule, key).await? else {
        say(format_args!("no receipt that is still kept says that rule {rule} changed a row with this key"));
        return Err(Stop::Said(1));
    };
    let files = log.relay.files(&log.controls).await?;
    let (proof, entry) = prove(&*files, found.entry).await?;
    Ok(Proven { proof, entry, row: Some(found.opening) })
}

fn write(proven: &Proven, out: &Path) -> u8 {
    let beside = |ending: &str| {
        let mut path = out.to_path_buf().into_os_string();
        path.push(ending);
        PathBuf::from(path)
    };
    let mut files =
        vec![(out.to_path_buf(), proven.proof.to_string().into_bytes()), (beside(".entry"), proven.entry.clone())];
    files.extend(proven.row.as_ref().map(|row| (beside(".row"), row.clone().into_bytes())));
    for (path, bytes) in files {
        if let Err(error) = std::fs::write(&path, bytes) {
            say(format_args!("{}: {}", path.display(), error.kind()));
            return 1;
        }
        print(format_args!("{} written", path.display()));
    }
    0
}

/// The proof of the entry at `index`, and the entry.
pub(super) async fn prove(files: &dyn Files, index: u64) -> Result<(TlogProof, Vec<u8>), Stop> {
    let damaged = |what: String| EvidenceFault::evidence(files.place(), format!("{what} is missing or damaged"));
    let signed = files.read("checkpoint").await?.ok_or_else(|| damaged("checkpoint".into()))?;
    let (checkpoint, _) = checkpoint::parse(&signed).map_err(|_| damaged("checkpoint".into()))?;
    if index >= checkpoint.size {
        say(format_args!("there is no entry {index}: the log has {}", checkpoint.size));
        return Err(Stop::Said(USAGE));
    }
    let mut found = None;
    each(files, &mut |at, entry| {
        if at == index {
            found = Some(entry.to_vec());
        }
        at < index
    })
    .await?;
    let entry = found.ok_or_else(|| damaged(format!("entry {index}")))?;

    let spans = proof::inclusion(index, checkpoint.size);
    let mut hashes = std::collections::BTreeMap::new();
    for node in proof::nodes(&spans) {
        let (path, span) = tile::locate(node, checkpoint.size);
        let bytes = match files.read(&path.to_string()).await? {
            Some(bytes) => bytes,
            None => files.read(&path.full().to_string()).await?.ok_or_else(|| damaged(path.to_string()))?,
        };
        let tile = tile::parse_hashes(&bytes).map_err(|_| damaged(path.to_string()))?;
        hashes.insert(node, tile::subtree(tile.get(span).ok_or_else(|| damaged(path.to_string()))?));
    }
    let hashes = proof::hashes(&spans, |node| hashes.get(&node).copied()).unwrap_or_default();
    proof::verify_inclusion(index, checkpoint.size, &leaf_hash(&entry), &hashes, &checkpoint.root)
        .map_err(|_| damaged(format!("the way from entry {index} to the root")))?;
    Ok((TlogProof { index, hashes, checkpoint: String::from_utf8_lossy(&signed).into_owned() }, entry))
}
