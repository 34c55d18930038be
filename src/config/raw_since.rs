//! `since` as it is written; see `raw` for what these structs are.

use forgetd_connector::SinceForm;
use schemars::JsonSchema;

use super::{
    raw::ByName,
    read::{Field, TextOr},
};

/// The moment a period counts from: one column, the greatest of several, or the latest activity in another table.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(
    rename = "Since",
    extend("oneOf" = [{ "required": ["column"] }, { "required": ["greatest"] }, { "required": ["latest"] }])
)]
pub(super) struct RawSince {
    /// The one column.
    pub(super) column: Field<String>,
    /// The latest of several columns, at least two, each as a name or as `{ column, zone, as }`. NULLs among them are
    /// ignored.
    #[schemars(extend("minItems" = 2))]
    pub(super) greatest: Field<Vec<Field<TextOr<RawMoment>>>>,
    /// The latest activity in another table of the same database.
    pub(super) latest: Field<RawLatest>,
    /// Beside `latest`: the column that counts where there is no activity, as a name or as `{ column, zone, as }`.
    pub(super) or: Field<TextOr<RawMoment>>,
    /// The zone of its times, as `Area/City`; required for dates and for times without a zone. Beside `greatest`, that
    /// of every column which names none. Default: `zone` of `defaults`.
    pub(super) zone: Field<String>,
    /// How it writes time, where its type does not tell (numbers and text). Beside `greatest`, for every column which
    /// does not say it.
    #[serde(rename = "as")]
    pub(super) form: Field<RawForm>,
}

/// A column that holds a moment.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Moment", extend("required" = ["column"]))]
pub(super) struct RawMoment {
    /// The column.
    pub(super) column: Field<String>,
    /// The zone of its times, as `Area/City`.
    pub(super) zone: Field<String>,
    /// How it writes time, where its type does not tell.
    #[serde(rename = "as")]
    pub(super) form: Field<RawForm>,
}

/// The latest moment among the rows of another table that belong to a row.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Latest", extend("required" = ["table", "column", "on"]))]
pub(super) struct RawLatest {
    /// The other table, as `name` or `schema.name`.
    pub(super) table: Field<String>,
    /// Its column that holds the moments. NULL there is no activity.
    pub(super) column: Field<String>,
    /// Which rows belong together: `{ their_column: own_column }`, all of which must be equal.
    #[schemars(extend("minProperties" = 1))]
    pub(super) on: Field<ByName<String>>,
    /// The zone of its times, as `Area/City`.
    pub(super) zone: Field<String>,
    /// How it writes time, where its type does not tell.
    #[serde(rename = "as")]
    pub(super) form: Field<RawForm>,
    /// In the wrong place; read to say so.
    #[schemars(skip)]
    pub(super) or: Field<TextOr<RawMoment>>,
}

/// How a column writes time.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "SinceForm")]
pub(super) enum RawForm {
    /// A date and time, as text `YYYY-MM-DD HH:MM:SS`.
    Timestamp,
    /// A date, as text `YYYY-MM-DD`.
    Date,
    /// Text in ISO 8601 with an offset or `Z`.
    Iso8601,
    /// Seconds since 1970-01-01T00:00:00Z.
    UnixS,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    UnixMs,
    /// A Julian day number with a fraction, in UTC: `julianday()` in SQLite.
    Julian,
    /// The moment in which an ObjectId was made: of documents alone.
    ObjectId,
}

// === impl RawForm ===

impl From<RawForm> for SinceForm {
    fn from(form: RawForm) -> Self {
        match form {
            RawForm::Timestamp => Self::Timestamp,
            RawForm::Date => Self::Date,
            RawForm::Iso8601 => Self::Iso8601,
            RawForm::UnixS => Self::UnixS,
            RawForm::UnixMs => Self::UnixMs,
            RawForm::Julian => Self::Julian,
            RawForm::ObjectId => Self::ObjectId,
        }
    }
}
