//! The seam between forgetd and its databases.
//!
//! Read in this order: [`Connector`] (one database), [`AtomicLane`] and [`SealedLane`] (how rows change), [`Control`]
//! (forgetd's own tables). Everything else is a word those three need. Nothing here knows a driver, a runtime, the
//! policy file or the evidence log; a connector crate depends on this crate alone.

pub mod bulk;
mod capability;
mod catalog;
mod cause;
mod comers;
mod connections;
mod connector;
mod control;
mod course;
mod cursor;
mod cutoff;
mod effect;
mod error;
pub mod fault_point;
mod finding;
pub mod julian;
mod lane;
pub mod layout;
mod lease;
mod log;
mod measure;
mod notice;
mod path;
mod predicate;
mod product;
mod profile;
mod receipt;
mod reference;
mod request;
mod rulebook;
mod run;
mod selection;
mod since;
mod standing;
mod statements;
mod stoppable;
mod strain;
mod table;
mod transform;
mod until;
mod value;
pub mod walk;

pub use capability::{Atomicity, Capabilities, Durability, Facts, FenceKind, RowLock};
pub use catalog::{
    Catalog, Column, ColumnKind, Fit, ForeignKey, Index, OnDelete, Reference, Table, TableKind, Writable,
};
pub use cause::Cause;
pub use comers::Comers;
pub use connections::{Connected, Connections};
pub use connector::{Action, ConnectContext, Connector, Step};
pub use control::{Control, ControlState, Installed};
pub use course::{Behind, Course};
pub use cursor::Cursor;
pub use cutoff::Cutoff;
pub use effect::{Compare, Effect, LockWait, Next, Order, Outcome, Picked};
pub use error::{Commit, Fault, FaultClass};
pub use finding::{Finding, Severity};
pub use lane::{AtomicLane, Deadline, Endless, FIRST_LANE, Lane, LaneClaim, SECOND_LANE, SealedLane, in_time};
pub use lease::{Acquired, FenceRaise, Lease, LeaseClaim, Leases};
pub use log::{Append, Head, HeadPlace, HeadState, LeafKey, LeafRow, LogStore, Published};
pub use measure::{Count, Measure, Outside, RowCap};
pub use notice::Notice;
pub use path::{Path, PathError, PathFault, PathStep};
pub use predicate::{Check, Comparison, Predicate, Test};
pub use product::{Product, Sign, Trust, UnsupportedEngine, recognise};
pub use profile::{Clause, ClauseOf, Explained, Judged, KeptRows, KeptWhy, Month, Profile};
pub use receipt::{CursorMove, Generation, OpenSeal, Pending, Receipt, ReceiptKey, Receipts, SealEnd, Settled, Stamp};
pub use reference::reference_names;
pub use request::{REQUESTS_MAX, RequestRow, RequestState, Requests};
pub use rulebook::{ApprovedRow, LastRow, PendingRow, Rulebook, RulebookRow};
pub use run::{RunRow, Runs};
pub use selection::{Child, Except, Selection, Stays, Terms, WhenNull};
pub use since::{Joined, Latest, Since, SinceColumn, SinceForm};
pub use standing::{StandingRow, Standings};
pub use statements::Statements;
pub use stoppable::{Stoppable, UnderWay};
pub use strain::{Beat, Beaten, Company, Heartbeats, Replicas, Strain, StrainAsked};
pub use table::TableRef;
pub use transform::{
    DoneRows, Grain, Marker, NewRow, OldRow, Place, Put, Rewrite, Shape, Transform, Undone, Untouched,
};
pub use until::Until;
pub use value::{Key, Value};
