//! What a replication group takes no change of. It looks at every table that the server opens for a statement that writes:
//! the step's own, and, where foreign keys are not left to InnoDB, those that reference it. Pure.

use forgetd_connector::{Cause, Fault, Finding, Step, TableRef};
use mysql_async::Row;

use super::server::Settings;
use super::statements::deleted_with;
use crate::answer::get;

/// A foreign key that changes the rows of its own table when those it points at change.
#[derive(Debug)]
pub(super) struct ActingKey {
    /// The number of its table among those that were asked about.
    at: usize,
    name: String,
}

// === impl ActingKey ===

impl ActingKey {
    pub(super) fn read(row: &Row, place: &str) -> Result<Self, Fault> {
        Ok(Self { at: get(row, 0, place)?, name: get(row, 1, place)? })
    }

    /// Whether it acts along when the step's rows change, whoever looks after foreign keys.
    fn concerns(&self, table: &TableRef, step: &Step) -> bool {
        *table == step.table.name
            || step.table.referenced_by.iter().any(|key| key.child == *table && key.name == self.name)
    }
}

/// Foreign keys for which the group refuses the step's statements; `tables` are those that were asked about.
pub(super) fn acting(
    keys: &[ActingKey],
    tables: &[TableRef],
    step: &Step,
    settings: &Settings,
    database: &str,
) -> Vec<Finding> {
    if !settings.refuses_acting_keys() {
        return vec![];
    }
    let refused = |key: &ActingKey| {
        let table = tables.get(key.at)?;
        if !settings.opens_children() && !key.concerns(table, step) {
            return None;
        }
        let message = format!(
            "the foreign key {} of {table} acts on rows by itself, and group replication takes no change that opens such a \
             table",
            key.name
        );
        let fix = "give the foreign key the action NO ACTION, or let the group have one primary";
        Some(Finding::blocks(Cause::Unsupported, format!("{database}.{table}"), message).with_fix(fix))
    };
    keys.iter().filter_map(refused).collect()
}

/// The tables beside the step's own that need a key for the group's or the cluster's sake.
pub(super) fn to_be_keyed(tables: &[TableRef], step: &Step, settings: &Settings) -> Vec<TableRef> {
    if settings.in_group() && settings.opens_children() {
        tables.iter().filter(|table| **table != step.table.name).cloned().collect()
    } else {
        deleted_with(step)
    }
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{ForeignKey, OnDelete, TableRef};

    use super::super::server::Settings;
    use super::super::testing::step;
    use super::{ActingKey, acting, to_be_keyed};

    fn settings(checks: &str, native: Option<&str>) -> Settings {
        let mut pairs =
            vec![("group_replication_group_name", "g"), ("group_replication_enforce_update_everywhere_checks", checks)];
        pairs.extend(native.map(|native| ("innodb_native_foreign_keys", native)));
        Settings::of(&pairs)
    }

    #[test]
    fn a_group_of_primaries_takes_no_foreign_key_that_acts() {
        let tables = ["d.lead", "d.call"].map(TableRef::parse);
        let mut step = step("d.lead");
        step.table.referenced_by.push(ForeignKey {
            name: "to_lead".into(),
            child: TableRef::parse("d.call"),
            child_columns: vec![],
            parent: TableRef::parse("d.lead"),
            parent_columns: vec![],
            on_delete: OnDelete::Cascade,
            follows: false,
            indexed: true,
            unsettable: vec![],
        });
        for (checks, native, (at, name), refused) in [
            ("ON", Some("OFF"), (0, "of_lead"), true),
            ("ON", Some("OFF"), (1, "to_lead"), true),
            ("ON", Some("OFF"), (1, "to_another"), true),
            ("ON", Some("ON"), (0, "of_lead"), true),
            ("ON", None, (1, "to_lead"), true),
            ("ON", None, (1, "to_another"), false),
            ("OFF", Some("OFF"), (1, "to_lead"), false),
        ] {
            let keys = [ActingKey { at, name: name.into() }];
            let found = acting(&keys, &tables, &step, &settings(checks, native), "crm");
            assert_eq!(!found.is_empty(), refused, "{checks} {native:?} {name} {found:?}");
        }
    }

    #[test]
    fn a_group_wants_a_key_of_every_table_that_it_opens() {
        let tables = ["d.lead", "d.call"].map(TableRef::parse);
        for (settings, named) in [
            (settings("ON", Some("OFF")), 1),
            (settings("OFF", Some("OFF")), 1),
            (settings("ON", None), 0),
            (Settings::of(&[("wsrep_on", "ON")]), 0),
        ] {
            assert_eq!(to_be_keyed(&tables, &step("d.lead"), &settings).len(), named, "{settings:?}");
        }
    }
}
