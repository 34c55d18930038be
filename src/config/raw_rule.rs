//! Rules as they are written; see `raw` for what these structs are.

use forgetd_connector::SinceForm;
use schemars::JsonSchema;

use super::{
    literal::RawWhere,
    raw::PeriodText,
    read::{Field, TextOr},
};
use crate::rules::{LegalBasis, Mode, RowEvidence};

/// What holds for every rule that does not say otherwise.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Defaults")]
pub(super) struct RawDefaults {
    /// When rules fire.
    pub(super) schedule: Field<TextOr<RawSchedule>>,
    /// The legal basis of keeping the data until then.
    pub(super) legal_basis: Field<LegalBasis>,
    /// Why the data is there at all.
    pub(super) purpose: Field<String>,
    /// What stops a run before it starts. A rule that sets one limit keeps the others from here.
    pub(super) guard: Field<RawGuard>,
    /// Where a run stops to go on in the next.
    pub(super) cap: Field<RawCap>,
    /// What NULL in `since` means.
    pub(super) when_null: Field<RawWhenNull>,
    /// Whether rules act.
    pub(super) mode: Field<Mode>,
    /// What evidence says about single rows.
    pub(super) evidence: Field<RawRuleEvidence>,
}

/// One table, what is due in it, and what happens then.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Rule", extend("required" = ["name", "table", "keep_for", "since", "action"]))]
pub(super) struct RawRule {
    /// Its name in evidence and metrics, unique in all files: lower case letters, digits, `-` and `_`.
    pub(super) name: Field<String>,
    /// The entry of `databases` it works on; may be left out where there is only one.
    pub(super) database: Field<String>,
    /// The table, as `name` or `schema.name`; a dot inside a name is written `\.`.
    pub(super) table: Field<String>,
    /// Why the data is there at all, in words; it stands in evidence.
    pub(super) purpose: Field<String>,
    /// The legal basis of keeping the data until then (Article 6(1) GDPR).
    pub(super) legal_basis: Field<LegalBasis>,
    /// How long a row is kept after its `since`: calendar arithmetic, so `6mo` are six months and not 180 days.
    pub(super) keep_for: Field<PeriodText>,
    /// The column that holds the moment the period counts from, or `{ column, zone, as }`.
    pub(super) since: Field<TextOr<RawSince>>,
    /// What NULL in `since` means: `keep`, `delete`, or `{ use: column }`. Required where the column can be NULL.
    pub(super) when_null: Field<RawWhenNull>,
    /// What must hold beside the period. All rows of the table if left out.
    #[serde(rename = "where")]
    pub(super) condition: Field<RawWhere>,
    /// What happens to rows that are due: `delete`.
    pub(super) action: Field<RawAction>,
    /// `observe` (the default) looks and reports; `enforce` acts.
    pub(super) mode: Field<Mode>,
    /// Where a run stops to go on in the next.
    pub(super) cap: Field<RawCap>,
    /// What stops a run before it starts, with zero rows changed.
    pub(super) guard: Field<RawGuard>,
    /// What evidence says about single rows.
    pub(super) evidence: Field<RawRuleEvidence>,
    /// When the rule fires.
    pub(super) schedule: Field<TextOr<RawSchedule>>,
}

/// The moment a period counts from.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Since", extend("required" = ["column"]))]
pub(super) struct RawSince {
    /// The column.
    pub(super) column: Field<String>,
    /// The zone of its times, as `Area/City`; required for dates and for times without a zone.
    pub(super) zone: Field<String>,
    /// How it writes time, where its type does not tell (numbers and text).
    #[serde(rename = "as")]
    pub(super) form: Field<RawForm>,
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
}

/// What NULL in `since` means.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "WhenNull")]
pub(super) enum RawWhenNull {
    /// The row is never due.
    Keep,
    /// The row is always due.
    Delete,
    /// This column counts instead; if it is NULL too, the row is kept.
    Use(String),
}

/// What happens to rows that are due.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Action")]
pub(super) enum RawAction {
    /// They go.
    Delete,
}

/// Where a run stops to go on in the next.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Cap")]
pub(super) struct RawCap {
    /// The most rows one run changes; at least 1.
    pub(super) rows_per_run: Field<u64>,
}

/// What stops a run before it starts, with zero rows changed.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Guard")]
pub(super) struct RawGuard {
    /// More due rows than this stop the run.
    pub(super) rows_max: Field<u64>,
    /// A larger share of the table than this stops the run: above 0, up to 1.
    pub(super) share_max: Field<f64>,
    /// How long a changed rule waits before it acts, unless it is approved.
    pub(super) cool_off: Field<PeriodText>,
}

/// What evidence says about single rows.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "RuleEvidence")]
pub(super) struct RawRuleEvidence {
    /// `counts` (the default): how many went. `commitments`: also a keyed commitment for each key, kept privately.
    pub(super) rows: Field<RowEvidence>,
}

/// When a rule fires.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Schedule", extend("required" = ["cron"]))]
pub(super) struct RawSchedule {
    /// Five fields (minute, hour, day of month, month, day of week; 0 and 7 are Sunday) or `@hourly`, `@daily`,
    /// `@weekly`, `@monthly`, `@yearly`.
    pub(super) cron: Field<String>,
    /// The zone the fields are read in, as `Area/City`. Default: UTC.
    pub(super) zone: Field<String>,
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
        }
    }
}
