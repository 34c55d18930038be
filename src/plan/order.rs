//! In which order rules act: children before their parents, so that one firing of a policy needs no second; and on one table
//! what transforms before what deletes.

use std::collections::BTreeMap;

use forgetd_connector::Catalog;

use crate::rules::Rule;

/// The rules, reordered so that a rule on a referencing table comes before one on the table it references. Rules that
/// have nothing to do with each other, and rules in a circle, keep the order they came in.
///
/// `catalogs` holds what is known about the tables of each database; a table that is not there orders nothing.
pub fn order<'a>(rules: &[&'a Rule], catalogs: &BTreeMap<String, Catalog>) -> Vec<&'a Rule> {
    let mut waiting = rules.to_vec();
    let mut ordered = Vec::with_capacity(rules.len());
    while !waiting.is_empty() {
        let free = waiting.iter().position(|rule| !waiting.iter().any(|other| goes_before(other, rule, catalogs)));
        ordered.push(waiting.remove(free.unwrap_or(0)));
    }
    ordered
}

/// Whether the table of `child` references the table of `parent`, directly or through tables that cascade; or whether it is the
/// same and the one transforms what the other deletes.
fn goes_before(child: &Rule, parent: &Rule, catalogs: &BTreeMap<String, Catalog>) -> bool {
    if child.database != parent.database {
        return false;
    }
    let Some(catalog) = catalogs.get(&parent.database) else { return false };
    let (first, second) = (child.transform().is_some(), parent.transform().is_some());
    let (Some(child), Some(parent)) = (catalog.table(&child.table), catalog.table(&parent.table)) else { return false };
    if child.name == parent.name {
        return first && !second;
    }
    parent.referenced_by.iter().any(|key| key.child == child.name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use forgetd_connector::{Catalog, ColumnKind, OnDelete};

    use super::order;
    use crate::plan::testing::{reference, rule, table};

    /// Names in the order of acting; `references` are (child, parent).
    fn ordered(names: &[&str], references: &[(&str, &str)]) -> Vec<String> {
        let tables = names.iter().map(|name| {
            let mut table = table(name, ColumnKind::Instant);
            let pointing = references.iter().filter(|(_, parent)| parent == name);
            table.referenced_by = pointing.map(|(child, parent)| reference(child, parent, OnDelete::Refuse)).collect();
            table
        });
        let catalogs = BTreeMap::from([("crm".into(), Catalog { tables: tables.collect() })]);
        let rules: Vec<_> = names.iter().map(|name| rule(name, name)).collect();
        order(&rules.iter().collect::<Vec<_>>(), &catalogs).into_iter().map(|rule| rule.name.clone()).collect()
    }

    #[test]
    fn children_go_before_their_parents() {
        assert_eq!(ordered(&["invoice", "line"], &[("line", "invoice")]), ["line", "invoice"]);
        let chain = [("b", "a"), ("c", "b"), ("d", "c")];
        assert_eq!(ordered(&["a", "b", "c", "d"], &chain), ["d", "c", "b", "a"]);
    }

    #[test]
    fn everything_else_keeps_its_order() {
        assert_eq!(ordered(&["a", "b", "c"], &[]), ["a", "b", "c"]);
        assert_eq!(ordered(&["a", "b", "c"], &[("c", "b")]), ["a", "c", "b"]);
        assert_eq!(ordered(&["a", "b"], &[("a", "a"), ("b", "c")]), ["a", "b"]);
    }

    #[test]
    fn a_circle_ends() {
        assert_eq!(ordered(&["a", "b", "c"], &[("a", "b"), ("b", "a")]), ["c", "a", "b"]);
    }

    #[test]
    fn tables_that_nobody_described_order_nothing() {
        let rules = [rule("a", "a"), rule("b", "b")];
        let names: Vec<_> = order(&rules.iter().collect::<Vec<_>>(), &BTreeMap::new());
        assert_eq!(names.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }
}
