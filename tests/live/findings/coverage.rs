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
            Cause::Restored,
            Cause::RowsMax,
            Cause::ShareMax,
            Cause::TimesUsual,
            Cause::WholeTableDue,
            Cause::CutoffJump,
            Cause::CoolOff,
            Cause::CatalogDrift,
            Cause::SinceMoved,
            Cause::ValueUnfit,
            Cause::EvidenceBacklog,
            Cause::Evidence,
            Cause::EvidenceNoSpace,
            Cause::Fenced,
            Cause::Unknown,
            Cause::Superseded,
            Cause::Interrupted,
        ],
        "what happened in a run: a check starts none",
    ),
    (&[Cause::StatementTimeout], "a look that takes longer than the server allows: the connectors' own tests"),
    (&[Cause::ClockSkew], "a server with another clock: the tests of guards have one"),
    (&[Cause::VersionUnfit], "of documents alone: MongoDB's own tests"),
    (
        &[
            Cause::Paused,
            Cause::QuietWindow,
            Cause::StartingDeadline,
            Cause::Overlap,
            Cause::Requests,
            Cause::PolicySplit,
        ],
        "of a daemon and whoever asks it: a check does not",
    ),
    (
        &[Cause::ReplicaLag, Cause::LogKept, Cause::Load, Cause::LockWaits, Cause::Veto],
        "what batches wait for: a check starts none",
    ),
    (&[Cause::SignalUnread], "the tests of the throttle ask: it takes settings that no case has"),
    (
        &[Cause::NotMyReplica, Cause::ReplicaUnreachable],
        "of databases with control tables: the tests of the throttle ask",
    ),
    (&[Cause::Internal], "a defect"),
];

/// Notices without a case.
const UNNOTICED: &[(Notice, &str)] = &[
    (Notice::VacuumHeldBack, "a transaction that is more than an hour old: beside the code"),
    (Notice::TransactionLimited, "only a cluster has such a limit: the connector's own tests start one"),
    (Notice::SinceMissing, "of documents alone: MongoDB's own tests"),
    (Notice::FiltersAreLogged, "of documents alone: MongoDB's own tests"),
    (Notice::ImagesKept, "FerretDB keeps no such images: beside the code"),
    (Notice::ValidatorJudges, "of documents alone: MongoDB's own tests"),
    (Notice::VersionMissing, "of documents alone: MongoDB's own tests"),
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

/// The ids of `docs/findings.md`, with the heading they stand under.
fn documented() -> BTreeMap<String, String> {
    let text = include_str!("../../../docs/findings.md");
    let mut ids = BTreeMap::new();
    for section in text.split("\n## ").skip(1) {
        let heading = section.lines().next().unwrap_or_default();
        for id in section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()) {
            assert!(ids.insert(id.to_owned(), heading.to_owned()).is_none(), "{id} stands there twice");
        }
    }
    ids
}

#[test]
fn every_id_is_in_the_documentation_under_its_worst_severity() {
    let mut worst: BTreeMap<String, &str> = BTreeMap::new();
    for finding in cases().iter().flat_map(|case| &case.findings) {
        let severity = match finding["severity"].as_str() {
            Some("error") => "Errors",
            Some("warning") => "Warnings",
            _ => "Info",
        };
        let known = worst.entry(finding["id"].as_str().unwrap().into()).or_insert(severity);
        if severity == "Errors" || *known == "Info" {
            *known = severity;
        }
    }
    let mut documented = documented();
    // Where the tests' own cases never meet them.
    for (notice, _) in UNNOTICED {
        assert!(documented.remove(notice.id()).is_some(), "{notice} is not in docs/findings.md");
    }
    assert!(documented.remove(Cause::VersionUnfit.id()).is_some(), "version_unfit is not in docs/findings.md");
    // An error where a rule acts; the tests' servers have no control tables, and say so in every case.
    worst.insert(Cause::ControlTables.id().into(), "Errors");
    let worst: BTreeMap<String, String> = worst.into_iter().map(|(id, heading)| (id, heading.into())).collect();
    assert_eq!(documented, worst);
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
