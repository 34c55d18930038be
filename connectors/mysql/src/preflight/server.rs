//! What the server's settings, and those of the account's sessions, do to a run. Pure but for the statement.

use std::collections::BTreeMap;

use forgetd_connector::{Cause, Fault, Finding, Notice};
use mysql_async::Row;

use crate::answer::get;

/// Asked as a list, because to name a variable that the product does not have is an error.
pub(super) const SETTINGS: &str = "\
show variables where variable_name in ('read_only', 'super_read_only', 'innodb_read_only', 'log_bin', 'binlog_format', \
  'binlog_row_image', 'binlog_expire_logs_seconds', 'expire_logs_days', 'max_statement_time', 'max_execution_time', \
  'event_scheduler', 'wsrep_on', 'wsrep_max_ws_rows', 'wsrep_max_ws_size', 'group_replication_group_name', \
  'group_replication_transaction_size_limit', 'group_replication_enforce_update_everywhere_checks', \
  'innodb_native_foreign_keys')";

/// A batch that ends later than this is ended by nobody but a failure.
const STATEMENT_SECONDS_MIN: f64 = 5.0;

/// Names and values, as the session has them.
#[derive(Debug, Default)]
pub(super) struct Settings(BTreeMap<String, String>);

// === impl Settings ===

impl Settings {
    pub(super) fn read(rows: &[Row], place: &str) -> Result<Self, Fault> {
        let pair = |row: &Row| Ok((get::<String>(row, 0, place)?.to_lowercase(), get(row, 1, place)?));
        Ok(Self(rows.iter().map(pair).collect::<Result<_, Fault>>()?))
    }

    #[cfg(test)]
    pub(super) fn of(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
    }

    pub(super) fn value(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    pub(super) fn is_on(&self, name: &str) -> bool {
        matches!(self.value(name).to_uppercase().as_str(), "ON" | "1" | "NO_LOCK" | "NO_LOCK_NO_ADMIN")
    }

    fn number(&self, name: &str) -> f64 {
        self.value(name).parse().unwrap_or(0.0)
    }

    /// Whether rows are copied to other nodes that take writes themselves, or can be told to.
    pub(super) fn in_cluster(&self) -> bool {
        self.is_on("wsrep_on") || self.in_group()
    }

    /// Whether that is a replication group.
    pub(super) fn in_group(&self) -> bool {
        !self.value("group_replication_group_name").is_empty()
    }

    /// Whether the group takes no change of a table whose foreign keys act by themselves.
    pub(super) fn refuses_acting_keys(&self) -> bool {
        self.in_group() && self.is_on("group_replication_enforce_update_everywhere_checks")
    }

    /// Whether a statement opens the tables that reference the one it changes. Older servers leave that to InnoDB.
    pub(super) fn opens_children(&self) -> bool {
        self.value("innodb_native_foreign_keys").eq_ignore_ascii_case("OFF")
    }

    pub(super) fn findings(&self, database: &str) -> Vec<Finding> {
        let mut findings = vec![];
        findings.extend(self.reads_only(database));
        if self.is_on("log_bin") && self.value("binlog_format").eq_ignore_ascii_case("STATEMENT") {
            let message =
                "binlog_format is STATEMENT: the server writes no batch to the binary log that reads what is committed";
            let fix = "run `set global binlog_format = 'ROW'`, and set it in the server's configuration";
            findings.push(Finding::blocks(Cause::Unsupported, database, message).with_fix(fix));
        }
        findings.extend(self.short(database));
        findings.extend(self.logged(database));
        findings
    }

    /// A privileged account could write all the same, and replication would stop.
    fn reads_only(&self, database: &str) -> Option<Finding> {
        let name = ["super_read_only", "read_only", "innodb_read_only"].into_iter().find(|name| self.is_on(name))?;
        let message = format!("the server refuses writes ({name} is on)");
        let fix = "connect to the primary; if this is the one, switch it off there";
        Some(Finding::blocks(Cause::ReadOnly, database, message).with_fix(fix))
    }

    /// A cluster refuses larger transactions, which the largest batch of such rows would be. Such a batch is halved, and
    /// was for nothing.
    pub(super) fn limited(&self, row_bytes: u64, batch_rows_max: u32, place: &str) -> Option<Finding> {
        if !self.in_cluster() {
            return None;
        }
        let rows = |name: &'static str, bytes: u64| {
            let limit = self.value(name).parse::<u64>().ok().filter(|limit| *limit > 0)?;
            Some((limit / bytes.max(1), name))
        };
        let bytes = row_bytes.max(1);
        let limits = [
            rows("wsrep_max_ws_rows", 1),
            rows("wsrep_max_ws_size", bytes),
            rows("group_replication_transaction_size_limit", bytes),
        ];
        let (rows, name) = limits.into_iter().flatten().min().filter(|(rows, _)| *rows < u64::from(batch_rows_max))?;
        let message = format!("the cluster refuses transactions of more than about {rows} rows of the table ({name})");
        let fix = format!("set batch_rows_max to {} at most, or raise {name} on every node", rows.max(1));
        Some(Finding::warns(Notice::TransactionLimited, place, message, fix))
    }

