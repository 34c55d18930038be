//! What a case that transforms says.

use forgetd_connector::{Grain, Path, Value};
use jiff::Timestamp;

use crate::{Cell, Row};

/// What a rule writes into the rows of a case.
#[derive(Clone, Debug, PartialEq)]
pub struct TransformSpec {
    /// What happens where; a path stands once.
    pub places: Vec<PlaceSpec>,
    /// The column that says that a row is done.
    pub marker: Option<&'static str>,
    /// A column whose values must differ.
    pub unique: Option<&'static str>,
    /// Rows in which the values at a place are tokens of the rule's own key from the beginning.
    pub tokens: Vec<(i64, Path)>,
    /// What the application writes between two runs.
    pub edits: Vec<EditSpec>,
    /// Rows that the application adds between two runs.
    pub inserts: Vec<Row>,
    /// The moment of the later run.
    pub later: Timestamp,
}

/// One place.
#[derive(Clone, Debug, PartialEq)]
pub struct PlaceSpec {
    /// Where.
    pub path: Path,
    /// What.
    pub deed: Deed,
}

/// What happens to a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// A token stands in its place.
    Token(TokenForm),
    /// This stands in its place.
    Constant(Value),
    /// It becomes coarser.
    Coarser(Grain),
}

/// Forms of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenForm {
    /// A word.
    Text,
    /// An address of a mailbox.
    Email,
    /// A telephone number.
    Phone,
    /// Other digits.
    Digits,
    /// Other digits, the last one computed.
    Luhn,
    /// A network address.
    Ip,
    /// A UUID.
    Uuid,
    /// A number up to 2^31 - 1.
    Integer,
}

/// One column of one row that the application writes.
#[derive(Clone, Debug, PartialEq)]
pub struct EditSpec {
    /// The row.
    pub id: i64,
    /// The column.
    pub column: &'static str,
    /// What it writes.
    pub cell: Cell,
}

// === impl TokenForm ===

impl TokenForm {
    /// All of them.
    pub const ALL: &'static [Self] =
        &[Self::Text, Self::Email, Self::Phone, Self::Digits, Self::Luhn, Self::Ip, Self::Uuid, Self::Integer];

    /// As a case's file writes it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Digits => "digits",
            Self::Luhn => "luhn",
            Self::Ip => "ip",
            Self::Uuid => "uuid",
            Self::Integer => "integer",
        }
    }

    /// Whether a token of this form looks unlike other values.
    pub const fn shows(self) -> bool {
        matches!(self, Self::Text | Self::Email | Self::Ip | Self::Uuid)
    }
}
