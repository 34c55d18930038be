//! What a server is, and what follows from it.

use serde::Serialize;

use crate::Product;

/// What was found out about the server when the connection was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// The product as it names itself: `PostgreSQL`, `SQLite`.
    pub product: String,
    /// What it was recognised as.
    #[serde(skip)]
    pub known: &'static Product,
    /// Its version text.
    pub version: String,
    /// Who this very server and its data are (system identifier and timeline, or file identity), to notice a swap.
    pub identity: String,
    /// How durable a commit is.
    pub durability: Durability,
    /// Whether the server refuses writes.
    pub read_only: bool,
    /// A pooler that was recognised between us and the server.
    pub pooler: Option<String>,
    /// Whether the connection is encrypted and its certificate verified, in words; absent where there is no network.
    pub tls: Option<String>,
    /// Why effect and receipt belong together as they do here, in words, where that had to be tried; absent where the engine
    /// promises it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probed: Option<String>,
}

/// What a commit survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// A crash of the machine.
    Full,
    /// Settings of the server weaken it; evidence says so.
    Weak,
}

/// What the server can do. A pure function of [`Facts`] and probes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Capabilities {
    /// Whether an effect and its receipt can share one commit.
    pub atomicity: Atomicity,
    /// Whether single tables may be without transactions all the same: [`crate::Table::atomicity`] says which.
    pub mixed: bool,
    /// How row locks can be asked for.
    pub row_lock: RowLock,
    /// How a stale holder is kept out.
    pub fence: FenceKind,
    /// Whether the engine counts changed rows per table inside a transaction, cascades and triggers included.
    pub effect_counters: bool,
    /// The most rows one batch may change.
    pub batch_rows_max: u32,
    /// The share of the time that batches may take beside others at work, where nobody says another. Engines that do not
    /// tell of others have no use for it.
    pub share_beside_others: f64,
}

/// How effect and receipt belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Atomicity {
    /// One commit holds both.
    Atomic,
    /// The receipt is sealed first, the guarded effect follows, the outcome is recorded last.
    Sealed,
}

/// How rows are locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowLock {
    /// Locked rows can be skipped.
    SkipLocked,
    /// One writer at a time owns the whole database.
    WholeDatabase,
}

/// How the fence row keeps a stale holder out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FenceKind {
    /// A share lock that the takeover's update waits for.
    Lock,
    /// A write in every batch, where several nodes certify at commit.
    Write,
}

// === impl Facts ===

impl Facts {
    /// Product and version, and whether the product was never tested: as evidence, status and listings show it.
    pub fn server(&self) -> String {
        let untried = if self.known.is_untried() { " (never tested, accepted)" } else { "" };
        format!("{} {}{untried}", self.product, self.version)
    }
}

// === impl Atomicity ===

impl Atomicity {
    /// Whether one commit holds both.
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "what serde asks with")]
    pub const fn is_atomic(&self) -> bool {
        matches!(self, Self::Atomic)
    }

    /// What is left where both are asked for.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Atomic, Self::Atomic) => Self::Atomic,
            _ => Self::Sealed,
        }
    }
}
