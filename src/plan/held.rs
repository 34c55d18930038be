//! Rows that stay because a row that a rule keeps references them: the delete would set its reference. Pure.

use forgetd_connector::{Action, Child, Except, Finding, ForeignKey, Joined, OnDelete, Selection, Stays, Step, Table};

use super::{
    step::Looked,
    terms::{keepers, terms},
};
use crate::rules::Rule;

/// What holds the rows of `table`: for every foreign key of its own that would set references, the rows of the referencing
/// table that rules keep. Where no rule keeps rows there, nothing does.
pub(super) fn holding(table: &Table, looked: &Looked<'_>) -> Result<Vec<Except>, Vec<Finding>> {
    let (mut holding, mut findings) = (vec![], vec![]);
    for key in table.referenced_by.iter().filter(|key| key.on_delete == OnDelete::Set && key.parent == table.name) {
        let Some(child) = looked.catalog.tables.iter().find(|described| described.name == key.child) else { continue };
        let mut kept = vec![];
        for keeper in keepers(looked.policy, looked.database, child) {
            // A name without a schema keeps rows of the table that it is found to mean.
            if looked.catalog.table(&keeper.table).is_some_and(|meant| meant.name == child.name) {
                match keeping(keeper, child, looked) {
                    Ok(step) => kept.push(step),
                    Err(found) => findings.extend(found),
                }
            }
        }
        if !kept.is_empty() {
            let (foreign_key, on) = (key.name.clone(), joined(key));
            let table = key.child.clone();
            holding.push(Except::Child(Child { foreign_key, table, on, stays: Stays::IfKept(kept) }));
        }
    }
    if findings.is_empty() { Ok(holding) } else { Err(findings) }
}

/// Which rows a foreign key brings together.
pub(super) fn joined(key: &ForeignKey) -> Vec<Joined> {
    let on = key.child_columns.iter().zip(&key.parent_columns);
    on.map(|(other, own)| Joined { other: other.clone(), own: own.clone() }).collect()
}

