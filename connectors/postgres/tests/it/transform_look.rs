//! What a check says before a transform writes anything, and what a role needs for it.

use forgetd_connector::{Action, Cause, Finding, Grain, Marker, Path, Place, Put, Rewrite, Step, Value};
use forgetd_testkit::{Arena, TestDatabase as _};

use crate::blind::{as_role, blocking};
use crate::fixture::{arena, selection};

const ITEM: &str = "create table item (id int primary key, at date not null, email text, name text, n int);
  insert into item select n, date '2024-01-01', 'user' || n, 'name', n from generate_series(1, 20) n;";

fn place(column: &str, put: Put, samples: &[&str]) -> Place {
    let samples = samples.iter().map(|sample| Value::Text((*sample).into())).collect();
    Place { path: Path::column(column), put, samples }
}

async fn step(arena: &Arena, places: Vec<Place>) -> Step {
    let step = arena.step(selection("item")).await;
    Step { action: Action::Transform(Rewrite { marker: None, version: None, places, follows: vec![] }), ..step }
}

fn unfit(findings: &[Finding]) -> Vec<String> {
    let unfit = findings.iter().filter(|finding| finding.blocking_cause() == Some(Cause::TransformUnfit));
    unfit.map(|finding| format!("{}: {}", finding.place, finding.message)).collect()
}

/// Constraints are tried on what would be written; one that does not take it is named, with the column.
#[tokio::test]
async fn constraints_are_tried_on_samples() {
    let null = || Put::Constant(Value::Null);
    let text = |text: &str| Put::Constant(Value::Text(text.into()));
    for (change, places, expected) in [
        (
            "add constraint c check (email like '%@%') not valid",
            vec![place("email", Put::Computed, &["p1"])],
            "crm.item.email: the constraint c does not take what would be written into email",
        ),
        (
            "add constraint c check (email like 'user%') not valid",
            vec![place("email", Put::Computed, &["user", "p1"])],
            "crm.item.email: the constraint c does not take what would be written into email",
        ),
        ("add constraint c check (email is not null or name is not null)", vec![place("email", null(), &[])], ""),
        (
            "add constraint c check (email is not null or name is not null)",
            vec![place("email", null(), &[]), place("name", null(), &[])],
            "crm.item.email: the constraint c does not take what would be written into email",
        ),
        (
            "add constraint c check (email <> name)",
            vec![place("email", text("name"), &[])],
            "crm.item.email: the constraint c does not take what would be written into email",
        ),
        (
            "add constraint c check (n % 10 <> 0 or n = 10 or n = 20)",
            vec![place("n", Put::Coarser(Grain::Step("10".into())), &[])],
            // Rows that it takes go through, and the others are passed over.
            "",
        ),
        ("add constraint c check (length(email) < 40)", vec![place("email", Put::Computed, &["p1"])], ""),
        ("add constraint c check (n > 0)", vec![place("email", Put::Computed, &["p1"])], ""),
        (
            "alter email set not null",
            vec![place("email", null(), &[])],
            "crm.item.email: email cannot be NULL, and NULL would be written",
        ),
        (
            "alter email type mail",
            vec![place("email", text("x"), &[])],
            "crm.item.email: the constraint public.mail_check does not take what would be written into email",
        ),
        ("alter email type mail", vec![place("email", text("user1"), &[])], ""),
        (
            "alter name type mood using 'sad'",
            vec![place("name", text("glad"), &[])],
            "crm.item.name: the type mood does not take what would be written into name",
        ),
        (
            "alter name type uuid using gen_random_uuid()",
            vec![place("name", Put::Computed, &["p1"])],
            "crm.item.name: the type uuid does not take what would be written into name",
        ),
    ] {
        let (arena, _) = arena(&format!(
            "create domain mail as text check (value like 'user%'); create type mood as enum ('sad'); {ITEM}
             alter table item {change}"
        ))
        .await;
        let step = step(&arena, places).await;
        let found = unfit(&arena.connector.preflight(&step).await.unwrap());
        assert_eq!(found.join(""), expected, "{change}");
    }
}

/// What updates fire is looked at, and what only deletes or other columns do is not.
#[tokio::test]
async fn triggers_on_updates_are_looked_at() {
    let trigger = |when: &str, body: &str| {
        format!(
            "{ITEM} create table audit (email text);
             create function f() returns trigger language plpgsql as $$ begin {body} end $$;
             create trigger f {when} on item for each row execute function f()"
        )
    };
    let copy = "insert into audit values (old.email); return new;";
    for (sql, expected) in [
        (trigger("after update", copy), "trigger_copies"),
        (trigger("after update of email, n", copy), "trigger_copies"),
        (trigger("after update of n", copy), ""),
        (trigger("after delete", copy), ""),
        (trigger("before update", "return null;"), "trigger_before_delete"),
        (format!("{ITEM} create rule r as on update to item do instead nothing"), "delete_rule"),
        (format!("{ITEM} create rule r as on delete to item do instead nothing"), ""),
    ] {
        let (arena, _) = arena(&sql).await;
        let step = step(&arena, vec![place("email", Put::Constant(Value::Null), &[])]).await;
        let findings = arena.connector.preflight(&step).await.unwrap();
        let told = ["trigger_copies", "trigger_before_delete", "delete_rule"];
        let found: Vec<&str> = findings.iter().map(|f| f.id.as_str()).filter(|id| told.contains(id)).collect();
        assert_eq!(found.join(","), expected, "{sql}");
    }
}

/// The grants that are printed are enough, and without them the check says which columns are missing.
#[tokio::test]
async fn a_role_needs_update_on_what_is_written_and_no_more() {
    let (arena, database) = arena(&format!("{ITEM} alter table item add done date")).await;
    let mut wanted = step(&arena, vec![place("email", Put::Computed, &["p1"])]).await;
    if let Action::Transform(rewrite) = &mut wanted.action {
        rewrite.marker = Some(Marker { column: "done".into(), value: Value::Text("2027-01-01".into()) });
    }
    wanted.selection.undone = vec![forgetd_connector::Undone::Unmarked("done".into())];
    let grants = arena.connector.step_grants(&wanted, "ROLE");
    assert!(grants.contains("grant select, update (\"email\", \"done\") on table \"public\".\"item\" to \"ROLE\""));
    assert!(!grants.contains("delete"), "{grants}");
    let (poor, role) =
        as_role(arena, &database, "grant select on item to ROLE; grant update (email) on item to ROLE;").await;
    let findings = poor.connector.preflight(&wanted).await.unwrap();
    let missing = findings.iter().find(|finding| finding.blocking_cause() == Some(Cause::Privilege)).unwrap();
    assert_eq!(missing.message, format!("the role {role} lacks UPDATE on done"));
    database.sql(&grants.replace("ROLE", &role)).await;
    assert_eq!(blocking(&*poor.connector, &wanted).await, []);
    let done = poor.drain(&wanted, 7).await;
    assert_eq!((done.changed, done.passed), (20, 0));
    database.sql(&format!("drop owned by {role}; drop role {role}")).await;
}
