//! The look at everything that knows about the log, before anything is written: is this the log that we left?
//!
//! Reads only. `start` turns what is found here into a refusal, `recover` into a way on.

use forgetd_connector::{Cause, Control, ControlState, Head, HeadPlace, HeadState};
use jiff::Timestamp;
use serde_json::Value as Json;

use super::log::{Checkpoint, Tail, VerifierKey, checkpoint};
use super::memory::{self, Databases, Memory};
use super::own::Known;
use super::store::{DatabaseStore, Folder, FolderStore, Store};
use super::walk::walk;
use super::{EvidenceFault, RelayConfig, StoreAt, lanes};

/// How often one instance can have recovered under a new origin.
const ORIGINS_MAX: u32 = 100;

/// How many receipts are read at once.
pub(super) const PAGE: u32 = 1024;

/// Where the log lies now: its origin, and the folder if it is in one.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) origin: String,
    pub(super) number: u32,
    pub(super) folder: Option<Folder>,
    pub(super) key: VerifierKey,
}

/// What was found out about the log.
#[derive(Debug)]
pub(super) struct Assessment {
    pub(super) site: Site,
    /// The head row.
    pub(super) head: Option<Head>,
    /// The right edge, if the log is whole.
    pub(super) tail: Option<Tail>,
    /// When its newest entry was made, if the log is whole.
    pub(super) newest_at: Option<Timestamp>,
    /// The log cannot go on under its origin, for this reason.
    pub(super) lost: Option<EvidenceFault>,
    /// The head row is not where it was written, though nothing contradicts it.
    pub(super) moved: Option<EvidenceFault>,
    /// The head row was written on an earlier timeline, and nothing that this process remembers is missing.
    pub(super) promoted: bool,
    /// Databases whose receipts are older than the log.
    pub(super) restored: Vec<EvidenceFault>,
    /// The newest checkpoint that anybody knows.
    pub(super) newest: Option<Head>,
    /// The signed checkpoint in the store, if it is one of ours.
    pub(super) note: Option<String>,
    /// Whether anything outside the store could notice a rollback.
    pub(super) anchored: bool,
    /// Whether the log was signed with another key than ours.
    pub(super) foreign: bool,
}

/// The database that holds the head row: the store itself, or the home of a folder.
pub(super) fn anchor(config: &RelayConfig) -> &str {
    match &config.store {
        StoreAt::Database(name) => name,
        StoreAt::Folder(_) => &config.home,
    }
}

/// The control tables of the database called `name`.
pub(super) fn control<'a>(databases: &Databases<'a>, name: &str) -> Result<&'a dyn Control, EvidenceFault> {
    let found = databases.iter().find(|(database, _)| *database == name);
    found.map(|(_, control)| *control).ok_or_else(|| {
        EvidenceFault::new(Cause::Unreachable, name, "the database that holds the evidence log's head is not connected")
    })
}

/// The store at `site`.
pub(super) fn store<'a>(
    config: &RelayConfig,
    site: &Site,
    databases: &Databases<'a>,
) -> Result<Box<dyn Store + 'a>, EvidenceFault> {
    let name = anchor(config);
    let control = control(databases, name)?;
    Ok(match &site.folder {
        Some(folder) => Box::new(FolderStore::new(folder, control, &site.origin)),
        None => Box::new(DatabaseStore::new(name, control, &site.origin)),
    })
}

// === impl Site ===

impl Site {
    /// The site of the `number`-th origin: the configured one, then `<origin>/2` and so on.
    pub(super) fn of(config: &RelayConfig, key: &crate::keys::EvidenceKey, number: u32) -> Result<Self, EvidenceFault> {
        let origin = if number == 1 { config.origin.clone() } else { format!("{}/{number}", config.origin) };
        let folder = match &config.store {
            StoreAt::Database(_) => None,
            StoreAt::Folder(path) if number == 1 => Some(Folder::new(path)),
            StoreAt::Folder(path) => Some(Folder::new(path.join(number.to_string()))),
        };
        let key = VerifierKey::of(key, &origin)
            .map_err(|_| EvidenceFault::new(Cause::Evidence, &origin, "evidence.origin must not hold spaces or `+`"))?;
        Ok(Self { origin, number, folder, key })
    }
}

