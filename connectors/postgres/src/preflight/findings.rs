//! Findings from what was looked at. Pure.

use forgetd_connector::{Cause, Finding, Notice, Step, TableRef};

use super::looked::Looked;
use super::statements::{listed, update_grant};
use super::triggers::Event;
use crate::codec;
use crate::connect::Link;
use crate::query::table_name;

// === impl Looked ===

impl Looked {
    /// Every finding, the ones that stop the rule first.
    pub(super) fn findings(&self, step: &Step, database: &str) -> Vec<Finding> {
        let table = &step.table.name;
        let place = format!("{database}.{table}");
        let mut findings = self.of_the_server(database);
        findings.extend(self.privileges(step, database));
        let event = Event::of(step);
        findings.extend(self.of_the_table(table, event, database));
        findings.extend(self.triggers.iter().flat_map(|trigger| trigger.findings(event, table, &place)));
        findings
    }

    fn of_the_server(&self, database: &str) -> Vec<Finding> {
        let mut findings = vec![];
        let role = codec::quote(&self.role);
        if self.standby {
            findings.push(Finding::blocks(Cause::ReadOnly, database, "the server is a standby and refuses writes"));
        } else if self.only_reads {
            let message = format!("default_transaction_read_only is on for the role {}", self.role);
            let fix = format!(
                "run `alter role {role} set default_transaction_read_only = off`, if the role is forgetd's own"
            );
            findings.push(Finding::blocks(Cause::ReadOnly, database, message).with_fix(fix));
        }
        if self.replica {
            let message = format!(
                "session_replication_role is replica for the role {}: a change would look after no foreign key and no trigger",
                self.role
            );
            let fix =
                format!("run `alter role {role} reset session_replication_role`, and see that the database sets none");
            findings.push(Finding::blocks(Cause::Unsupported, database, message).with_fix(fix));
        }
        if !self.track_counts {
            let message = "track_counts is off: what a change did cannot be compared with what was announced";
            let fix = "run `alter system set track_counts = on` and `select pg_reload_conf()`; see that neither the \
                       database nor the role has it off";
            findings.push(Finding::blocks(Cause::TrackCounts, database, message).with_fix(fix));
        }
        findings
    }

    fn privileges(&self, step: &Step, database: &str) -> Vec<Finding> {
        let mut findings = vec![];
        let table = &step.table.name;
        let role = codec::quote(&self.role);
        if let (false, Some(schema)) = (self.usage, &table.schema) {
            // The schema's own place: its tables' rules all say the same thing, once.
            let message = format!("the role {} lacks USAGE on the schema {schema}", self.role);
            let fix = format!("run `grant usage on schema {} to {role}`", codec::quote(schema));
            findings.push(Finding::blocks(Cause::Privilege, format!("{database}.{schema}"), message).with_fix(fix));
        }
        let mut missing = vec![];
        missing.extend((!self.select).then_some("SELECT"));
        missing.extend((!self.delete && step.rewrite().is_none()).then_some("DELETE"));
        let place = format!("{database}.{table}");
        if !missing.is_empty() {
            let message = format!("the role {} lacks {} on the table", self.role, missing.join(" and "));
            let list = missing.join(", ").to_lowercase();
            let fix = format!("run `grant {list} on table {} to {role}`", table_name(table));
            findings.push(Finding::blocks(Cause::Privilege, &place, message).with_fix(fix));
        }
        if step.rewrite().is_some() {
            findings.extend(self.unwritable(table, &place));
        } else if !self.update {
            let message = format!(
                "the role {} lacks UPDATE on any column, which FOR UPDATE SKIP LOCKED asks for; nothing is updated",
                self.role
            );
            let fix = format!("run `{}`", update_grant(step, &self.role));
            findings.push(Finding::blocks(Cause::Privilege, place, message).with_fix(fix));
        }
        findings
    }

    fn unwritable(&self, table: &TableRef, place: &str) -> Option<Finding> {
        if self.unwritable.is_empty() {
            return None;
        }
        let message = format!("the role {} lacks UPDATE on {}", self.role, listed(&self.unwritable));
        let columns: Vec<String> = self.unwritable.iter().map(|name| codec::quote(name)).collect();
        let (columns, role) = (columns.join(", "), codec::quote(&self.role));
        let fix = format!("run `grant update ({columns}) on table {} to {role}`", table_name(table));
        Some(Finding::blocks(Cause::Privilege, place, message).with_fix(fix))
    }

