//! No value is transformed twice, however often a rule runs; what the application writes into a row that was done is.

use serde_json::json;

use crate::harness::{Database, Policy, Program, Rule, every_engine};

const TABLE: &str = "create table contact (id integer primary key, email varchar(60), phone varchar(30), card varchar(30), \
                     seen_at {naive} not null, forgotten_at {naive});\n\
                     insert into contact values \
                     (1, 'Ada@Example.com ', '+46 70-123 45 67', '4111-1111-1111-1111', '2020-01-01 00:00:00', null), \
                     (2, null, null, null, '2020-01-01 00:00:00', null), \
                     (3, 'ada@example.com', '+46701234567', '4111 1111 1111 1111', '2999-01-01 00:00:00', null)";

fn program(database: &dyn Database) -> Program {
    database.exec(&TABLE.replace("{naive}", database.naive()));
    let transform = "{ marker: forgotten_at, columns: { email: { pseudonymize: email, domain: people }, \
                     phone: { pseudonymize: phone, domain: people }, \
                     card: { pseudonymize: digits, domain: people, check_digit: luhn } } }";
    let rule = Rule::transform("leads", "contact", "{ column: seen_at, zone: UTC }", transform);
    Program::installed(&Policy::new(&database.url()).pseudonyms().rule(&rule)).pseudonym_key()
}

fn lead(database: &dyn Database, id: u64) -> Vec<Option<String>> {
    database.rows(&format!("select email, phone, card from contact where id = {id}")).remove(0)
}

#[test]
fn a_row_is_done_once_and_again_when_it_was_used_again() {
    every_engine(|database| {
        let engine = database.engine();
        let program = program(database);
        let report = program.run(0);
        assert_eq!((&report["verdict"], &report["changed"]), (&json!("clean"), &json!(2)), "{engine}: {report}");
        let done = lead(database, 1);
        let text = |n: usize| done[n].clone().unwrap();
        assert!(text(0).ends_with("@pseudonym.invalid"), "{engine}");
        assert!(text(1).starts_with('+') && text(1).len() == 12, "{engine}: {}", text(1));
        assert_eq!(text(2).matches('-').count(), 3, "{engine}");
        assert_ne!(text(2), "4111-1111-1111-1111", "{engine}");
        assert_eq!(lead(database, 2), [None, None, None], "{engine}: NULL stays NULL");
        assert_eq!(lead(database, 3)[0].as_deref(), Some("ada@example.com"), "{engine}: not due");

        let again = program.run(0);
        assert_eq!((&again["verdict"], &again["changed"]), (&json!("clean"), &json!(0)), "{engine}: {again}");
        assert_eq!(lead(database, 1), done, "{engine}");

        // The application uses the row once more and writes an address into it, and then no more.
        let lately = forgetd::clock::now().checked_sub(jiff::SignedDuration::from_hours(31 * 24)).unwrap();
        let lately = lately.strftime("%Y-%m-%d %H:%M:%S");
        database.exec(&format!("update contact set email = 'ADA@example.com', seen_at = '{lately}' where id = 1"));
        let reused = program.run(0);
        assert_eq!((&reused["verdict"], &reused["changed"]), (&json!("clean"), &json!(1)), "{engine}: {reused}");
        assert_eq!(lead(database, 1), done, "{engine}: the same person, the same token; digits are not done twice");
    });
}

#[test]
fn one_person_is_one_token_however_the_value_is_spelt() {
    every_engine(|database| {
        let program = program(database);
        database.exec("update contact set seen_at = '2020-01-02 00:00:00' where id = 3");
        program.approve("leads");
        let report = program.run(0);
        assert_eq!((&report["verdict"], &report["changed"]), (&json!("clean"), &json!(3)), "{report}");
        let (a, b) = (lead(database, 1), lead(database, 3));
        assert_eq!((&a[0], &a[1]), (&b[0], &b[1]), "{}", database.engine());
    });
}
