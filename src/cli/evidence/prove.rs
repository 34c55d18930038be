//! `evidence prove`: a proof that one entry is in the log, for somebody who has neither the log nor forgetd.

use std::path::{Path, PathBuf};

use super::log::{self, Stop};
use super::show::each;
use super::{print, say};
use crate::cli::USAGE;
use crate::evidence::EvidenceFault;
use crate::evidence::log::merkle::leaf_hash;
use crate::evidence::log::{checkpoint, proof, tile, tlog_proof::TlogProof};
use crate::evidence::store::Files;

/// Options of `evidence prove`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The entry: its index, as `evidence show` prints it.
    #[arg(value_name = "INDEX")]
    index: u64,

    /// A folder or a web address with the log; the configured log without it.
    #[arg(long, value_name = "DIR|URL")]
    log: Option<String>,

    /// Where the proof goes; else to standard output. The entry itself goes beside it, with `.entry` added.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Proves. The proof is in the C2SP form, checked offline with the log's key and the entry's bytes.
pub(super) async fn run(file: &Path, args: &Args) -> u8 {
    let proven = log::files(file, args.log.as_deref(), async |files| prove(files, args.index).await).await;
    let (proof, entry) = match proven {
        Ok(proven) => proven,
        Err(code) => return code,
    };
    let Some(out) = &args.out else {
        print(proof.to_string().trim_end());
        return 0;
    };
    let mut beside = out.clone().into_os_string();
    beside.push(".entry");
    for (path, bytes) in [(out.as_path(), proof.to_string().into_bytes()), (Path::new(&beside), entry)] {
        if let Err(error) = std::fs::write(path, bytes) {
            say(format_args!("{}: {}", path.display(), error.kind()));
            return 1;
        }
    }
    print(format_args!("{} and {} written", out.display(), Path::new(&beside).display()));
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
