//! Real input on every engine at once: customers without an invoice for a while lose their names, the sales stay as they are.

use serde_json::json;

use crate::harness::{Cluster, Database, Mysql, Policy, Postgres, Program, Rows, Rule, Sqlite};

/// Names of tables and columns, which the scripts spell differently.
#[derive(Clone, Copy)]
struct Names {
    script: &'static str,
    customer: &'static str,
    invoice: &'static str,
    id: &'static str,
    first: &'static str,
    last: &'static str,
    email: &'static str,
    phone: &'static str,
    postcode: &'static str,
    date: &'static str,
    form: &'static str,
    country: &'static str,
    month: &'static str,
}

const POSTGRES: Names = Names {
    script: include_str!("../data/chinook/postgres.sql"),
    customer: "customer",
    invoice: "invoice",
    id: "customer_id",
    first: "first_name",
    last: "last_name",
    email: "email",
    phone: "phone",
    postcode: "postal_code",
    date: "invoice_date",
    form: "zone: UTC",
    country: "billing_country",
    month: "to_char(invoice_date, 'YYYY-MM')",
};

const SQLITE: Names = Names {
    script: include_str!("../data/chinook/sqlite.sql"),
    customer: "Customer",
    invoice: "Invoice",
    id: "CustomerId",
    first: "FirstName",
    last: "LastName",
    email: "Email",
    phone: "Phone",
    postcode: "PostalCode",
    date: "InvoiceDate",
    form: "zone: UTC, as: timestamp",
    country: "BillingCountry",
    month: "substr(InvoiceDate, 1, 7)",
};

const MYSQL: Names = Names {
    script: include_str!("../data/chinook/mysql.sql"),
    form: "zone: UTC",
    month: "date_format(InvoiceDate, '%Y-%m')",
    ..SQLITE
};

/// Nobody's invoice lies around it, so the hour at which the test runs does not matter.
const CUTOFF: &str = "2025-06-20";

/// Customers whose last invoice is older, in every database.
const DUE: u64 = 28;

fn rule(name: &str, database: &str, names: &Names, days: i64) -> Rule {
    let Names { customer, invoice, id, first, last, email, phone, postcode, date, form, .. } = names;
    let columns = format!(
        "{email}: {{ pseudonymize: email, domain: people }}, {first}: {{ pseudonymize: text, domain: people }}, \
         {last}: {{ redact: gone }}, {phone}: {{ redact: null }}, {postcode}: {{ generalize: {{ prefix: 2 }} }}"
    );
    let since = format!("{{ latest: {{ table: {invoice}, column: {date}, on: {{ {id}: {id} }}, {form} }} }}");
    Rule::transform(name, customer, &since, &format!("{{ columns: {{ {columns} }} }}"))
        .with(&format!("database: {database}"))
        .with(&format!("keep_for: {days}d"))
        .with("when_null: delete")
}

/// Sales per country and month, in cents.
fn totals(database: &dyn Database, names: &Names) -> Rows {
    let Names { invoice, country, month, .. } = names;
    let integer = if database.is_mysql() { "signed" } else { "integer" };
    let mut rows = database.rows(&format!(
        "select {country}, {month}, count(*), cast(round(sum(total) * 100) as {integer}) from {invoice} group by 1, 2"
    ));
    // Each engine has an order of its own.
    rows.sort();
    rows
}

/// Every customer's key, e-mail and names.
fn customers(database: &dyn Database, names: &Names) -> Rows {
    let Names { customer, id, first, last, email, phone, postcode, .. } = names;
    database.rows(&format!("select {id}, {email}, {first}, {last}, {phone}, {postcode} from {customer} order by {id}"))
}

fn due(database: &dyn Database, names: &Names) -> Vec<String> {
    let Names { customer, invoice, id, date, .. } = names;
    let rows = database.rows(&format!(
        "select {id} from {customer} c where not exists \
         (select * from {invoice} i where i.{id} = c.{id} and {date} >= '{CUTOFF}') order by {id}"
    ));
    rows.into_iter().map(|row| row[0].clone().unwrap()).collect()
}

/// Sales, and customers, of every database.
fn everything(databases: &[(Box<dyn Database>, Names)]) -> Vec<(Rows, Rows)> {
    databases.iter().map(|(database, names)| (totals(&**database, names), customers(&**database, names))).collect()
}

