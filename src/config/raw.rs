//! The daemon's settings as they are written. These structs are the configuration, its JSON Schema and its reference
//! documentation at once: a field's comment says why it is there, in which unit, and what holds without it.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::{
    raw_rule::{RawDefaults, RawRule},
    read::{Field, TextOr},
};

/// One configuration file: `forgetd.yaml`, or a file in `conf.d` beside it. Later files replace single settings of
/// earlier ones; rules add up.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Forgetd", title = "forgetd configuration")]
pub(super) struct RawFile {
    /// The version of this format: 1. Required in the main file.
    pub(super) version: Field<u32>,
    /// The name of this forgetd: all replicas that share one policy and one evidence log. It appears in evidence and
    /// metrics. Lower case letters, digits, `-`, `_` and `.`.
    pub(super) instance: Field<String>,
    /// How replicas agree on who acts: `{ lease: 15s }` (the default) or `none`, where only one process ever runs.
    pub(super) coordination: Field<RawCoordination>,
    /// The databases, by names of your choice.
    pub(super) databases: Field<ByName<RawDatabase>>,
    /// Where evidence goes and who signs it.
    pub(super) evidence: Field<RawEvidence>,
    /// What `forgetd serve` shows of itself.
    pub(super) http: Field<RawHttp>,
    /// The keys that tokens are made with; `forgetd keys new pseudonym` makes one. They come from files only; those of
    /// several files add up.
    pub(super) pseudonym_keys: Field<Vec<Field<RawPseudonymKey>>>,
    /// Who may approve what stops a rule, by their SSH keys. With any of them, an approval that is not signed approves
    /// nothing. They come from files only; those of several files add up.
    pub(super) approvers: Field<Vec<Field<RawApprover>>>,
    /// How many of the approvers must sign the same statement. It comes from files only. Default: 1.
    pub(super) approvals_required: Field<u32>,
    /// What holds for every rule that does not say otherwise.
    pub(super) defaults: Field<RawDefaults>,
    /// The rules. They come from files only, never from the environment.
    pub(super) rules: Field<Vec<Field<RawRule>>>,
}

/// How replicas agree on who acts.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Coordination")]
pub(super) enum RawCoordination {
    /// A process that starts takes over; the one before it ends.
    None,
    /// A lease of this length in the home database, renewed every third of it: from 1s to 10m.
    Lease(PeriodText),
}

/// One database.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Database", extend("required" = ["url"]))]
pub(super) struct RawDatabase {
    /// Where it is: `{ file: path }`, `{ env: NAME }`, `{ command: [program, argument] }`, or the URL itself if it holds no password
    /// (`postgres://app@db/crm`, `mysql://app@db/crm` or `mariadb://app@db/crm`, `mongodb://app@db/crm` or
    /// `mongodb+srv://app@db/crm`, `sqlite:/data/crm.db`; a relative path counts from the folder of the configuration file).
    pub(super) url: Field<TextOr<RawUrl>>,
    /// Whether it holds lease, approvals and, by default, the evidence log. Required on one of several databases.
    pub(super) home: Field<bool>,
    /// Where its control tables are. Default: `{ name: forgetd }`.
    pub(super) control: Field<RawControl>,
    /// How long a row lock of the application is waited for, in milliseconds. Default: 200.
    pub(super) lock_wait_ms: Field<u64>,
    /// Where the data is, in your words; it stands in evidence.
    pub(super) region: Field<String>,
    /// The most connections forgetd opens: one works and one keeps the lease; a third one is opened while a second lane helps
    /// with a large delete and nobody else is at work on the server. Default: 3.
    pub(super) max_connections: Field<u32>,
    /// How hard it may be worked.
    pub(super) throttle: Field<RawThrottle>,
    /// Where its replicas are, each written like `url`: they are asked how far they are behind. A PostgreSQL server knows its
    /// own standbys, so that only cascaded or logical ones are named there; MySQL and MariaDB know none.
    pub(super) replicas: Field<Vec<Field<TextOr<RawUrl>>>>,
    /// What to do where the server is a product that forgetd was never tested with: `refuse` (the default) or `accept`, which
    /// goes on and says so in `check`, in `status`, in each run's log and in the evidence. It changes nothing for products
    /// that cannot be worked with at all.
    pub(super) unsupported_engine: Field<RawUnsupportedEngine>,
}

/// Where a secret is. It never stands in the configuration itself.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Secret")]
pub(super) enum RawSecret {
    /// In this file; a relative path counts from the folder of the configuration file.
    File(String),
    /// In this environment variable.
    Env(String),
}

