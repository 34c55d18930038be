//! What the server's settings and other sessions do to a run. Pure but for the statements.

use forgetd_connector::{Fault, Finding, Notice};
use tokio_postgres::Row;

use super::advice::About;
use crate::codec;
use crate::survey::get;

/// The role's statement_timeout in milliseconds, 0 for none; whether commits wait for a standby that is not there.
/// Standbys whose state the role may not see count as being there.
pub(super) const SETTINGS: &str = "\
select (select setting::int8 from pg_settings where name = 'statement_timeout'), \
  current_setting('synchronous_standby_names') <> '' and not exists (select from pg_stat_replication \
    where sync_state is null or sync_state in ('sync', 'quorum'))";

/// Whoever keeps the space of deleted rows from being used again: kind, name, for how many seconds. The oldest first.
pub(super) const HOLDERS: &str = "\
select h.kind, h.name, h.seconds from ( \
  select 'session' as kind, pid::text as name, extract(epoch from clock_timestamp() - xact_start)::int8 as seconds \
    from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() \
    and backend_type = 'client backend' and (backend_xmin is not null or backend_xid is not null) \
  union all \
  select 'prepared', gid, extract(epoch from clock_timestamp() - prepared)::int8 \
    from pg_prepared_xacts where database = current_database() \
  union all \
  select 'slot', slot_name::text, null from pg_replication_slots where xmin is not null and not active) h \
where h.seconds is null or h.seconds > 0 order by h.seconds desc nulls first, h.name limit 5";

/// A batch that ends later than this is ended by nobody but a failure.
const STATEMENT_MS_MIN: i64 = 5_000;

/// Transactions younger than this end by themselves.
const HELD_SECONDS_MAX: i64 = 3_600;

/// What was looked up.
#[derive(Debug, Default)]
pub(super) struct Server {
    statement_ms: i64,
    waits_for_standby: bool,
    holders: Vec<Holder>,
}

#[derive(Debug)]
struct Holder {
    kind: String,
    name: String,
    /// Absent: for as long as it is there.
    seconds: Option<i64>,
}

// === impl Server ===

impl Server {
    pub(super) fn read(row: &Row, holders: &[Row], place: &str) -> Result<Self, Fault> {
        let holder = |row: &Row| {
            Ok(Holder { kind: get(row, 0, place)?, name: get(row, 1, place)?, seconds: get(row, 2, place)? })
        };
        Ok(Self {
            statement_ms: get(row, 0, place)?,
            waits_for_standby: get(row, 1, place)?,
            holders: holders.iter().map(holder).collect::<Result<_, Fault>>()?,
        })
    }

    pub(super) fn findings(&self, about: &About<'_>) -> Vec<Finding> {
        let database = about.database;
        let mut findings = vec![];
        if (1..STATEMENT_MS_MIN).contains(&self.statement_ms) {
            let message = format!(
                "statement_timeout is {} ms for the role {}: a batch or a count may not end in time",
                self.statement_ms, about.role
            );
            let fix = format!("run `alter role {} set statement_timeout = '60s'`", codec::quote(about.role));
            findings.push(Finding::warns(Notice::StatementTimeoutShort, database, message, fix));
        }
        if self.waits_for_standby {
            let message = "commits wait for a synchronous standby, and none is there: every batch would wait for ever";
            let fix = "bring the standby back, or set `synchronous_standby_names` to those that are there";
            findings.push(Finding::warns(Notice::SynchronousStandbyMissing, database, message, fix));
        }
        findings.extend(self.holders.iter().filter_map(|holder| holder.finding(database)));
        findings
    }
}

// === impl Holder ===

impl Holder {
    fn finding(&self, database: &str) -> Option<Finding> {
        if self.seconds.is_some_and(|seconds| seconds <= HELD_SECONDS_MAX) {
            return None;
        }
        let Self { kind, name, .. } = self;
        let literal = codec::literal(name);
        let (who, fix) = match kind.as_str() {
            "session" => (
                format!("a transaction of the process {name}, open for more than an hour,"),
                format!("end it, or run `select pg_terminate_backend({name})`"),
            ),
            "prepared" => (
                format!("the prepared transaction {name}, more than an hour old,"),
                format!("run `commit prepared {literal}` or `rollback prepared {literal}`"),
            ),
            _ => (
                format!("the replication slot {name}, which nobody reads,"),
                format!("if nobody comes back for it, run `select pg_drop_replication_slot({literal})`"),
            ),
        };
        let message = format!("{who} keeps the space of deleted rows from being used again");
        Some(Finding::warns(Notice::VacuumHeldBack, database, message, fix))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::about;
    use super::{Holder, Server};

    #[test]
    fn what_is_short_missing_or_old_is_named() {
        let holder = |kind: &str, seconds| Holder { kind: kind.into(), name: "7".into(), seconds };
        let held = |holder| Server { holders: vec![holder], ..Server::default() };
        for (server, expected) in [
            (Server { statement_ms: 1, ..Server::default() }, Some("statement_timeout_short")),
            (Server { statement_ms: 4_999, ..Server::default() }, Some("statement_timeout_short")),
            (Server { statement_ms: 5_000, ..Server::default() }, None),
            (Server::default(), None),
            (Server { waits_for_standby: true, ..Server::default() }, Some("synchronous_standby_missing")),
            (held(holder("session", Some(3_600))), None),
            (held(holder("session", Some(3_601))), Some("vacuum_held_back")),
            (held(holder("prepared", Some(3_601))), Some("vacuum_held_back")),
            (held(holder("slot", None)), Some("vacuum_held_back")),
        ] {
            let found = about(|about| server.findings(about));
            let found: Vec<&str> = found.iter().map(|finding| finding.id.as_str()).collect();
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{server:?}");
        }
        let fix = |kind: &str| holder(kind, None).finding("crm").unwrap().fix;
        assert!(fix("session").contains("pg_terminate_backend(7)"));
        assert!(fix("prepared").contains("rollback prepared '7'"));
        assert!(fix("slot").contains("pg_drop_replication_slot('7')"));
    }
}
