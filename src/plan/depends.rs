//! What a rule depends on in the described tables: what must be the same for an approval to mean the same. Pure.

use std::collections::BTreeSet;

use forgetd_connector::{Child, Except, OnDelete, Selection, Since, Stays, Step, Table, TableRef, Terms, WhenNull};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

/// SHA-256, in hex, over the columns that the step reads and writes with their types, the key, the kind of object, and what foreign
/// keys take along or change; and the same of rules whose rows go along. Indexes, statistics and columns that nothing
/// reads do not enter.
pub fn depends(step: &Step) -> String {
    hex::encode(Sha256::digest(json(step).to_string()))
}

/// The rules whose rows go along with those of the step, each once, in order.
pub fn along(step: &Step) -> Vec<&str> {
    let mut names = vec![];
    collect(step, &mut names);
    names
}

fn collect<'a>(step: &'a Step, names: &mut Vec<&'a str>) {
    for except in &step.selection.except {
        let Except::Child(child) = except else { continue };
        let Stays::UnlessDue(goes_along) = &child.stays else { continue };
        for due in goes_along {
            if !names.contains(&due.rule.as_str()) {
                names.push(&due.rule);
                collect(due, names);
            }
        }
    }
}

fn json(step: &Step) -> Json {
    let mut read = Read::default();
    read.terms(&step.selection.terms);
    let mut children = vec![];
    for except in &step.selection.except {
        match except {
            // A rule that keeps more may come at any time; what is wrong with its columns stops the rule anyhow.
            Except::Kept { .. } | Except::Child(Child { stays: Stays::IfKept(_), .. }) => {}
            Except::Child(Child { table, on, stays: Stays::UnlessDue(due), .. }) => {
                read.own.extend(on.iter().map(|joined| joined.own.as_str()));
                read.others.extend(on.iter().map(|joined| (table, joined.other.as_str())));
                children.push(json!([table.to_string(), due.iter().map(json).collect::<Vec<_>>()]));
            }
            // Only in comparisons of two policies, which never run.
            Except::Due(_) => {}
        }
    }
    let table = &step.table;
    if let Some(rewrite) = step.rewrite() {
        read.own.extend(rewrite.columns());
    }
    let Read { mut own, whole, others } = read;
    own.extend(table.key.iter().map(String::as_str));
    let mut references: Vec<Json> = match step.rewrite() {
        None => table
            .referenced_by
            .iter()
            .filter(|key| key.on_delete != OnDelete::Refuse)
            .map(|key| json!([key.child.to_string(), key.child_columns, key.parent.to_string(), key.on_delete]))
            .collect(),
        Some(rewrite) => {
            let written = rewrite.columns();
            let follows = table.referenced_by.iter().filter(|key| {
                key.follows && key.parent_columns.iter().any(|column| written.contains(&column.as_str()))
            });
            follows.map(|key| json!([key.child.to_string(), key.child_columns, key.parent_columns])).collect()
        }
    };
    references.sort_by_key(Json::to_string);
    let looked_into = without_keepers(&step.selection);
    let others: Vec<Json> = step
        .others
        .iter()
        .filter(|other| looked_into.iter().any(|name| other.name.is(name)))
        .map(|other| {
            let names = others.iter().filter(|(table, _)| other.name.is(table)).map(|(_, column)| *column);
            described(other, &names.collect(), false)
        })
        .collect();
    json!({
        "table": described(table, &own, whole),
        "key": table.key,
        "references": references,
        "others": others,
        "children": children,
    })
}

/// The other tables that are looked into, but for those where it is only asked whether a rule keeps a row that references
/// this one.
fn without_keepers(selection: &Selection) -> Vec<&TableRef> {
    let mut tables: Vec<&TableRef> = selection.terms.since.other_table().into_iter().collect();
    for except in &selection.except {
        match except {
            Except::Kept { terms, .. } => tables.extend(terms.since.other_table()),
            Except::Child(Child { table, stays: Stays::UnlessDue(due), .. }) => {
                tables.push(table);
                tables.extend(due.iter().flat_map(|step| without_keepers(&step.selection)));
            }
            Except::Child(Child { stays: Stays::IfKept(_), .. }) | Except::Due(_) => {}
        }
    }
    tables
}

/// The columns that statements read.
#[derive(Default)]
struct Read<'a> {
    /// Of the step's own table.
    own: BTreeSet<&'a str>,
    /// A condition in the engine's own language may read any of them.
    whole: bool,
    /// Of other tables.
    others: Vec<(&'a TableRef, &'a str)>,
}

// === impl Read ===

