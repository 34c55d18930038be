//! How hard a server is at work, and how far its replicas are behind.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{Fault, Generation};

/// What is to be found out beside what every look tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StrainAsked {
    /// How many sessions are at work.
    pub active_sessions: bool,
    /// A statement of the operator's, whose one value says whether nothing may be done now.
    pub veto: Option<String>,
}

/// What a server says of itself. What is absent was not asked for, or the engine has no such thing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Strain {
    /// Its replicas.
    pub replicas: Replicas,
    /// The bytes of its log that it keeps for whoever has not read them yet.
    pub log_kept: Option<u64>,
    /// Sessions at work, without ours.
    pub active_sessions: Option<u64>,
    /// Sessions of others that wait for a lock which one of ours holds, or waits for before them. Absent: the engine does not
    /// tell, or not this role.
    pub waiting_for_us: Option<u64>,
    /// Whether the operator's statement says that nothing may be done now.
    pub vetoed: Option<bool>,
    /// Whether others are at work on it.
    pub company: Company,
}

/// Who else is at work on a server: who does something, or did within the last seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Company {
    /// The engine does not tell, or not at the first look.
    #[default]
    Untold,
    /// Nobody.
    Nobody,
    /// Somebody.
    Somebody,
    /// Others are connected, and it is not shown what they do: to this role, or to nobody.
    Hidden,
}

/// The replicas that a server knows of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replicas {
    /// There are none that it knows of.
    #[default]
    None,
    /// The slowest of them is so far behind; of a MongoDB set, the slowest of a majority.
    Behind(Duration),
    /// There are some, and the role is not shown how far they are.
    Hidden,
    /// The engine does not know them, and there may be some.
    Unknown,
}

/// A sign of life that replicas show later than the server it was written on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// The control tables it stands in: a server that shows others is no replica of ours.
    pub generation: Generation,
    /// When it was written, by the clock of the server it was written on.
    pub at: Timestamp,
}

/// What is to be seen of signs of life on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beaten {
    /// The control tables that it shows.
    pub generation: Generation,
    /// When the last one that it shows was written; absent: it shows none of this instance.
    pub at: Option<Timestamp>,
}

/// Signs of life in the control tables, written on the server that is worked on and looked for on its replicas.
/// `instance` is the connector's own.
#[async_trait]
pub trait Heartbeats: Send + Sync {
    /// Which server this is, whatever data it shares with others.
    fn server(&self) -> &str;

    /// Writes one, in a transaction of its own, in place of the one before and always later than that, whatever the server's
    /// clock says meanwhile. A failure leaves either of them.
    async fn beat(&self) -> Result<Beat, Fault>;

    /// The last one that is to be seen here. Reads only. A server without control tables is blocked by that.
    async fn beaten(&self) -> Result<Beaten, Fault>;
}
