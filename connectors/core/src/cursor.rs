//! Where a lane resumes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A private resume position. Only the connector that made it can read it; it may hold a key, so `Debug` hides it and
/// it never enters a receipt's body.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(String);

// === impl Cursor ===

impl Cursor {
    /// Wraps a connector's own text.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The connector's own text.
    pub fn as_text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cursor({})", self.0.len())
    }
}