/// Each engine's database, with the script's rows in it.
fn databases() -> Vec<(Box<dyn Database>, Names)> {
    let mut all: Vec<(Box<dyn Database>, Names)> =
        vec![(Box::new(Postgres::database()), POSTGRES), (Box::new(Sqlite::database()), SQLITE)];
    all.extend(Mysql::each().map(|database| (Box::new(database) as Box<dyn Database>, MYSQL)));
    all.iter().for_each(|(database, names)| database.exec(names.script));
    all
}

/// One policy for all of them.
fn policy(databases: &[(Box<dyn Database>, Names)]) -> Policy {
    let today: jiff::civil::Date = databases[0].0.value("select current_date").parse().unwrap();
    let days = i64::from((today - CUTOFF.parse::<jiff::civil::Date>().unwrap()).get_days());
    let mut policy = Policy::new(&databases[0].0.url()).pseudonyms();
    for (n, (database, names)) in databases.iter().enumerate() {
        let name = if n == 0 { "main" } else { database.engine() };
        if n > 0 {
            policy = policy.another(name, &database.url());
        }
        policy = policy.rule(&rule(&format!("in-{}", database.engine()), name, names, days));
    }
    policy
}

#[test]
fn the_person_goes_and_the_sale_stays_and_tokens_join_all_databases() {
    transform(&databases());
}

#[test]
fn the_same_on_a_group() {
    if Cluster::Group.is_given() {
        let group = Mysql::on_nodes(Cluster::Group).expect("it is there");
        let all: Vec<(Box<dyn Database>, Names)> =
            vec![(Box::new(group), MYSQL), (Box::new(Sqlite::database()), SQLITE)];
        all.iter().for_each(|(database, names)| database.exec(names.script));
        transform(&all);
    }
}

fn transform(databases: &[(Box<dyn Database>, Names)]) {
    let program = Program::installed(&policy(databases)).pseudonym_key();
    let before = everything(databases);
    let meant = due(&*databases[0].0, &databases[0].1);
    for (database, names) in databases {
        assert_eq!((meant.len() as u64, &meant), (DUE, &due(&**database, names)), "the same people in each");
    }

    for plan in program.call(&["plan", "--json"]).expect(0).lines() {
        assert_eq!((&plan["action"], &plan["due"]), (&json!("transform"), &json!(DUE)), "{plan}");
    }
    for report in program.call(&["run", "--json"]).expect(0).lines() {
        assert_eq!((&report["verdict"], &report["changed"]), (&json!("clean"), &json!(DUE)), "{report}");
    }
    let after = everything(databases);
    for ((totals_before, rows_before), (totals_after, rows_after)) in before.iter().zip(&after) {
        assert_eq!(totals_before, totals_after);
        for (before, after) in rows_before.iter().zip(rows_after) {
            let is_due = meant.contains(before[0].as_ref().unwrap());
            if !is_due {
                assert_eq!(before, after, "nobody else is touched");
                continue;
            }
            let text = |n: usize| after[n].clone().unwrap_or_default();
            assert!(text(1).starts_with("fg1") && text(1).ends_with("@pseudonym.invalid"), "{after:?}");
            assert!(text(2).starts_with("fg1") && text(2).len() == 26, "{after:?}");
            assert_eq!((text(3).as_str(), &after[4]), ("gone", &None));
            assert_eq!(after[5], before[5].as_ref().map(|code| code.chars().take(2).collect::<String>()));
        }
    }
    for other in &after[1..] {
        assert_eq!((&after[0].0, &after[0].1), (&other.0, &other.1), "the same sums, the same tokens");
    }
    let tokens: std::collections::BTreeSet<_> = after[0].1.iter().map(|row| row[1].clone()).collect();
    assert_eq!(tokens.len(), after[0].1.len(), "no two people share one");
    assert_eq!(program.rows_in_evidence(), databases.len() as u64 * DUE);

    for report in program.call(&["run", "--json"]).expect(0).lines() {
        assert_eq!((&report["verdict"], &report["changed"]), (&json!("clean"), &json!(0)), "{report}");
    }
    assert_eq!(everything(databases), after);
}
