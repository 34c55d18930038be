//! What is wrong with the configuration, for the person who wrote it: all of it at once, each with what to do.

use std::fmt;

/// One thing that is wrong. It never holds a scalar's value beyond what `snippet` was allowed to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `file:line:column`, a file, or `env NAME`.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: String,
    /// The line, with a mark below; lines are separated by newlines.
    pub snippet: Option<String>,
    /// Source, line and column, to sort by.
    pub(super) order: (u32, u32, u32),
}

/// Everything that is wrong, in the order of the files; never empty where it is an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

// === impl Problem ===

impl Problem {
    /// A problem at a place, without a snippet.
    pub fn new(place: impl Into<String>, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into(), fix: fix.into(), snippet: None, order: (0, 0, 0) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.message, self.fix)?;
        if let Some(snippet) = &self.snippet {
            for line in snippet.lines() {
                write!(f, "\n  {line}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

// === impl Problems ===

impl Problems {
    /// In the order of the files, each said once.
    pub(super) fn sorted(mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|a, b| (a.order, &a.message).cmp(&(b.order, &b.message)));
        problems.dedup_by(|a, b| a.place == b.place && a.message == b.message);
        Self(problems)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}
