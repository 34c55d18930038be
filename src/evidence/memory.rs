//! What is remembered of a log outside its own store: copies of its head in other databases, and checkpoints in a
//! folder somewhere else. A head is believed only if it extends all of them.

use forgetd_connector::{Control, Fault, FaultClass, Head};

use super::EvidenceFault;
use super::log::{Checkpoint, Note, VerifierKey, checkpoint};
use super::store::{Files as _, Folder};

/// The databases that hold control tables, each by its name in the policy.
pub type Databases<'a> = [(&'a str, &'a dyn Control)];

/// The file in `evidence.remember.dir` that every checkpoint is appended to.
const REMEMBERED: &str = "checkpoints";

/// How many lines a checkpoint with one signature has.
const LINES: usize = 5;

/// A head that somebody outside the store remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    /// The head.
    pub(super) head: Head,
    /// Who remembers it: a database's name, or a path.
    pub(super) place: String,
}

/// Whether a database is just not there now. Everything else about it stops the log.
pub(super) fn is_away(fault: &Fault) -> bool {
    matches!(fault.class, FaultClass::Unreachable | FaultClass::Disconnected | FaultClass::Timeout)
}

/// Everything outside `store` (the database that holds the head row) that remembers a head of `origin`. A database that is away
/// cannot be asked; its name is in the second list.
pub(super) async fn recall(
    origin: &str,
    store: &str,
    databases: &Databases<'_>,
    remember: Option<&Folder>,
    key: &VerifierKey,
) -> Result<(Vec<Memory>, Vec<String>), EvidenceFault> {
    let (mut memories, mut away) = (Vec::new(), Vec::new());
    for (name, control) in databases.iter().filter(|(name, _)| *name != store) {
        match control.remembered(origin).await {
            Ok(Some(head)) => memories.push(Memory { head, place: (*name).into() }),
            Ok(None) => {}
            Err(fault) if is_away(&fault) => away.push((*name).to_owned()),
            Err(fault) => return Err(fault.into()),
        }
    }
    if let Some(folder) = remember
        && let Some(head) = checkpoints(folder, key).await?
    {
        memories.push(Memory { head, place: folder.place() });
    }
    Ok((memories, away))
}

/// Copies `head` to every other database and appends the checkpoint to the folder. Returns who could not be told.
pub(super) async fn spread(
    head: &Head,
    signed: &str,
    store: &str,
    databases: &Databases<'_>,
    remember: Option<&Folder>,
) -> Vec<EvidenceFault> {
    let mut untold = Vec::new();
    for (_, control) in databases.iter().filter(|(name, _)| *name != store) {
        if let Err(fault) = control.remember(head).await {
            untold.push(fault.into());
        }
    }
    if let Some(folder) = remember
        && let Err(fault) = folder.append_once(REMEMBERED, signed.as_bytes().to_vec()).await
    {
        untold.push(fault);
    }
    untold
}

/// The largest checkpoint of the origin in the folder. Two of one size with different roots are the end of the log.
async fn checkpoints(folder: &Folder, key: &VerifierKey) -> Result<Option<Head>, EvidenceFault> {
    let bytes = folder.read(REMEMBERED).await?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut noted: Vec<(Checkpoint, Note)> = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        // Other origins, and lines torn by a crash while they were appended, are passed over.
        match checkpoint::parse(lines[at..lines.len().min(at + LINES)].concat().as_bytes()) {
            Ok((checkpoint, note)) => {
                at += LINES;
                noted.extend((checkpoint.origin == key.name).then_some((checkpoint, note)));
            }
            Err(_) => at += 1,
        }
    }
    noted.sort_by_key(|(checkpoint, _)| checkpoint.size);
    let ours = |(_, note): &&(Checkpoint, Note)| note.verify(key).is_ok();
    for pair in noted.windows(2) {
        let [one, other] = pair else { continue };
        if one.0.size == other.0.size && one.0.root != other.0.root && ours(&one) && ours(&other) {
            let found = format!("two checkpoints of size {} have different roots", one.0.size);
            return Err(EvidenceFault::restored(folder.place(), found));
        }
    }
    // Signatures are checked from the largest down until one holds: old ones need not be checked every time.
    Ok(noted.iter().rev().find(ours).map(|(checkpoint, _)| checkpoint.clone().into()))
}
