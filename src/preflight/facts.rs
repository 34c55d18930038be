//! What a connection alone says. Pure.

use forgetd_connector::{Durability, Facts, Finding, Notice};

/// The server is of a kind that was never tested, and is worked with because the operator accepts it.
pub fn untested(facts: &Facts, database: &str) -> Option<Finding> {
    let title = facts.known.title();
    facts.known.is_untried().then(|| {
        Finding::warns(
            Notice::EngineUntested,
            database,
            format!("{title} was never tested with forgetd; it is worked with because of `unsupported_engine: accept`"),
            "try the policy on a copy of the data, compare what went with the plan, and keep `mode: observe` until then; \
             docs/engines.md says what is tested",
        )
    })
}

/// What is worth knowing about a server before any table is looked at.
pub fn of_facts(facts: &Facts, database: &str) -> Vec<Finding> {
    let mut findings: Vec<Finding> = untested(facts, database).into_iter().collect();
    if facts.durability == Durability::Weak {
        findings.push(Finding::warns(
            Notice::DurabilityWeak,
            database,
            "a commit, and the receipt in it, does not survive a crash of the machine",
            match facts.product.as_str() {
                "MySQL" | "MariaDB" | "Aurora MySQL" => {
                    "set innodb_flush_log_at_trx_commit and sync_binlog to 1, and see that innodb_doublewrite is on; evidence \
                     says so until then"
                }
                "MongoDB" | "FerretDB" | "Amazon DocumentDB" => {
                    "the server acknowledges a write concern that it cannot keep: see that what stands behind it (for FerretDB \
                     its PostgreSQL) writes through and is copied; evidence says so until then"
                }
                _ => "switch fsync and full_page_writes on; evidence says so until then",
            },
        ));
    }
    if let Some(pooler) = &facts.pooler {
        findings.push(Finding::informs(
            Notice::Pooled,
            database,
            format!("the connection goes through {pooler}; a batch takes two turns of the network instead of one"),
            "nothing to do; a direct connection is faster",
        ));
    }
    findings
}
