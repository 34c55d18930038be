//! Findings from what was looked at.

use forgetd_connector::{Cause, Finding, OnDelete, Severity, Step};

use crate::connector::Shared;

/// Tables above this many rows want an index on `since`.
const UNINDEXED_ROWS_MAX: u64 = 100_000;

/// What a look at the server and the table showed.
pub(super) struct Looked {
    pub(super) row_security: bool,
    pub(super) usage: bool,
    pub(super) select: bool,
    pub(super) delete: bool,
    pub(super) update: bool,
    pub(super) delete_rules: Vec<String>,
    pub(super) delete_triggers: Vec<String>,
    pub(super) track_counts: bool,
    pub(super) read_only: bool,
    /// Tables published with their deletes, and without a way to say which row went.
    pub(super) unidentified: Vec<String>,
    /// A table, and not one of the server's or our own.
    pub(super) ordinary: bool,
    pub(super) durable: bool,
}

// === impl Looked ===

impl Looked {
    /// Every finding, the ones that stop the rule first.
    pub(super) fn findings(&self, shared: &Shared, step: &Step, place: &str) -> Vec<Finding> {
        let mut findings = self.blocking(shared.database(), place);
        findings.extend(cascades(shared.database(), step, place));
        findings.extend(self.warnings(shared, step, place));
        findings
    }

    fn blocking(&self, database: &str, place: &str) -> Vec<Finding> {
        let mut findings = vec![];
        let mut block = |cause, place: &str, message: String| findings.push(Finding::blocks(cause, place, message));
        if !self.ordinary {
            block(
                Cause::TableKind,
                place,
                "the object is no plain table, or belongs to the server or to forgetd".into(),
            );
        }
        if self.read_only {
            block(Cause::ReadOnly, database, "the server, or this role's default, refuses writes".into());
        }
        if !self.track_counts {
            block(Cause::TrackCounts, database, "track_counts is off: effects cannot be compared".into());
        }
        if !self.usage {
            // The schema's own place: its tables' rules all say the same thing, once.
            let schema = place.rsplit_once('.').map_or(place, |(schema, _)| schema);
            block(Cause::Privilege, schema, "the role lacks USAGE on the schema".into());
        }
        for (granted, what) in [
            (self.select, "SELECT on the table"),
            (self.delete, "DELETE on the table"),
            (self.update, "UPDATE on one column, which FOR UPDATE SKIP LOCKED asks for"),
        ] {
            if !granted {
                block(Cause::Privilege, place, format!("the role lacks {what}"));
            }
        }
        if self.row_security {
            block(Cause::RowSecurity, place, "row security applies to the role: rows would be hidden from it".into());
        }
        for rule in &self.delete_rules {
            block(Cause::DeleteRule, place, format!("the rule {rule} rewrites deletes"));
        }
        for table in &self.unidentified {
            let message = format!("{table} is published with its deletes and has no replica identity");
            block(Cause::ReplicaIdentity, place, message);
        }
        findings
    }

    fn warnings(&self, shared: &Shared, step: &Step, place: &str) -> Vec<Finding> {
        let mut findings = vec![];
        let database = shared.database();
        for trigger in &self.delete_triggers {
            findings.push(warning(
                "trigger_before_delete",
                place.to_owned(),
                format!("the trigger {trigger} runs before each delete and can cancel it"),
                "make sure that it does not return NULL for rows that are due; a run that meets it ends blocked",
            ));
        }
        if let Some(since) = step.lead().map(|since| &since.column)
            && !step.table.leads_index(since)
            && step.table.rows_estimate.is_some_and(|rows| rows > UNINDEXED_ROWS_MAX)
        {
            findings.push(warning(
                "since_unindexed",
                format!("{place}.{since}"),
                "no index begins with the column: every run reads the whole table".into(),
                "create an index on the column if the table is large and little of it is due",
            ));
        }
        for key in step.table.referenced_by.iter().filter(|key| !key.indexed) {
            findings.push(warning(
                "child_unindexed",
                format!("{database}.{}", key.child),
                format!("no index serves the foreign key {}: every deleted row searches the whole table", key.name),
                "create an index on the referencing columns",
            ));
        }
        if !shared.link.target.is_local() && !shared.link.tls.is_verified() {
            findings.push(warning(
                "tls_unverified",
                database.to_owned(),
                format!("the connection is {}", shared.link.tls.words()),
                "write sslmode=verify-full, and sslrootcert if the server's CA is private",
            ));
        }
        if !self.durable {
            findings.push(warning(
                "weak_durability",
                database.to_owned(),
                "fsync or full_page_writes is off: a crash of the machine can lose commits and receipts".into(),
                "switch both on",
            ));
        }
        findings
    }
}

/// Cascades into tables that no rule allows to lose rows, and into the table itself.
fn cascades(database: &str, step: &Step, place: &str) -> Vec<Finding> {
    let refused = step.table.cascades_to().into_iter().filter(|table| !step.may_cascade.contains(table)).map(|table| {
        let message = format!("a delete from {} cascades to {table}, which has no rule", step.table.name);
        Finding::blocks(Cause::Cascade, format!("{database}.{table}"), message)
    });
    let own =
        step.table.referenced_by.iter().find(|key| key.child == step.table.name && key.on_delete == OnDelete::Cascade);
    let own = own.map(|key| {
        warning(
            "cascade_self",
            place.to_owned(),
            format!("the foreign key {} cascades inside the table: rows that are not due could go", key.name),
            "a batch in which that happens is rolled back as effect_differs; change the foreign key's action",
        )
    });
    refused.chain(own).collect()
}

fn warning(id: &str, place: String, message: String, fix: &str) -> Finding {
    Finding { id: id.into(), severity: Severity::Warning, place, message, fix: fix.into() }
}
