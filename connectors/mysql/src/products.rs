//! Products that speak MySQL's protocol.

use forgetd_connector::{Atomicity, FenceKind, Product, Sign, Trust};

/// No transaction of theirs holds a batch and its receipt.
const FOR_ANALYSIS: Trust = Trust::Impossible(
    "it is made for analysis or search, and has not the transactions and row locks that a batch and its receipt need",
);

/// They answer in the name of several servers.
const SPREADS: Trust = Trust::Impossible(
    "it answers in the name of several servers, and one transaction over them is not atomic: give each server behind it an entry of its own",
);

/// Every product that is told from MySQL, and what is left.
pub const PRODUCTS: &[Product] = &[
    told("ShardingSphere", &[Sign::Word(&["ShardingSphere"])], SPREADS),
    told("Vitess", &[Sign::Word(&["Vitess"])], SPREADS),
    told("PlanetScale", &[Sign::Word(&["PlanetScale"])], SPREADS),
    told("MyCat", &[Sign::Word(&["mycat"])], SPREADS),
    told("dble", &[Sign::Word(&["-dble-"])], SPREADS),
    told(
        "ProxySQL's console",
        &[Sign::Word(&["ProxySQL Admin"])],
        Trust::Impossible("it is no database: name the port at which ProxySQL passes statements on"),
    ),
    told(
        "TiDB",
        &[Sign::Word(&["TiDB"])],
        Trust::Impossible("it has no JSON_TABLE, in which the keys of a batch travel, and passes over no locked row"),
    ),
    told(
        "Dolt",
        &[Sign::Word(&["Dolt"])],
        Trust::Impossible("it keeps what is deleted in the history of its commits, and locks no rows"),
    ),
    told("SingleStore", &[Sign::Word(&["SingleStore", "MemSQL"])], FOR_ANALYSIS),
    told("MariaDB ColumnStore", &[Sign::Word(&["ColumnStore"])], FOR_ANALYSIS),
    told("StarRocks", &[Sign::Word(&["StarRocks"])], FOR_ANALYSIS),
    told("Apache Doris", &[Sign::Word(&["Doris"])], FOR_ANALYSIS),
    told("Databend", &[Sign::Word(&["Databend"])], FOR_ANALYSIS),
    told("ClickHouse", &[Sign::Word(&["ClickHouse"])], FOR_ANALYSIS),
    told("Manticore", &[Sign::Word(&["Manticore"])], FOR_ANALYSIS),
    told("CrateDB", &[Sign::Word(&["CrateDB"])], FOR_ANALYSIS),
    told("MatrixOne", &[Sign::Word(&["MatrixOne"])], Trust::Untried),
    told("OceanBase", &[Sign::Word(&["OceanBase"])], Trust::Untried),
    told("MariaDB Xpand", &[Sign::Word(&["Xpand"])], Trust::Untried),
    Product {
        note: "Name the cluster's writer endpoint: a reader answers `read_only`.",
        ..told("Aurora MySQL", &[Sign::Setting("aurora_version")], Trust::Untried)
    },
    Product {
        form: "Galera",
        note: "Every node takes writes and compares at commit: each batch changes its fence.",
        ..told(
            "MariaDB",
            &[Sign::Word(&["MariaDB"]), Sign::Setting("wsrep_on")],
            Trust::Tested { every_build: "three nodes of 10.11 with Galera 26.4", long_form: "" },
        )
    },
    Product {
        fence: FenceKind::Lock,
        note: "Version 10.6 or later. How the server reads JSON is asked before each run: 10.11.5 is refused, and 11.4.5 for rules that compare texts inside JSON, where it loses characters of four bytes.",
        ..told(
            "MariaDB",
            &[Sign::Word(&["MariaDB"])],
            Trust::Tested { every_build: "10.11 (Debian stable)", long_form: "11.4.5; that 10.11.5 is refused" },
        )
    },
    Product { form: "Galera: Percona XtraDB Cluster", ..told("MySQL", &[Sign::Setting("wsrep_on")], Trust::Untried) },
    Product {
        form: "Group Replication, InnoDB Cluster",
        note: "Whether one member takes writes or all: each batch changes its fence.",
        ..told(
            "MySQL",
            &[Sign::Setting("group_replication_group_name")],
            Trust::Tested { every_build: "", long_form: "three members of 9.7 that all take writes" },
        )
    },
    Product {
        fence: FenceKind::Lock,
        note: "Version 8.0.19 or later; no 8.x could be had for the tests. Builds of MySQL that do not differ in what they promise (Percona Server, managed ones) are taken for it. \
               Through ProxySQL and MaxScale as well, as far as they pass statements on: they are told by the number of the session, and ProxySQL by its name.",
        ..told("MySQL", &[], Trust::Tested { every_build: "9.7 (Debian unstable)", long_form: "" })
    },
];

/// One whose batches are atomic. Where nothing is known of its locks the fence is changed, which holds with locks and without.
const fn told(name: &'static str, signs: &'static [Sign], trust: Trust) -> Product {
    Product { name, form: "", signs, trust, atomicity: Atomicity::Atomic, fence: FenceKind::Write, note: "" }
}
