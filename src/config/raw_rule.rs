//! Rules as they are written; see `raw` for what these structs are.

use schemars::JsonSchema;

use super::{
    raw::PeriodText,
    raw_since::RawSince,
    raw_transform::RawTransform,
    raw_where::RawWhere,
    read::{Field, TextOr},
};
use crate::rules::{LegalBasis, Mode, RowEvidence};

/// What holds for every rule that does not say otherwise. Rules that keep take from it what they know.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Defaults")]
pub(super) struct RawDefaults {
    /// When rules fire.
    pub(super) schedule: Field<TextOr<RawSchedule>>,
    /// The zone of `since` columns that name none, as `Area/City`; it does no harm to columns that hold instants. Months
    /// and days of `keep_for` are counted in it.
    pub(super) zone: Field<String>,
    /// The legal basis of keeping the data until then.
    pub(super) legal_basis: Field<LegalBasis>,
    /// Why the data is there at all.
    pub(super) purpose: Field<String>,
    /// What stops a run before it starts. A rule that sets one limit keeps the others from here.
    pub(super) guard: Field<RawGuard>,
    /// Where a run stops to go on in the next.
    pub(super) cap: Field<RawCap>,
    /// What it means that there is no moment to count from.
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
    /// The moment the period counts from: a column, or one of `{ column, zone, as }`, `{ greatest: [a, b] }` and
    /// `{ latest: { table, column, on }, or }`.
    pub(super) since: Field<TextOr<RawSince>>,
    /// What it means that there is no moment (NULL in the column, in all of `greatest`, or no activity): `keep`,
    /// `delete`, or, beside a single column, `{ use: column }`. Required where that can be.
    pub(super) when_null: Field<RawWhenNull>,
    /// What must hold beside the period. All rows of the table if left out.
    #[serde(rename = "where")]
    pub(super) condition: Field<RawWhere>,
    /// What must hold too, in the database's own SQL: the escape hatch for what `where` cannot say. It is taken as it is.
    pub(super) where_native: Field<String>,
    /// What happens: `delete` rows that are due, `{ transform: .. }` what they say about somebody, or `keep` rows that are not due, whatever other
    /// rules say.
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

/// What it means that there is no moment to count from.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "WhenNull")]
pub(super) enum RawWhenNull {
    /// The row is never due.
    Keep,
    /// The row is always due.
    Delete,
    /// This column counts instead; if it is NULL too, the row is kept. Only beside a single column.
    Use(String),
}

/// What happens to rows.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Action")]
pub(super) enum RawAction {
    /// Rows that are due go.
    Delete,
    /// Rows that are due stay, and what they say about somebody goes.
    Transform(Box<RawTransform>),
    /// Rows whose period is not over stay, whatever other rules say. Such a rule never runs.
    Keep,
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
    /// More than this many times the usual number of rows stop the run: above 1. Usual is the middle of the last 20 runs
    /// that deleted anything.
    pub(super) times_usual: Field<f64>,
    /// How long a new or changed rule waits before it acts without `forgetd approve`. `none`, for test environments:
    /// not at all. Default: 24h.
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
    /// A run does not begin later than this after its fire time: one that was missed for longer is skipped, with an entry. At
    /// least 1m. Default: none, and what was missed is caught up once, however late.
    pub(super) starting_deadline: Field<PeriodText>,
}
