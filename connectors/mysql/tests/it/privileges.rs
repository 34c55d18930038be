//! What an account is told that it lacks, and that what it is then granted is enough.

use forgetd_connector::{Action, Finding, Put, Severity, Value};
use forgetd_testkit::TestDatabase as _;

use crate::fixture::Database;
use crate::looking::{FAMILY, latest, looked, rewrite, since_at, step};
use crate::server::Product;

/// An account of its own that may do nothing yet, named like the database.
async fn account(database: &Database) -> (String, String) {
    let name = &database.name.text;
    database.sql(&format!("drop user if exists {name}@'%'; create user {name}@'%' identified by 'x'")).await;
    (format!("'{name}'@'%'"), database.product.server().url_as(name, "x", name))
}

/// Places and messages of what keeps the rule from running.
fn errors(findings: &[Finding], database: &Database) -> Vec<String> {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    errors.map(|finding| format!("{}: {}", finding.place, finding.message).replace(&database.name.text, "d")).collect()
}

#[tokio::test]
async fn an_account_is_told_what_it_lacks_and_needs_no_more() {
    for product in Product::each() {
        let database = Database::new(product).await;
        database.sql(FAMILY).await;
        let (name, url) = account(&database).await;
        let owner = database.connect("looking").await;
        let deletes = step(&*owner, latest(), &["activity"], Action::Delete).await;
        let writes = rewrite(&[("name", Put::Constant(Value::Null))]);
        let writes = step(&*owner, since_at(), &[], writes).await;
        let schema = &database.name.text;
        for (step, first, lacks) in [
            (
                &deletes,
                "select (id) on {d}.item",
                &[
                    "crm: the account {me} sees the foreign keys of some tables only: another one could take or change rows along",
                    "crm.d.activity: the account {me} lacks SELECT on d.activity",
                    "crm.d.child: the account {me} lacks SELECT and DELETE on d.child",
                    "crm.d.child: the account {me} lacks TRIGGER on d.child, {why}",
                    "crm.d.item: the account {me} lacks SELECT and DELETE on d.item",
                    "crm.d.item: the account {me} lacks TRIGGER on d.item, {why}",
                    "crm.d.note: the account {me} lacks SELECT and UPDATE on d.note",
                    "crm.d.note: the account {me} lacks TRIGGER on d.note, without which no trigger is shown: one could be passed over",
                ][..],
            ),
            (
                &writes,
                "select, update (name) on {d}.item",
                &[
                    "crm: the account {me} sees the foreign keys of some tables only: another one could take or change rows along",
                    "crm.d.item: the account {me} lacks TRIGGER on d.item, {why}",
                    "crm.d.item: the account {me} lacks UPDATE on done, moved",
                ],
            ),
        ] {
            let revoke = format!("revoke all privileges, grant option from {name}");
            database.sql(&format!("{revoke}; grant {} to {name}", first.replace("{d}", schema))).await;
            let connector = database.connect_by(&url, "looking").await.unwrap();
            let found = looked(&*connector, step).await;
            let why = "without which no trigger's text is shown: one could delete, keep copies or refuse";
            let mut expected: Vec<String> = lacks
                .iter()
                .map(|text| text.replace("{me}", &name.replace(schema, "d")).replace("{why}", why))
                .collect();
            if product == Product::MariaDb {
                // It shows that a trigger is there to whoever sees the table.
                expected.retain(|text| !text.contains("lacks TRIGGER on d.child") || first.contains("(id)"));
            }
            let mut errors = errors(&found, &database);
            errors.sort();
            expected.sort();
            assert_eq!(errors, expected, "{product:?}");
            for fix in found.iter().filter(|finding| finding.severity == Severity::Error).map(|finding| &finding.fix) {
                assert!(fix.contains("grant "), "{fix}");
            }
            let grants = connector.step_grants(step, &name);
            database.sql(&format!("{revoke}; {grants}")).await;
            let connector = database.connect_by(&url, "looking").await.unwrap();
            assert_eq!(looked(&*connector, step).await, [], "{product:?} {grants}");
        }
        database.sql(&format!("drop user {name}")).await;
    }
}

#[tokio::test]
async fn what_a_role_gives_counts() {
    for product in Product::each() {
        let database = Database::new(product).await;
        database.sql(FAMILY).await;
        let (name, url) = account(&database).await;
        let owner = database.connect("looking").await;
        let step = step(&*owner, since_at(), &[], Action::Delete).await;
        let role = format!("{}_role", database.name.text);
        let as_role = if product == Product::MariaDb { format!("'{role}'") } else { format!("'{role}'@'%'") };
        let grants = owner.step_grants(&step, &role).replace(&format!("'{role}'@'%'"), &as_role);
        let default = match product {
            Product::MariaDb => format!("set default role {as_role} for {name}"),
            Product::MySql => format!("set default role {as_role} to {name}"),
        };
        database
            .sql(&format!(
                "drop role if exists {as_role}; create role {as_role}; {grants} grant {as_role} to {name}; {default}"
            ))
            .await;
        let connector = database.connect_by(&url, "looking").await.unwrap();
        assert_eq!(looked(&*connector, &step).await, [], "{product:?}");
        database.sql(&format!("drop user {name}; drop role {as_role}")).await;
    }
}
