//! What stops a reading.

use std::fmt;

use crate::config::{node::Node, place::Place};

/// One thing that is wrong, on its way up to the field that can stand being broken.
#[derive(Debug)]
pub(crate) struct ReadError {
    pub(super) message: String,
    pub(super) fix: String,
    /// Where: the innermost value.
    pub(super) place: Option<Place>,
    /// Address of the innermost field or list item around it.
    pub(super) absorber: Option<usize>,
    /// Whether a more exact problem has been said already.
    pub(super) silent: bool,
}

// === impl ReadError ===

impl ReadError {
    pub(super) fn new(message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { message: message.into(), fix: fix.into(), place: None, absorber: None, silent: false }
    }

    /// The same error at `node`, unless it has a place already.
    pub(super) fn at(mut self, node: &Node) -> Self {
        self.place.get_or_insert(node.place);
        self
    }

    /// The same error, absorbed by `node`, unless it is absorbed already.
    pub(super) fn absorbed_by(mut self, node: &Node) -> Self {
        self.place.get_or_insert(node.place);
        self.absorber.get_or_insert(std::ptr::from_ref(node).addr());
        self
    }
}

impl serde::de::Error for ReadError {
    /// Own types say `what is wrong; what to do`.
    fn custom<T: fmt::Display>(text: T) -> Self {
        let text = text.to_string();
        match text.split_once("; ") {
            Some((message, fix)) => Self::new(message, fix),
            None => Self::new(text, "see `forgetd schema` for what can stand here"),
        }
    }

    /// serde's own text would show the value.
    fn invalid_type(_: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::new("a value of another type is expected", format!("write {expected}"))
    }

    fn invalid_value(_: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::new("the value cannot stand here", format!("write {expected}"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new("the value is not known here", format!("known here: {}", expected.join(", ")))
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.fix)
    }
}

impl std::error::Error for ReadError {}