/// Where a URL is, or what makes it. It is read anew for each connection.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Url")]
pub(super) enum RawUrl {
    /// In this file; a relative path counts from the folder of the configuration file.
    File(String),
    /// In this environment variable.
    Env(String),
    /// This program prints it, within ten seconds: the program and its arguments, which no shell reads.
    Command(Vec<String>),
}

/// Where a database's control tables are.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Control")]
pub(super) enum RawControl {
    /// In the database itself: a schema of this name in PostgreSQL, a database of this name on the same server in MySQL,
    /// MariaDB and MongoDB, tables with this prefix in SQLite.
    Name(String),
    /// In another entry of `databases`, where this one may not have tables; it is then worked on by sealed batches.
    At(String),
}

/// What to do where the server is a product that forgetd was never tested with.
#[derive(Clone, Copy, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "UnsupportedEngine")]
pub(super) enum RawUnsupportedEngine {
    /// Say so, and do nothing there.
    Refuse,
    /// Say so, and go on.
    Accept,
}

/// How hard a database may be worked.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Throttle")]
pub(super) struct RawThrottle {
    /// The most rows one batch changes: from 1 to 100000. Default: 10000 where it deletes, 4000 where it transforms.
    pub(super) batch_rows_max: Field<u32>,
    /// How long a batch shall last, in milliseconds, from 1 to 10000: batches begin at 1000 rows and grow or shrink until they
    /// last about as long. Where nobody else is at work on a PostgreSQL, MySQL or MariaDB server they last six times as long,
    /// and a tenth of it where somebody is. Default: 25.
    pub(super) batch_ms_target: Field<u64>,
    /// The most rows that are changed in a second. Default: as many as go.
    pub(super) rows_per_second_max: Field<u32>,
    /// The share of the time, from 0.01 to 1, in which batches may be under way while others are at work on a PostgreSQL,
    /// MySQL or MariaDB server, or may be and the role is not shown it. Default: 0.05 on PostgreSQL, 0.025 on the
    /// other two, whose applications feel more of it. Where nobody else is, batches do not rest; 1 says that they never do.
    pub(super) share_beside_others: Field<f64>,
    /// How far a replica may be behind, in seconds, before batches wait. Default: 5, for every standby that a PostgreSQL
    /// server shows, the majority of a MongoDB set and every server in `replicas`; where it is written, standbys that the
    /// role cannot see hold batches back.
    pub(super) replica_lag_secs_max: Field<u64>,
    /// How much of its log a PostgreSQL server may keep for replication slots, in MiB, before batches wait. Default: 10240.
    pub(super) log_kept_mib_max: Field<u64>,
    /// How many sessions may be at work in the server, without ours, before batches wait. Default: any number.
    pub(super) active_sessions_max: Field<u64>,
    /// A signal of your own that makes batches wait.
    pub(super) veto: Field<RawVeto>,
    /// How long batches wait, in seconds, before their run stands back for the other rules of the database, to go on later.
    /// Default: 300.
    pub(super) pause_secs_max: Field<u64>,
    /// Hours in which nothing is started: a run ends with its batch and goes on afterwards, and a fire time waits.
    pub(super) quiet: Field<Vec<Field<RawQuiet>>>,
}

/// A signal that makes batches wait, read once a second. One that cannot be read makes them wait too.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Veto")]
pub(super) enum RawVeto {
    /// A statement with one value, run on the database: true, or a number that is not 0, makes them wait.
    Sql(String),
    /// An address (`http://` or `https://`): any answer but a success (2xx) makes them wait.
    Http(String),
}

/// Hours in which nothing is started in a database.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Quiet", extend("required" = ["from", "to"]))]
pub(super) struct RawQuiet {
    /// The time at which it begins: `"08:00"`.
    pub(super) from: Field<String>,
    /// The time at which it ends, up to `"24:00"`; on the next day where it is not later than `from`.
    pub(super) to: Field<String>,
    /// The days on which it begins, as in a schedule: `mon-fri`, `sat,sun`. Default: every day.
    pub(super) days: Field<String>,
    /// The zone of the times, as `Area/City`. Default: UTC.
    pub(super) zone: Field<String>,
}