    fn of_the_table(&self, table: &TableRef, event: Event, database: &str) -> Vec<Finding> {
        let mut findings = vec![];
        let place = format!("{database}.{table}");
        if !self.ordinary {
            let message = "the table is one of the server's own or of forgetd's";
            findings.push(Finding::blocks(Cause::TableKind, &place, message).with_fix("take it out of the policy"));
        }
        if self.row_security {
            findings.push(self.row_security(table, &place));
        }
        findings.extend(self.of_children(table, &place));
        for rule in &self.rules {
            let message = format!("the rule {rule} rewrites {}s", event.word());
            let fix = format!(
                "run `drop rule {} on {}`, or take the table out of the policy",
                codec::quote(rule),
                table_name(table)
            );
            findings.push(Finding::blocks(Cause::DeleteRule, &place, message).with_fix(fix));
        }
        for (schema, name) in &self.unidentified {
            let table = TableRef { schema: Some(schema.clone()), name: name.clone() };
            let message = format!("{table} is published with its {}s and has no replica identity", event.word());
            let fix = format!(
                "give the table a primary key, or run `alter table {} replica identity full`",
                table_name(&table)
            );
            findings
                .push(Finding::blocks(Cause::ReplicaIdentity, format!("{database}.{table}"), message).with_fix(fix));
        }
        findings
    }

    /// Rows of tables that inherit from this one are theirs.
    fn of_children(&self, table: &TableRef, place: &str) -> Option<Finding> {
        let children = listed(&self.children);
        let fix = format!("write rules for those whose rows are to go: {children}");
        match (self.hollow, self.children.is_empty()) {
            (true, _) => {
                let message = format!("{table} itself holds no row: they lie in tables that inherit from it");
                Some(Finding::blocks(Cause::TableKind, place, message).with_fix(fix))
            }
            (false, true) => None,
            (false, false) => {
                let message = format!("rows of tables that inherit from {table} are not touched");
                Some(Finding::informs(Notice::ChildrenNotTouched, place, message, fix))
            }
        }
    }

    fn row_security(&self, table: &TableRef, place: &str) -> Finding {
        let bypass = format!("run `alter role {} bypassrls`", codec::quote(&self.role));
        let (why, fix) = if self.forced {
            let unforce = format!("alter table {} no force row level security", table_name(table));
            ("is forced on the table's owner", format!("{bypass}, or `{unforce}`"))
        } else {
            ("applies to the role", format!("{bypass}: a policy that shows every row today may not do so tomorrow"))
        };
        let message = format!("row security {why}, {}: rows could be hidden from it", self.role);
        Finding::blocks(Cause::RowSecurity, place, message).with_fix(fix)
    }
}

/// A connection to another machine whose certificate is not checked.
pub(super) fn tls(link: &Link, database: &str) -> Option<Finding> {
    if link.target.is_local() || link.tls.is_verified() {
        return None;
    }
    Some(Finding::warns(
        Notice::TlsUnverified,
        database,
        format!("the connection is {}", link.tls.words()),
        "write sslmode=verify-full in the URL, and sslrootcert if the server's CA is private",
    ))
}

#[cfg(test)]
mod tests {
    use super::Looked;

    #[test]
    fn a_standby_is_no_role_that_only_reads() {
        for (standby, only_reads, expected) in [
            (true, true, Some("the server is a standby and refuses writes")),
            (true, false, Some("the server is a standby and refuses writes")),
            (false, true, Some("default_transaction_read_only is on for the role r")),
            (false, false, None),
        ] {
            let looked = Looked { standby, only_reads, track_counts: true, role: "r".into(), ..Looked::default() };
            let found = looked.of_the_server("crm");
            let messages: Vec<&str> = found.iter().map(|finding| finding.message.as_str()).collect();
            assert_eq!(messages, expected.into_iter().collect::<Vec<_>>());
        }
    }
}