impl<'a> Read<'a> {
    fn terms(&mut self, terms: &'a Terms) {
        self.own.extend(terms.since.columns().into_iter().map(|column| column.column.as_str()));
        self.own.extend(terms.predicate.tests().into_iter().map(|test| test.path.column.as_str()));
        if let WhenNull::Use(column) = &terms.when_null {
            self.own.insert(column);
        }
        if let Since::Latest(latest) = &terms.since {
            self.own.extend(latest.on.iter().map(|joined| joined.own.as_str()));
            let columns = latest.on.iter().map(|joined| &joined.other).chain([&latest.at.column]);
            self.others.extend(columns.map(|column| (&latest.table, column.as_str())));
        }
        self.whole |= terms.native.is_some();
    }
}

/// A table by its name, its kind, and these of its columns in the order of their names.
fn described(table: &Table, names: &BTreeSet<&str>, whole: bool) -> Json {
    let mut columns: Vec<_> =
        table.columns.iter().filter(|column| whole || names.contains(column.name.as_str())).collect();
    columns.sort_by_key(|column| &column.name);
    let columns: Vec<Json> =
        columns.into_iter().map(|column| json!([column.name, column.type_name, column.nullable])).collect();
    json!({ "name": table.name.to_string(), "kind": table.kind, "columns": columns })
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Atomicity, Catalog, ColumnKind, Index, OnDelete, Predicate, Table, Value};

    use super::{along, depends};
    use crate::plan::{
        step,
        testing::{column, reference, rule, table},
    };
    use crate::rules::{Policy, Rule};

    /// What is changed, whether the rule depends on it, and how it is done.
    type Case<'a> = (&'a str, bool, &'a dyn Fn(&mut Table));

    fn of(rule: &Rule, table: Table) -> String {
        let now = "2026-06-30T12:00:00Z".parse().unwrap();
        let policy = Policy { rules: vec![crate::plan::testing::rule("calls", "call")], ..Policy::default() };
        let tables = vec![table, self::table("call", ColumnKind::Instant)];
        depends(&step(rule, &Catalog { tables }, "crm", now, Atomicity::Atomic, &policy).unwrap())
    }

    #[test]
    fn what_the_rule_reads_and_takes_along_changes_it_and_nothing_else_does() {
        let lead = table("lead", ColumnKind::Instant);
        let closed =
            Rule { predicate: Predicate::equal("status", Value::Text("closed".into())), ..rule("leads", "lead") };
        let before = of(&closed, lead.clone());
        let changes: [Case<'_>; 9] = [
            ("another column appears", false, &|table| table.columns.push(column("note", ColumnKind::Text))),
            ("columns in another order", false, &|table| table.columns.reverse()),
            ("a column that nothing reads becomes nullable", false, &|table| table.columns[3].nullable = true),
            ("an index appears", false, &|table| {
                table.indexes.push(Index { name: "i".into(), columns: vec!["closed_at".into()], unique: false });
            }),
            ("a child that keeps its parent", false, &|table| {
                table.referenced_by.push(reference("note", "lead", OnDelete::Refuse));
            }),
            ("another type of since", true, &|table| table.columns[1].type_name = "date".into()),
            ("a column of where becomes nullable", true, &|table| table.columns[2].nullable = true),
            ("another type of the key", true, &|table| table.columns[0].type_name = "uuid".into()),
            ("a child that goes along", true, &|table| {
                table.referenced_by.push(reference("call", "lead", OnDelete::Cascade));
            }),
        ];
        for (what, differs, change) in changes {
            let mut changed = lead.clone();
            change(&mut changed);
            assert_eq!(of(&closed, changed) != before, differs, "{what}");
        }
        assert_eq!(of(&closed, lead.clone()), before);
        let mut wider = lead;
        wider.columns.push(column("note", ColumnKind::Text));
        let native = Rule { native: Some("note is null".into()), ..closed };
        assert_ne!(of(&native, wider.clone()), {
            wider.columns[5].nullable = true;
            of(&native, wider)
        });
    }

    #[test]
    fn rules_whose_rows_go_along_are_part_of_it() {
        let step = |call: &Table| {
            let mut lead = table("lead", ColumnKind::Instant);
            lead.referenced_by.push(reference("call", "lead", OnDelete::Cascade));
            let now = "2026-06-30T12:00:00Z".parse().unwrap();
            let policy = Policy { rules: vec![rule("calls", "call"), rule("leads", "lead")], ..Policy::default() };
            let catalog = Catalog { tables: vec![lead, call.clone()] };
            step(&policy.rules[1], &catalog, "crm", now, Atomicity::Atomic, &policy).unwrap()
        };
        let mut call = table("call", ColumnKind::Instant);
        call.columns.push(column("lead_id", ColumnKind::Integer));
        let before = step(&call);
        assert_eq!(along(&before), ["calls"]);
        call.columns[2].nullable = true;
        assert_eq!(depends(&step(&call)), depends(&before), "nothing reads it");
        call.columns[5].type_name = "uuid".into();
        assert_ne!(depends(&step(&call)), depends(&before));
    }
}