/// Finds the origin in force and looks at everything that knows about it.
pub(super) async fn assess(
    config: &RelayConfig,
    key: &crate::keys::EvidenceKey,
    databases: &Databases<'_>,
    own: &Known,
) -> Result<Assessment, EvidenceFault> {
    let site = current(config, key, databases).await?;
    let mut found = look(config, site, databases, own).await?;
    let (restored, outran) = lanes::restored(config, &found.site, found.head.as_ref(), databases).await?;
    found.restored = restored;
    // Going on from such a log would give a size a second root, so it is lost to its origin.
    found.lost = found.lost.or(outran);
    if found.newest.is_none() && found.lost.is_none() {
        found.lost = lanes::forgotten(config, databases).await?;
    }
    Ok(found)
}

/// The origin in force: the last one that anybody has heard of, or the configured one.
pub(super) async fn current(
    config: &RelayConfig,
    key: &crate::keys::EvidenceKey,
    databases: &Databases<'_>,
) -> Result<Site, EvidenceFault> {
    let mut site = Site::of(config, key, 1)?;
    for number in 2..=ORIGINS_MAX {
        let next = Site::of(config, key, number)?;
        if !heard_of(config, &next, databases).await? {
            break;
        }
        site = next;
    }
    Ok(site)
}

/// Whether anybody knows a log of this origin.
async fn heard_of(config: &RelayConfig, site: &Site, databases: &Databases<'_>) -> Result<bool, EvidenceFault> {
    let store = store(config, site, databases)?;
    if store.head().await?.is_some() || store.read("checkpoint").await?.is_some() {
        return Ok(true);
    }
    let remember = config.remember.as_ref().map(Folder::new);
    let (memories, _) = memory::recall(&site.origin, anchor(config), databases, remember.as_ref(), &site.key).await?;
    Ok(!memories.is_empty())
}

/// Looks at one origin; `own` is what this process remembers. `newest` is absent when nobody has heard of it.
async fn look(
    config: &RelayConfig,
    site: Site,
    databases: &Databases<'_>,
    own: &Known,
) -> Result<Assessment, EvidenceFault> {
    let remember = config.remember.as_ref().map(Folder::new);
    let (mut memories, away) =
        memory::recall(&site.origin, anchor(config), databases, remember.as_ref(), &site.key).await?;
    if !away.is_empty() {
        tracing::warn!(databases = ?away, "copies of the evidence head cannot be asked for: the databases are away");
    }
    let store = store(config, &site, databases)?;
    let (state, place) = (store.head().await?, store.place());
    let (promoted, moved) = match &state {
        Some(state) => whereabouts(state, control(databases, anchor(config))?, own, &place).await?,
        None => (false, None),
    };
    let head = state.map(|state| state.head);
    let outside = !memories.is_empty() || databases.len() > 1 || config.remember.is_some();
    let mut note = None;
    let mut lost = signed_by_another(&*store, &site.key).await?;
    let foreign = lost.is_some();
    match stored_checkpoint(&*store, &site.key).await {
        Ok(Some((checkpoint, signed))) => {
            note = Some(signed);
            memories.push(Memory { head: checkpoint.into(), place: format!("the checkpoint in {place}") });
        }
        // A checkpoint that cannot be read is worth nothing and is signed again, unless there is no head for it.
        Err(fault) if head.is_none() => lost = lost.or(Some(fault)),
        Ok(None) | Err(_) => {}
    }
    let own = own.head.as_ref().filter(|own| own.origin == site.origin);
    memories.extend(own.map(|head| Memory { head: head.clone(), place: "this process".into() }));
    lost = lost.or_else(|| rolled_back(&memories, head.as_ref(), &place));
    let (mut tail, mut newest_at) = (None, None);
    if let (None, Some(head)) = (&lost, &head) {
        match whole(&*store, head, &memories).await? {
            Ok((edge, at)) => (tail, newest_at) = (Some(edge), at),
            Err(fault) => lost = Some(fault),
        }
    }
    let newest = memories.iter().map(|memory| &memory.head).chain(&head).max_by_key(|head| head.size).cloned();
    let (restored, anchored) = (Vec::new(), outside);
    Ok(Assessment { site, head, tail, newest_at, lost, moved, promoted, restored, newest, note, anchored, foreign })
}

/// Whether a standby was promoted that misses nothing, or why the row is not where it was written. The outer error: nothing
/// can be said of a log while a standby shows it.
async fn whereabouts(
    state: &HeadState,
    control: &dyn Control,
    own: &Known,
    place: &str,
) -> Result<(bool, Option<EvidenceFault>), EvidenceFault> {
    let found = match state.place {
        HeadPlace::Same => return Ok((false, None)),
        HeadPlace::Standby => {
            let found = "a standby shows the evidence log: what is missing there may only not have come yet";
            return Err(EvidenceFault::new(Cause::ReadOnly, place, found));
        }
        HeadPlace::Other => "the head row is not in the table or server that it was written in",
        HeadPlace::LaterTimeline => {
            if let ControlState::Ready(generation) = control.inspect().await?
                && own.is_all_there(&state.head, &generation, &control.newest().await?)
            {
                return Ok((true, None));
            }
            "the server went on under a later timeline than the head row's: whether a standby was promoted or a backup \
             restored, and whether anything is missing, this process does not remember"
        }
    };
    Ok((false, Some(EvidenceFault::restored(place, found))))
}

