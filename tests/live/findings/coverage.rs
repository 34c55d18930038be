//! Every id that a check can say has a case, or a reason why it has none.

use std::collections::{BTreeMap, BTreeSet};

use forgetd_connector::{Cause, Notice};

use super::case::cases;

/// Ids without a case.
const WITHOUT: &[(&[Cause], &str)] = &[
    (
        &[
            Cause::Cap,
            Cause::Observe,
            Cause::Locked,
            Cause::Check,
            Cause::Unique,
            Cause::RowRefused,
            Cause::Size,
            Cause::Survivors,
            Cause::TriggerCancels,
            Cause::EffectDiffers,
            Cause::Restored,
            Cause::RowsMax,
            Cause::ShareMax,
            Cause::TimesUsual,
            Cause::WholeTableDue,
            Cause::CutoffJump,
            Cause::CoolOff,
            Cause::CatalogDrift,
            Cause::EvidenceBacklog,
            Cause::Evidence,
            Cause::Fenced,
            Cause::Unknown,
            Cause::Superseded,
            Cause::Interrupted,
        ],
        "what happened in a run: a check starts none",
    ),
    (&[Cause::StatementTimeout], "a look that takes longer than the server allows: the connectors' own tests"),
    (&[Cause::ClockSkew], "a server with another clock: the tests of guards have one"),
    (&[Cause::Internal], "a defect"),
];

/// Notices without a case.
const UNNOTICED: &[(Notice, &str)] = &[
    (Notice::VacuumHeldBack, "a transaction that is more than an hour old: beside the code"),
    (Notice::SynchronousStandbyMissing, "it would stop every other test of the server: beside the code"),
];

#[test]
fn every_id_has_a_case_or_a_reason() {
    let mut cased: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for case in cases() {
        for finding in &case.findings {
            cased.entry(finding["id"].as_str().unwrap().into()).or_default().push(case.name.clone());
        }
    }
    let ids = Cause::ALL.iter().map(|cause| cause.id()).chain(Notice::ALL.iter().map(|notice| notice.id()));
    let causes = WITHOUT.iter().flat_map(|(causes, _)| causes.iter().map(|cause| cause.id()));
    let without: BTreeSet<&str> = causes.chain(UNNOTICED.iter().map(|(notice, _)| notice.id())).collect();
    let mut wrong = vec![];
    for id in ids {
        match (cased.get(id), without.contains(id)) {
            (None, false) => wrong.push(format!("{id}: no case, and no reason why")),
            (Some(names), true) => wrong.push(format!("{id}: has a reason for no case, and {names:?}")),
            _ => {}
        }
        cased.remove(id);
    }
    wrong.extend(cased.into_iter().map(|(id, names)| format!("{id}: in {names:?}, and nobody's id")));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_two_cases_are_alike() {
    let cases = cases();
    assert!(cases.len() >= 45, "only {} cases", cases.len());
    let contents: BTreeSet<String> = cases.iter().map(super::case::Case::content).collect();
    assert_eq!(contents.len(), cases.len());
    for case in &cases {
        assert!(case.name.starts_with(&format!("{}-", case.engine)), "{}: its name says another engine", case.name);
    }
}
