//! Transforms as they are written; see `raw` for what these structs are.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{
    raw::{ByName, PeriodText},
    raw_where::RawWhere,
    read::{Field, TextOr},
};

/// What a rule that transforms writes into its rows.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Transform", extend("required" = ["columns"]))]
pub(super) struct RawTransform {
    /// What happens to which column, or to which place in a JSON column (`contact.email`, `items[].email`). NULL stays
    /// NULL, and nothing is created where a place is missing.
    #[schemars(extend("minProperties" = 1))]
    pub(super) columns: Field<ByName<RawTreatment>>,
    /// A column that is NULL until the row is done, and is set with the rest: a time, a truth value or an integer. Required where
    /// the outcome of a column cannot be told from other values (phone numbers, digits, integers).
    pub(super) marker: Field<String>,
    /// Of a collection, the path to a number that the application counts up whenever it writes a document, and that a
    /// transform counts up too. A statement then names the number that was read, and no value that it replaces. Default: the
    /// old values are compared.
    pub(super) version: Field<String>,
    /// How often all rows are looked at again and tokens are checked with their key, not only those that became due since
    /// the last clean run: from 1d. Default: 30d.
    pub(super) sweep: Field<PeriodText>,
    /// What happens where columns of other tables reference a transformed one: `refuse` (the default), or `follow`, where every
    /// one of those foreign keys changes them too (ON UPDATE CASCADE).
    pub(super) references: Field<RawReferences>,
}

/// What happens to one column. Exactly one of `pseudonymize`, `redact` and `generalize`.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(
    rename = "Treatment",
    extend("oneOf" = [{ "required": ["pseudonymize", "domain"] }, { "required": ["redact"] }, { "required": ["generalize"] }])
)]
pub(super) struct RawTreatment {
    /// A token made with the domain's key stands in the value's place: the same for the same value, in every database. In which form: `text`, `email`,
    /// `phone`, `digits`, `ip`, `uuid` or `integer`.
    pub(super) pseudonymize: Field<RawTokenKind>,
    /// Beside `pseudonymize`: whose key makes the token. Tokens of two domains cannot be linked.
    pub(super) domain: Field<String>,
    /// Beside `pseudonymize: digits`: what the last digit is computed by.
    pub(super) check_digit: Field<RawCheckDigit>,
    /// Beside `pseudonymize: integer`: the largest token. Default: what the column's type takes. Write it where the tokens of two databases shall be
    /// the same and their columns are of different types.
    pub(super) max: Field<i64>,
    /// The same value in every row: `null`, or a text, number or truth value.
    #[schemars(schema_with = "constant")]
    pub(super) redact: Field<RawWhere>,
    /// The same, but coarser: `day`, `month`, `quarter`, `year`, a network (`/24`), or one of `{ step }`, `{ prefix }` and `{ v4, v6 }`.
    pub(super) generalize: Field<TextOr<RawGrain>>,
}

/// How coarse a value becomes.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Grain")]
pub(super) struct RawGrain {
    /// A number becomes a multiple of this one: integers the next lower, others the nearest.
    pub(super) step: Field<f64>,
    /// A text becomes its first so many characters.
    pub(super) prefix: Field<u32>,
    /// An IPv4 address becomes its network of this length. Default beside `v6`: 24.
    pub(super) v4: Field<u32>,
    /// An IPv6 address becomes its network of this length. Default beside `v4`: 48.
    pub(super) v6: Field<u32>,
}

/// The form of a token.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "TokenKind")]
pub(super) enum RawTokenKind {
    /// 26 lower case letters and digits.
    Text,
    /// The same as an address that no mail reaches.
    Email,
    /// As many digits, a `+` before them where there was one.
    Phone,
    /// Another digit for each digit; all other characters stay.
    Digits,
    /// An address that nobody has.
    Ip,
    /// A UUID of version 8.
    Uuid,
    /// A positive number.
    Integer,
}

/// What the last digit is computed by.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "CheckDigit")]
pub(super) enum RawCheckDigit {
    /// ISO/IEC 7812-1, as on payment cards and many national numbers.
    Luhn,
}

/// What happens to columns that reference a transformed one.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "References")]
pub(super) enum RawReferences {
    /// The rule is refused.
    Refuse,
    /// They change too.
    Follow,
}

fn constant(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "The same value in every row: `null`, or a text, number or truth value.",
        "type": ["null", "string", "number", "boolean"],
    })
}