/// The log's own `log.vkey` names another key: whoever verifies with it would refuse what we sign. One that cannot be
/// read is worth nothing and is written again.
async fn signed_by_another(store: &dyn Store, key: &VerifierKey) -> Result<Option<EvidenceFault>, EvidenceFault> {
    let Some(bytes) = store.read("log.vkey").await? else { return Ok(None) };
    let theirs = VerifierKey::parse(String::from_utf8_lossy(&bytes).trim()).ok();
    let other = theirs.is_some_and(|theirs| theirs.public() != key.public());
    let found = "the log was signed with another key than evidence.signing_key: put that key back";
    Ok(other.then(|| EvidenceFault::evidence(store.place(), found)))
}

/// A memory that the head does not reach.
fn rolled_back(memories: &[Memory], head: Option<&Head>, place: &str) -> Option<EvidenceFault> {
    let size = head.map_or(0, |head| head.size);
    let memory = memories.iter().max_by_key(|memory| memory.head.size)?;
    let ahead = memory.head.size > size || head.is_none();
    ahead.then(|| {
        let found = match head {
            None => "there is no log".to_owned(),
            Some(_) => format!("the log has {size} entries"),
        };
        EvidenceFault::restored(place, format!("{found}, but {} remembers {}", memory.place, memory.head.size))
    })
}

/// Re-derives the log up to its head: its right edge and when its newest entry was made, or the reason why it is not
/// whole. The outer error says that it could not be read.
async fn whole(
    store: &dyn Store,
    head: &Head,
    memories: &[Memory],
) -> Result<Result<(Tail, Option<Timestamp>), EvidenceFault>, EvidenceFault> {
    store.settle(head).await?;
    let marks: Vec<u64> = memories.iter().map(|memory| memory.head.size).collect();
    let mut newest_at = None;
    let mut visit = |index: u64, entry: &[u8]| {
        if index + 1 == head.size {
            newest_at = made_at(entry);
        }
    };
    let walked = walk(store, head.size, &marks, &mut visit).await?;
    let place = store.place();
    if let Some(problem) = walked.problems.first() {
        return Ok(Err(EvidenceFault::evidence(place, format!("{}: {}", problem.place, problem.found))));
    }
    if walked.root != Some(head.root) {
        return Ok(Err(EvidenceFault::evidence(place, "the entries do not lead to the root of the head row")));
    }
    for Memory { head: memory, place: who } in memories {
        if walked.marks.iter().any(|(size, root)| *size == memory.size && *root != memory.root) {
            let found = format!("{who} remembers another root for size {}", memory.size);
            return Ok(Err(EvidenceFault::restored(place, found)));
        }
    }
    let mut files = Vec::new();
    for path in Tail::paths(head.size) {
        match store.read(&path.to_string()).await? {
            Some(bytes) => files.push((path, bytes)),
            None => return Ok(Err(EvidenceFault::evidence(place, format!("{path} is missing")))),
        }
    }
    let tail = Tail::load(head.size, &files).ok().filter(|tail| tail.root() == head.root);
    let damaged = || EvidenceFault::evidence(place, "the right edge of the log is damaged");
    Ok(tail.map(|tail| (tail, newest_at)).ok_or_else(damaged))
}

/// When an entry was made, as it says itself.
fn made_at(entry: &[u8]) -> Option<Timestamp> {
    serde_json::from_slice::<Json>(entry).ok()?["at"].as_str()?.parse().ok()
}

/// The checkpoint in the store and its bytes, if it is one of ours.
pub(super) async fn stored_checkpoint(
    store: &dyn Store,
    key: &VerifierKey,
) -> Result<Option<(Checkpoint, String)>, EvidenceFault> {
    let Some(bytes) = store.read("checkpoint").await? else { return Ok(None) };
    let opened = checkpoint::open(&bytes, key)
        .map_err(|error| EvidenceFault::evidence(store.place(), format!("checkpoint: {error}")))?;
    Ok(Some((opened, String::from_utf8_lossy(&bytes).into_owned())))
}
