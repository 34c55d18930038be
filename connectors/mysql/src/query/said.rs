//! Pieces of conditions, and when they need parentheses.

/// A condition in SQL.
pub(super) struct Said {
    text: String,
    whole: bool,
}

// === impl Said ===

impl Said {
    /// One that holds together wherever it stands.
    pub(super) fn whole(text: impl Into<String>) -> Self {
        Self { text: text.into(), whole: true }
    }

    /// Several, all of which must hold.
    pub(super) fn all(parts: Vec<Self>) -> Self {
        match parts.len() {
            0 => Self::whole("true"),
            1 => parts.into_iter().next().unwrap_or_else(|| Self::whole("true")),
            _ => Self { text: joined(parts.into_iter().map(Self::beside)), whole: false },
        }
    }

    /// Several, one of which must hold.
    pub(super) fn any(parts: Vec<Self>) -> Self {
        match parts.len() {
            0 => Self::whole("false"),
            1 => parts.into_iter().next().unwrap_or_else(|| Self::whole("false")),
            _ => {
                let parts: Vec<String> = parts.into_iter().map(Self::alone).collect();
                Self::whole(format!("({})", parts.join(" or ")))
            }
        }
    }

    /// The opposite.
    pub(super) fn not(self) -> Self {
        Self::whole(format!("not ({})", self.text))
    }

    /// The same, with a value where it is unknown.
    pub(super) fn or(self, unknown: bool) -> Self {
        Self::whole(format!("coalesce({}, {unknown})", self.text))
    }

    /// To stand beside others with `and` between them.
    pub(super) fn beside(self) -> String {
        self.text
    }

    /// To stand anywhere.
    pub(super) fn alone(self) -> String {
        if self.whole { self.text } else { format!("({})", self.text) }
    }
}

/// All of them with `and` between them.
pub(super) fn joined(parts: impl IntoIterator<Item = String>) -> String {
    parts.into_iter().collect::<Vec<_>>().join(" and ")
}
