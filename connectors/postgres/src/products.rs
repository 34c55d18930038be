//! Products that speak PostgreSQL's protocol.

use forgetd_connector::{Atomicity, FenceKind, Product, Sign, Trust};

/// No transaction of theirs holds a batch and its receipt.
const FOR_ANALYSIS: Trust = Trust::Impossible(
    "it is made for analysis or streams, and has not the transactions and row locks that a batch and its receipt need",
);

/// Each row lies on one of several servers.
const IN_SEGMENTS: Trust = Trust::Impossible(
    "its rows, and the counts of changed ones, lie in segments, so that what a batch did cannot be compared with what it announced",
);

/// Every product that is told from PostgreSQL, and what is left.
pub const PRODUCTS: &[Product] = &[
    told(
        "ShardingSphere",
        &[Sign::Word(&["ShardingSphere"])],
        Trust::Impossible(
            "it answers in the name of several servers, and one transaction over them is not atomic: give each server behind it an entry of its own",
        ),
        "",
    ),
    told(
        "CockroachDB",
        &[Sign::Word(&["CockroachDB"])],
        Trust::Impossible(
            "it counts no changed rows by table inside a transaction, and its rows have no physical ids, so that what a batch did cannot be compared with what it announced",
        ),
        "",
    ),
    told(
        "YugabyteDB",
        &[Sign::Word(&["-YB-"])],
        Trust::Impossible("its rows have no physical ids, by which locked rows are passed over and transforms write"),
        "",
    ),
    told("Greenplum", &[Sign::Word(&["Greenplum"])], IN_SEGMENTS, ""),
    told("Apache Cloudberry", &[Sign::Word(&["Cloudberry"])], IN_SEGMENTS, ""),
    told("Amazon Redshift", &[Sign::Word(&["Redshift"])], FOR_ANALYSIS, ""),
    told("Materialize", &[Sign::Word(&["Materialize"])], FOR_ANALYSIS, ""),
    told("RisingWave", &[Sign::Word(&["RisingWave"])], FOR_ANALYSIS, ""),
    told("QuestDB", &[Sign::Word(&["QuestDB"])], FOR_ANALYSIS, ""),
    told("CrateDB", &[Sign::Word(&["CrateDB"])], FOR_ANALYSIS, ""),
    told(
        "Aurora DSQL",
        &[Sign::Host(&[".on.aws"])],
        Trust::Impossible(
            "it compares what transactions wrote when they commit, so that a fence which is only locked keeps nobody out",
        ),
        "",
    ),
    told(
        "Aurora PostgreSQL",
        &[Sign::Function("aurora_version")],
        Trust::Untried,
        "Name the cluster's writer endpoint: a reader answers `read_only`.",
    ),
    told(
        "Citus",
        &[Sign::Extension("citus")],
        Trust::Untried,
        "Tables that lie on the coordinator alone. A distributed table's rows are counted on its workers: batches there roll back with `effect_differs`.",
    ),
    told("EDB Postgres Advanced Server", &[Sign::Word(&["EnterpriseDB"])], Trust::Untried, ""),
    told("AlloyDB", &[Sign::Setting("alloydb.iam_authentication")], Trust::Untried, ""),
    told("Neon", &[Sign::Setting("neon.timeline_id")], Trust::Untried, ""),
    told(
        "PostgreSQL",
        &[Sign::Begins("PostgreSQL ")],
        Trust::Tested { every_build: "15 (Debian stable)", long_form: "13 to 18" },
        "Version 13 or later. Through a pooler in transaction mode as well: PgBouncer 1.18 is tested in every build. A pooler is told by the number of the server's process, and not by its name.",
    ),
    Product {
        name: "a server of PostgreSQL's protocol",
        form: "that does not call itself PostgreSQL",
        signs: &[],
        trust: Trust::Untried,
        atomicity: Atomicity::Atomic,
        fence: FenceKind::Lock,
        note: "",
    },
];

/// One whose batches are atomic, behind a fence that is locked.
const fn told(name: &'static str, signs: &'static [Sign], trust: Trust, note: &'static str) -> Product {
    Product { name, form: "", signs, trust, atomicity: Atomicity::Atomic, fence: FenceKind::Lock, note }
}
