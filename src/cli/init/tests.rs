use forgetd_connector::{Cause, Count, SinceForm, TableRef};

use super::written::{Draft, DraftRule};
use crate::config::{Config, LoadOptions, load};
use crate::rules::Mode;

fn rule(schema: &str, table: &str) -> DraftRule {
    DraftRule {
        table: TableRef { schema: Some(schema.into()), name: table.into() },
        column: "created_at".into(),
        form: None,
        naive: false,
        nulls: None,
        total: Count::Exact(5_000),
        keep_for: "1y",
        counts: vec![("30d", Count::Exact(1_204)), ("1y", Count::Capped(100_000))],
        personal: vec!["email".into()],
        instead: vec!["updated at".into()],
        notes: vec!["rows that public.note (lead_id) references stay".into()],
    }
}

fn loaded(draft: &Draft) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("forgetd.yaml");
    std::fs::write(&file, draft.text()).unwrap();
    let config = load(&LoadOptions { file: Some(file), ..LoadOptions::default() });
    config.unwrap_or_else(|problems| panic!("{problems}\n{}", draft.text()))
}

#[test]
fn what_is_suggested_is_a_policy_that_only_observes() {
    let draft = Draft {
        url: "{ env: DATABASE_URL }".into(),
        server: Some("PostgreSQL 15".into()),
        rules: vec![
            rule("public", "lead"),
            DraftRule {
                naive: true,
                nulls: Some(Count::Exact(3)),
                column: "On: #1".into(),
                ..rule("A.b", "it's: {odd}")
            },
            DraftRule {
                form: Some(SinceForm::UnixMs),
                nulls: Some(Count::Blind(Cause::RowSecurity)),
                ..rule("old", "lead")
            },
            DraftRule { naive: true, form: Some(SinceForm::Date), personal: vec![], ..rule("public", "yes") },
        ],
        others: vec![(TableRef::parse("public.country"), "no column with a time".into())],
    };
    let config = loaded(&draft);
    let shown: Vec<_> = config.policy.rules.iter().map(|rule| (rule.name.as_str(), rule.table.to_string())).collect();
    let expected =
        [("it-s---odd", "A.b.it's: {odd}"), ("lead", "public.lead"), ("old-lead", "old.lead"), ("yes", "public.yes")];
    assert_eq!(shown, expected.map(|(name, table)| (name, table.to_owned())));
    assert!(config.policy.rules.iter().all(|rule| rule.mode == Mode::Observe));
    let text = draft.text();
    for part in [
        "# public.lead: 5,000 rows; older than 30d: 1,204, 1y: at least 100,000",
        "# looks personal: email",
        "when_null: keep                   # decide: 3 rows have none",
        "zone: UTC }  # decide: the zone",
        "# - public.country: no column with a time",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn without_a_database_there_is_an_example() {
    let config = loaded(&Draft { url: "{ env: DATABASE_URL }".into(), ..Draft::default() });
    assert_eq!(config.policy.rules.len(), 1);
}