/// The terms by which `keeper` keeps rows of its table, as a step that nothing runs.
fn keeping(keeper: &Rule, table: &Table, looked: &Looked<'_>) -> Result<Step, Vec<Finding>> {
    let place = format!("{}.{}", looked.database, keeper.table);
    let terms = terms(keeper, table, looked.catalog, &place, looked.now)?;
    let selection = Selection::new(table.name.clone(), terms);
    Ok(Step {
        rule: keeper.name.clone(),
        others: looked.others(&selection),
        selection,
        table: table.clone(),
        action: Action::Delete,
        atomicity: table.atomicity,
        may_cascade: vec![],
    })
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{
        Atomicity, Catalog, Cause, Child, ColumnKind, Except, Finding, Joined, OnDelete, Since, Stays, Step, Table,
        TableRef,
    };

    use crate::plan::testing::{reference, rule, table};
    use crate::plan::{depends, keepers, step};
    use crate::rules::{Action, Period, Policy, Rule};

    fn planned(tables: Vec<Table>, rules: Vec<Rule>) -> Result<Step, Vec<Finding>> {
        let policy = Policy::new([rules, vec![rule("leads", "lead")]].concat());
        let now = "2026-06-30T12:00:00Z".parse().unwrap();
        step(policy.rule("leads").unwrap(), &Catalog { tables }, "crm", now, Atomicity::Atomic, &policy)
    }

    /// `lead`, referenced by `call`, and what the key does.
    fn tables(on_delete: OnDelete) -> Vec<Table> {
        let [mut lead, call] = ["lead", "call"].map(|name| table(name, ColumnKind::Instant));
        lead.referenced_by.push(reference("call", "lead", on_delete));
        vec![lead, call]
    }

    fn keeper(name: &str, table: &str) -> Rule {
        Rule { action: Action::Keep, keep_for: Period::parse("7y").unwrap(), ..rule(name, table) }
    }

    /// The table of each child that holds, its key, and the rules that keep it.
    fn held(step: &Step) -> Vec<(&str, &str, Vec<&str>)> {
        let held = step.selection.except.iter().filter_map(|except| match except {
            Except::Child(Child { foreign_key, table, stays: Stays::IfKept(kept), .. }) => {
                let rules = kept.iter().map(|step| step.rule.as_str()).collect();
                Some((table.name.as_str(), foreign_key.as_str(), rules))
            }
            _ => None,
        });
        held.collect()
    }

    #[test]
    fn rows_that_a_rule_keeps_hold_what_they_reference_by_a_key_that_sets() {
        let both = || vec![keeper("disputed", "call"), keeper("booked", "call"), keeper("won", "lead")];
        let step = planned(tables(OnDelete::Set), both()).unwrap();
        assert_eq!(held(&step), [("call", "call_lead_fk", vec!["booked", "disputed"])]);
        let Some(Except::Child(child)) = step.selection.except.last() else { panic!("{:?}", step.selection.except) };
        assert_eq!(child.on, [Joined { other: "lead_id".into(), own: "id".into() }]);
        let kept = &child.steps()[0];
        assert_eq!(
            (kept.selection.terms.cutoff.0.to_string().as_str(), &*kept.table.name.name),
            ("2019-06-30T12:00:00Z", "call")
        );
        assert!(step.selection.looks_elsewhere());
        assert_eq!(step.others.iter().map(|other| &*other.name.name).collect::<Vec<_>>(), ["call"]);
        assert_eq!(keepers(&step, &step.table.referenced_by[0]), ["booked", "disputed"]);
    }

    #[test]
    fn nothing_is_asked_where_no_rule_keeps_such_rows() {
        let elsewhere = Rule { database: "other".into(), ..keeper("elsewhere", "call") };
        for (on_delete, rules) in [
            (OnDelete::Set, vec![]),
            (OnDelete::Set, vec![keeper("won", "lead")]),
            (OnDelete::Set, vec![rule("calls", "call")]),
            (OnDelete::Set, vec![elsewhere]),
            (OnDelete::Refuse, vec![keeper("booked", "call")]),
        ] {
            let step = planned(tables(on_delete), rules.clone()).unwrap();
            assert_eq!(held(&step), [], "{on_delete:?} {rules:?}");
            assert_eq!(keepers(&step, &step.table.referenced_by[0]), [""; 0]);
            let known_to_keep = rules.iter().any(|rule| rule.name == "won");
            assert_eq!((step.selection.looks_elsewhere(), step.selection.except.len()), (false, known_to_keep.into()));
        }
    }

    #[test]
    fn a_table_holds_its_own_rows_and_those_of_its_parents() {
        let mut tables = tables(OnDelete::Cascade);
        let note = table("note", ColumnKind::Instant);
        tables[0].referenced_by.push(reference("lead", "lead", OnDelete::Set));
        let below = reference("note", "call", OnDelete::Set);
        tables[0].referenced_by.push(below.clone());
        tables[1].referenced_by.push(below.clone());
        tables.push(note);
        let rules = vec![rule("calls", "call"), keeper("booked", "note"), keeper("won", "lead")];
        let step = planned(tables, rules).unwrap();
        assert_eq!(held(&step), [("lead", "lead_lead_fk", vec!["won"])]);
        let along = step.selection.except.iter().find_map(|except| match except {
            Except::Child(Child { stays: Stays::UnlessDue(due), .. }) => Some(&due[0]),
            _ => None,
        });
        assert_eq!(held(along.unwrap()), [("note", "note_call_fk", vec!["booked"])]);
        assert_eq!(keepers(&step, &below), ["booked"]);
    }

    #[test]
    fn a_rule_that_cannot_keep_such_rows_stops_the_delete() {
        let broken = Rule { since: Since::column("nope"), ..keeper("booked", "call") };
        let findings = planned(tables(OnDelete::Set), vec![broken]).unwrap_err();
        assert_eq!(findings.iter().map(Finding::blocking_cause).collect::<Vec<_>>(), [Some(Cause::ColumnMissing)]);
    }

    #[test]
    fn a_name_without_a_schema_keeps_rows_of_the_table_that_it_means() {
        let found = |call: TableRef| {
            let mut tables = tables(OnDelete::Set);
            tables[1].name = call;
            planned(tables, vec![keeper("booked", "call")]).unwrap().selection.except.len()
        };
        assert_eq!(found(TableRef::parse("main.call")), 1);
        assert_eq!(found(TableRef::parse("archive.call")), 0);
    }

    #[test]
    fn a_rule_that_begins_to_keep_such_rows_needs_no_approval() {
        let of = |rules| depends(&planned(tables(OnDelete::Set), rules).unwrap());
        assert_eq!(of(vec![keeper("booked", "call")]), of(vec![]));
    }
}