    fn short(&self, database: &str) -> Option<Finding> {
        let limits = [("max_statement_time", 1.0, "s"), ("max_execution_time", 1_000.0, "ms")];
        let (name, _, unit) = limits.into_iter().find(|(name, second, _)| {
            let seconds = self.number(name) / second;
            seconds > 0.0 && seconds < STATEMENT_SECONDS_MIN
        })?;
        let message = format!(
            "{name} is {} {unit} in the account's sessions: a batch or a count may not end in time",
            self.number(name)
        );
        let fix = match name {
            "max_statement_time" => "give the account `with max_statement_time 60`, or raise it on the server",
            _ => "raise it on the server, or see that it is not set by `init_connect`",
        };
        Some(Finding::warns(Notice::StatementTimeoutShort, database, message, fix))
    }

    /// The log holds every value of a deleted row for as long as it is kept.
    fn logged(&self, database: &str) -> Option<Finding> {
        const DAY: f64 = 86_400.0;
        if !self.is_on("log_bin") || self.value("binlog_row_image").eq_ignore_ascii_case("MINIMAL") {
            return None;
        }
        let days = (self.number("binlog_expire_logs_seconds") / DAY).max(self.number("expire_logs_days"));
        let what = "the binary log keeps the values of deleted rows, and those before a transform";
        if days > 0.0 {
            let message = format!("{what}, for {days:.0} days");
            let fix = "nothing to do, if that is known; `binlog_row_image = minimal` keeps the keys alone";
            return Some(Finding::informs(Notice::BinlogKeepsRows, database, message, fix));
        }
        let message = format!("{what}, until somebody purges it");
        let fix = "run `set global binlog_expire_logs_seconds = 2592000`, and set it in the server's configuration";
        Some(Finding::warns(Notice::BinlogKeepsRows, database, message, fix))
    }
}

#[cfg(test)]
mod tests {
    use super::Settings;

    #[test]
    fn settings_that_stop_or_harm_a_run_are_named() {
        for (pairs, expected) in [
            (&[("read_only", "OFF"), ("log_bin", "OFF")][..], &[][..]),
            (&[("read_only", "ON")], &["read_only"]),
            (&[("read_only", "NO_LOCK")], &["read_only"]),
            (&[("read_only", "ON"), ("super_read_only", "ON")], &["read_only"]),
            (&[("innodb_read_only", "ON")], &["read_only"]),
            (&[("log_bin", "ON"), ("binlog_row_image", "MINIMAL"), ("binlog_format", "STATEMENT")], &["unsupported"]),
            (&[("log_bin", "OFF"), ("binlog_format", "STATEMENT")], &[]),
            (&[("log_bin", "ON"), ("binlog_expire_logs_seconds", "0")], &["binlog_keeps_rows"]),
            (&[("max_statement_time", "0.000000"), ("max_execution_time", "0")], &[]),
            (&[("max_statement_time", "4.5")], &["statement_timeout_short"]),
            (&[("max_statement_time", "5.0"), ("max_execution_time", "5000")], &[]),
            (&[("max_execution_time", "4999")], &["statement_timeout_short"]),
        ] {
            let settings = Settings::of(pairs);
            let found = settings.findings("crm");
            let found: Vec<&str> = found.iter().map(|finding| finding.id.as_str()).collect();
            assert_eq!(found, expected, "{pairs:?}");
        }
    }

    #[test]
    fn transactions_that_a_cluster_refuses_are_named() {
        let galera = |rows| [("wsrep_on", "ON"), ("wsrep_max_ws_rows", rows), ("wsrep_max_ws_size", "2147483647")];
        let group = [("group_replication_group_name", "g"), ("group_replication_transaction_size_limit", "150000000")];
        let alone = [("wsrep_on", "OFF"), ("wsrep_max_ws_rows", "1000")];
        for (pairs, row_bytes, batch_rows_max, named) in [
            (&galera("0")[..], 100, 50_000, None),
            (&galera("0"), 65_536, 50_000, Some("32767")),
            (&galera("0"), 65_536, 32_767, None),
            (&galera("1000"), 0, 1_001, Some("1000")),
            (&galera("1000"), 0, 1_000, None),
            (&alone, 0, 50_000, None),
            (&group, 10_000, 50_000, Some("15000")),
            (&group, 10_000, 15_000, None),
            (&group, 1_000, 50_000, None),
        ] {
            let settings = Settings::of(pairs);
            let found = settings.limited(row_bytes, batch_rows_max, "crm.d.lead");
            let said = named.is_none_or(|rows| found.as_ref().is_some_and(|found| found.message.contains(rows)));
            assert!(found.is_some() == named.is_some() && said, "{pairs:?} {row_bytes} {batch_rows_max} {found:?}");
        }
    }

    #[test]
    fn a_log_that_is_kept_for_ever_is_worse_than_one_that_is_not() {
        let settings = |seconds: &str| Settings::of(&[("log_bin", "ON"), ("binlog_expire_logs_seconds", seconds)]);
        let said = |seconds: &str| settings(seconds).logged("crm").unwrap();
        assert!(said("2592000").message.ends_with("for 30 days"));
        assert!(said("0").severity > said("2592000").severity);
    }
}
