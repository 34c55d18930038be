//! A case's rules as a policy, and what the plan must make of them.

use std::collections::BTreeMap;

use forgetd::rules::{Action, Cap, Guard, Mode, Period, Policy, RowEvidence, Rule, normal};
use forgetd_connector::{Child, Except, Joined, Selection, Since, Stays, Step, TableRef, Terms, WhenNull};
use forgetd_testkit::generator::{Case, RuleSpec};
use forgetd_testkit::{Fixture, TableSpec};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::{calendar, transforms, written};

/// The database's name in the policy.
pub(crate) const DATABASE: &str = "crm";

/// The names of a case's rules.
pub(crate) struct Names(pub(crate) u64);

impl Names {
    pub(crate) fn purge(&self) -> String {
        format!("case-{}", self.0)
    }

    fn keeper(&self, n: usize) -> String {
        format!("case-{}-keep-{n}", self.0)
    }

    fn below(&self) -> String {
        format!("case-{}-below", self.0)
    }

    fn beside(&self) -> String {
        format!("case-{}-beside", self.0)
    }

    pub(crate) fn counted(&self, n: usize) -> String {
        format!("case-{}-count-{n}", self.0)
    }
}

/// All rules of a case, as they read back from a policy's file written for this engine.
pub(crate) fn policy(case: &Case, names: &Names, fixture: &dyn Fixture) -> Result<Policy, String> {
    let action = match &case.transform {
        Some(spec) => Action::Transform(Box::new(transforms::transform(case, spec, fixture))),
        None => Action::Delete,
    };
    let mut rules = vec![rule(case, case.table(), &case.rule, names.purge(), action, fixture)];
    rules.extend(
        case.counted
            .iter()
            .enumerate()
            .map(|(n, spec)| rule(case, case.table(), spec, names.counted(n), Action::Delete, fixture)),
    );
    rules.extend(
        case.keepers
            .iter()
            .enumerate()
            .map(|(n, spec)| rule(case, case.table(), spec, names.keeper(n), Action::Keep, fixture)),
    );
    if let Some((spec, table)) = case.below.as_ref().zip(case.table_below()) {
        rules.push(rule(case, table, spec, names.below(), Action::Delete, fixture));
    }
    if let Some((spec, table)) = case.beside.as_ref().zip(case.table_beside()) {
        rules.push(rule(case, table, spec, names.beside(), Action::Keep, fixture));
    }
    written::read_back(rules)
}

fn rule(case: &Case, table: &TableSpec, spec: &RuleSpec, name: String, action: Action, fixture: &dyn Fixture) -> Rule {
    Rule {
        name,
        database: DATABASE.into(),
        table: TableRef { schema: None, name: table.name.into() },
        purpose: None,
        legal_basis: None,
        keep_for: Period::parse(&spec.keep_for).unwrap(),
        since: case.since_on(fixture, table, spec),
        when_null: spec.when_null.clone(),
        predicate: spec.predicate.clone(),
        native: spec.native.map(|native| fixture.native(native).into()),
        kept_by: BTreeMap::new(),
        // Rules that keep have none.
        mode: if action == Action::Keep { Mode::default() } else { Mode::Enforce },
        action,
        cap: Cap::default(),
        guard: Guard::default(),
        row_evidence: RowEvidence::Counts,
        schedule: None,
    }
}