/// Where evidence goes and who signs it.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Evidence")]
pub(super) struct RawEvidence {
    /// Where the log is kept: `{ database: name }` (default: the home database) or `{ dir: path }`.
    pub(super) store: Field<RawStore>,
    /// The log's name in checkpoints: a URL without a scheme that nobody else uses, for example
    /// `example.com/forgetd/shop-eu`. It must never change.
    pub(super) origin: Field<String>,
    /// The Ed25519 key that signs checkpoints; `forgetd keys new evidence` makes one.
    pub(super) signing_key: Field<RawSecret>,
    /// How long a receipt stays after the log covers it, in days or shorter units. Default: 30d.
    pub(super) receipt_keep: Field<PeriodText>,
    /// More pending receipts than this stop new batches. Default: 10000.
    pub(super) receipts_pending_max: Field<u64>,
    /// A place outside every database that remembers the newest checkpoint, so that a restored database is noticed.
    pub(super) remember: Field<RawRemember>,
}

/// What `forgetd serve` shows of itself: probes, metrics, a status page and the evidence log, all read-only.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Http")]
pub(super) struct RawHttp {
    /// The address and port it listens on, from the next start on. Default: `0.0.0.0:9878`.
    pub(super) listen: Field<String>,
}

/// Where the evidence log is kept.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Store")]
pub(super) enum RawStore {
    /// In the control tables of this entry of `databases`.
    Database(String),
    /// In this folder; only with `coordination: none`.
    Dir(String),
}

/// A place outside every database.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Remember", extend("required" = ["dir"]))]
pub(super) struct RawRemember {
    /// The folder; it must not be restored together with the databases.
    pub(super) dir: Field<String>,
}

/// A key that tokens are made with.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "PseudonymKey", extend("required" = ["id", "domain", "file"]))]
pub(super) struct RawPseudonymKey {
    /// Its name among the keys of its domain; it stands in evidence and must never change. Lower case letters, digits,
    /// `-`, `_` and `.`.
    pub(super) id: Field<String>,
    /// What its tokens are for: the same value becomes the same token wherever the domain is the same, and cannot be
    /// linked where it is another. Written like `id`.
    pub(super) domain: Field<String>,
    /// The key's file; a relative path counts from the folder of the configuration file.
    pub(super) file: Field<String>,
    /// The key that the file is wrapped with. Required for a wrapped one.
    pub(super) kek: Field<RawSecret>,
    /// From when new tokens are made with it, until a later key of the domain is active: a date (its midnight in UTC)
    /// or a time of RFC 3339. Default: since ever.
    pub(super) active_from: Field<String>,
}

/// Somebody who may approve.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Approver", extend("required" = ["name", "ssh_key"]))]
pub(super) struct RawApprover {
    /// The name that evidence shows. Lower case letters, digits, `-` and `_`.
    pub(super) name: Field<String>,
    /// The SSH public key, as in a .pub file: Ed25519, ECDSA P-256 or RSA. What follows the key in the line is ignored.
    pub(super) ssh_key: Field<String>,
}

/// A period as text: `30d`, `6mo`, `2y`, `15s`, `P30D`.
#[derive(Clone, Debug)]
pub(super) struct PeriodText(pub(super) String);

/// Entries by names that the operator chooses.
#[derive(Clone, Debug)]
pub(super) struct ByName<T>(pub(super) BTreeMap<String, Field<T>>);

// === impl PeriodText ===

impl<'de> Deserialize<'de> for PeriodText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PeriodVisitor)
    }
}

struct PeriodVisitor;

impl Visitor<'_> for PeriodVisitor {
    type Value = PeriodText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a period, for example 30d")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<PeriodText, E> {
        Ok(PeriodText(text.into()))
    }

    /// A bare number is refused by the period's own rule, with the same words as `"30"`.
    fn visit_i64<E: Error>(self, number: i64) -> Result<PeriodText, E> {
        Ok(PeriodText(number.to_string()))
    }
}

impl JsonSchema for PeriodText {
    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "description": "A period with its unit: 15s, 24h, 30d, 6mo, 2y, or ISO 8601 (P30D).",
            "type": "string",
            "examples": ["15s", "24h", "30d", "6mo", "2y", "P30D"],
        })
    }
}

// === impl ByName ===

impl<'de, T: Deserialize<'de>> Deserialize<'de> for ByName<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ByNameVisitor(std::marker::PhantomData))
    }
}

struct ByNameVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ByNameVisitor<T> {
    type Value = ByName<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<ByName<T>, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some((name, entry)) = access.next_entry()? {
            entries.insert(name, entry);
        }
        Ok(ByName(entries))
    }
}

impl<T: JsonSchema> JsonSchema for ByName<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}ByName", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let entry = generator.subschema_for::<T>();
        schemars::json_schema!({ "type": "object", "additionalProperties": entry })
    }
}
