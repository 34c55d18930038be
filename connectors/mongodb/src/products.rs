//! Products that speak MongoDB's protocol.

use forgetd_connector::{Atomicity, FenceKind, Product, Sign, Trust};

/// Whether it is MongoDB's own program, which says what it was built with; those who imitate it leave one of them out.
const OWN: [Sign; 2] = [Sign::Build("storageEngines"), Sign::Build("gitVersion")];

/// Every product that is told from MongoDB, and what is left.
pub const PRODUCTS: &[Product] = &[
    told("Azure Cosmos DB for MongoDB", &[Sign::Host(&[".mongo.cosmos.azure.com"])], Trust::Untried),
    told("Azure DocumentDB", &[Sign::Host(&[".cosmos.azure.com"])], Trust::Untried),
    told("Firestore", &[Sign::Host(&[".firestore.goog"])], Trust::Untried),
    told("Oracle Database API for MongoDB", &[Sign::Host(&[".oraclecloudapps.com"])], Trust::Untried),
    Product {
        note: "Version 2.0 or later.",
        ..told(
            "FerretDB",
            &[Sign::Build("ferretdb")],
            Trust::Tested { every_build: "2.7 over PostgreSQL 18 with documentdb", long_form: "" },
        )
    },
    told(
        "Amazon DocumentDB",
        &[Sign::Host(&[".docdb.amazonaws.com", ".docdb-elastic.amazonaws.com", ".docdb.amazonaws.com.cn"])],
        Trust::Untried,
    ),
    Product {
        form: "sharded, through mongos",
        note: "Every change names the shard key; that was tried on the shards of documentdb below FerretDB.",
        ..told("MongoDB", &[Sign::Greets("isdbgrid"), OWN[0], OWN[1]], Trust::Untried)
    },
    Product {
        note: "Version 4.2 or later, alone or as a replica set.",
        ..told("MongoDB", &OWN, Trust::ByProtocol("FerretDB"))
    },
    Product { form: "that is no product known", ..told("a server of MongoDB's protocol", &[], Trust::Untried) },
];

/// One whose batches are sealed, behind a fence that is changed.
const fn told(name: &'static str, signs: &'static [Sign], trust: Trust) -> Product {
    Product { name, form: "", signs, trust, atomicity: Atomicity::Sealed, fence: FenceKind::Write, note: "" }
}