/// What a step must select, worked out from the case alone but for the cutoffs, which are judged by themselves; or what is
/// wrong with the plan's idea of it.
pub(crate) fn expected(
    case: &Case,
    spec: &RuleSpec,
    names: &Names,
    fixture: &dyn Fixture,
    planned: &Selection,
) -> Result<Selection, String> {
    let terms = expected_terms(case, case.table(), spec, fixture, &planned.terms)?;
    let mut excepted = planned.except.iter();
    let mut except = vec![];
    for (n, keeper) in case.keepers.iter().enumerate() {
        let Some(Except::Kept { rule, terms }) = excepted.next() else { return Err(format!("keeper {n} is missing")) };
        let terms = expected_terms(case, case.table(), keeper, fixture, terms)?;
        if *rule != names.keeper(n) {
            return Err(format!("{rule} stands where {} must", names.keeper(n)));
        }
        except.push(Except::Kept { rule: rule.clone(), terms });
    }
    let below = case.below.as_ref().zip(case.table_below());
    for (rule, table) in below.into_iter().chain(case.beside.as_ref().zip(case.table_beside())) {
        let Some(Except::Child(child)) = excepted.next() else {
            return Err(format!("rows of {} are missing", table.name));
        };
        except.push(Except::Child(expected_child(case, rule, table, fixture, child)?));
    }
    match excepted.next() {
        Some(more) => Err(format!("the plan excepts {more:?}")),
        None => Ok(Selection { table: planned.table.clone(), terms, undone: vec![], floor: None, except }),
    }
}

/// The rows below, of which those go that their own rule means; or those beside, of which those hold that it keeps.
fn expected_child(
    case: &Case,
    rule: &RuleSpec,
    table: &TableSpec,
    fixture: &dyn Fixture,
    planned: &Child,
) -> Result<Child, String> {
    let reference = table.below.as_ref().or(table.beside.as_ref()).unwrap();
    let on = vec![Joined { other: reference.column.into(), own: "id".into() }];
    let (steps, stays): (_, fn(Vec<Step>) -> Stays) = match &planned.stays {
        Stays::UnlessDue(due) if table.below.is_some() => (due, Stays::UnlessDue),
        Stays::IfKept(kept) if table.below.is_none() => (kept, Stays::IfKept),
        _ => return Err(format!("rows of {} are {planned:?}", table.name)),
    };
    let [step] = steps.as_slice() else { return Err(format!("{} rules of {}", steps.len(), table.name)) };
    if planned.on != on || planned.table.name != table.name || !step.selection.except.is_empty() {
        return Err(format!("rows of {} are {planned:?}", table.name));
    }
    let mut step = step.clone();
    step.selection.terms = expected_terms(case, table, rule, fixture, &step.selection.terms)?;
    Ok(Child { stays: stays(vec![step]), ..planned.clone() })
}

fn expected_terms(
    case: &Case,
    table: &TableSpec,
    spec: &RuleSpec,
    fixture: &dyn Fixture,
    planned: &Terms,
) -> Result<Terms, String> {
    let terms = Terms {
        since: case.since_on(fixture, table, spec),
        cutoff: planned.cutoff,
        when_null: spec.when_null.clone().unwrap_or(WhenNull::Keep),
        predicate: spec.predicate.clone(),
        native: spec.native.map(|native| fixture.native(native).into()),
    };
    let as_read = Terms { predicate: normal(spec.predicate.clone()), ..terms.clone() };
    if *planned != as_read {
        return Err(format!("planned {planned:?}, not {as_read:?}"));
    }
    match calendar::complaint(planned.cutoff.0, &spec.keep_for, &zone(spec), case.now) {
        Some(complaint) => Err(complaint),
        None => Ok(terms),
    }
}

/// The zone that is written first; else UTC.
pub(crate) fn zone(spec: &RuleSpec) -> TimeZone {
    let columns = match &spec.since {
        Since::Column(column) => vec![column],
        Since::Greatest(all) => all.iter().collect(),
        Since::Latest(latest) => std::iter::once(&latest.at).chain(&latest.or).collect(),
    };
    columns.into_iter().find_map(|column| column.zone.clone()).unwrap_or(TimeZone::UTC)
}

/// The cutoff of a rule, about: for counting what a case covers.
pub(crate) fn cutoff(case: &Case, spec: &RuleSpec) -> Timestamp {
    Period::parse(&spec.keep_for).unwrap().cutoff(case.now, &zone(spec)).unwrap()
}
