//! Signed approvals: who may approve, the text that an approver signs, SSH signatures of it, and how many of them a rule
//! has. Pure.
//!
//! `sshsig` reads and verifies what `ssh-keygen -Y sign` makes; `statement` is the text; `approvers` says whose
//! signature one is; `kept` counts those that came one after another.

mod approvers;
mod kept;
mod sshsig;
mod statement;
#[cfg(test)]
pub(crate) mod testing;

pub use approvers::{Approver, Approvers, Signed};
pub use kept::{AlreadyUsed, Kept, Taken};
pub use sshsig::{KeyError, NAMESPACE, SignatureError, SshKey, SshSignature};
pub use statement::{HOLDS, RestoredStatement, RuleStatement, Statement, StatementError, VERSION};

/// A statement and the signatures that were brought with it. Nothing of it was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The signed text.
    pub statement: String,
    /// The signatures.
    pub signatures: Vec<SshSignature>,
}
