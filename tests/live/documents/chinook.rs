//! Real input shaped as documents: the same survivors, the same tokens and the same sums as in tables.

use jiff::civil::Date;
use mongodb::bson::doc;
use serde_json::{Value, json};

use crate::harness::{Database as _, Mongo, Policy, Program, Rows, Rule, Sqlite};

/// As in tables: no invoice lies around it, so the hour at which the test runs does not matter.
const CUTOFF: &str = "2023-07-01";

/// The same for the customers' last invoices.
const LAST_SEEN: &str = "2025-06-20";

/// The tables, and the same as documents: an invoice holds its lines, a customer's name and contact lie inside.
fn filled() -> Option<(Sqlite, Mongo)> {
    let documents = Mongo::database()?;
    let tables = Sqlite::database();
    tables.exec(include_str!("../data/chinook/sqlite.sql"));
    documents.insert("invoice", invoices(&tables));
    documents.insert("customer", customers(&tables));
    Some((tables, documents))
}

fn number(cell: &Option<String>) -> i64 {
    cell.as_deref().expect("not null").parse().expect("a number")
}

fn invoices(tables: &Sqlite) -> Vec<Value> {
    let line = |row: &Vec<Option<String>>| json!({ "line": number(&row[0]), "cents": number(&row[1]) });
    let lines = tables
        .rows("select InvoiceLineId, cast(round(UnitPrice * Quantity * 100) as integer), InvoiceId from InvoiceLine");
    let rows = tables.rows(
        "select InvoiceId, CustomerId, BillingCountry, cast(round(Total * 100) as integer), \
         cast(unixepoch(InvoiceDate) as text) || '000' from Invoice",
    );
    let invoice = |row: &Vec<Option<String>>| {
        let lines: Vec<Value> = lines.iter().filter(|line| line[2] == row[0]).map(line).collect();
        json!({
            "_id": number(&row[0]), "customer": number(&row[1]), "country": row[2], "cents": number(&row[3]),
            "placed": { "at": { "$date": { "$numberLong": row[4] } } }, "lines": lines,
        })
    };
    rows.iter().map(invoice).collect()
}

fn customers(tables: &Sqlite) -> Vec<Value> {
    // What is not there is no member, and stays none.
    let present = |members: &[(&str, &Option<String>)]| {
        let there = members.iter().filter(|(_, cell)| cell.is_some());
        Value::Object(there.map(|(name, cell)| ((*name).to_owned(), json!(cell))).collect())
    };
    let rows = tables.rows("select CustomerId, Email, FirstName, LastName, Phone, PostalCode from Customer");
    let customer = |row: &Vec<Option<String>>| {
        json!({
            "_id": number(&row[0]),
            "contact": present(&[("email", &row[1]), ("phone", &row[4])]),
            "name": present(&[("first", &row[2]), ("last", &row[3])]),
            "postcode": row[5],
        })
    };
    rows.iter().map(customer).collect()
}

/// Days until today from a day of the tests.
fn days_since(tables: &Sqlite, day: &str) -> i32 {
    let today: Date = tables.value("select current_date").parse().unwrap();
    (today - day.parse::<Date>().unwrap()).get_days()
}

/// Keys and cents of invoices and of their lines.
fn sales(documents: &Mongo) -> (Vec<i64>, Vec<(i64, i64)>, i64) {
    let invoices = documents.find("invoice", doc! {});
    let number = |value: &Value| value.as_i64().expect("a number");
    let each = |line: &Value| (number(&line["line"]), number(&line["cents"]));
    let mut lines: Vec<(i64, i64)> =
        invoices.iter().flat_map(|invoice| invoice["lines"].as_array().unwrap()).map(each).collect();
    lines.sort_unstable();
    let cents = invoices.iter().map(|invoice| number(&invoice["cents"])).sum();
    (invoices.iter().map(|invoice| number(&invoice["_id"])).collect(), lines, cents)
}

#[test]
fn invoices_before_the_cutoff_go_and_what_is_after_it_stays() {
    let Some((tables, documents)) = filled() else { return };
    let rule = Rule::delete("invoices", "invoice", "placed.at")
        .with("when_null: keep")
        .with(&format!("keep_for: {}d", days_since(&tables, CUTOFF)));
    let program = Program::installed(&Policy::new(&documents.url()).rule(&rule));
    let check = program.call(&["check", "--connect", "--json"]).expect(0).object();
    let atomicity = check["databases"]["main"]["atomicity"].as_str().unwrap();
    assert!(atomicity.starts_with("sealed"), "{check}");
    let plan = program.call(&["plan", "--json"]).expect(0).lines().remove(0);
    let report = program.run(0);
    assert_eq!((&report["verdict"], &report["changed"], &report["left"]), (&json!("clean"), &json!(208), &json!(0)));
    assert_eq!((&plan["due"], &plan["due_exact"]), (&json!(208), &json!(true)), "the plan says what happens");
    let keys = |sql: &str| tables.rows(sql).iter().map(|row| number(&row[0])).collect::<Vec<_>>();
    let meant = keys(&format!("select InvoiceId from Invoice where InvoiceDate >= '{CUTOFF}' order by 1"));
    let lines = tables.rows(&format!(
        "select InvoiceLineId, cast(round(l.UnitPrice * l.Quantity * 100) as integer) from InvoiceLine l \
         join Invoice using (InvoiceId) where InvoiceDate >= '{CUTOFF}' order by 1"
    ));
    let lines: Vec<(i64, i64)> = lines.iter().map(|row| (number(&row[0]), number(&row[1]))).collect();
    let cents = tables.value(&format!(
        "select cast(sum(round(Total * 100)) as integer) from Invoice where InvoiceDate >= '{CUTOFF}'"
    ));
    let (left, lines_left, cents_left) = sales(&documents);
    assert_eq!((left.len(), lines_left.len()), (204, 1_103));
    assert_eq!((left, lines_left, cents_left.to_string()), (meant, lines, cents));
    for batch in program.entries("batch") {
        assert_eq!(batch["atomicity"], "sealed");
        let (changed, counts) = (&batch["changed"], &batch["sealed"]);
        assert_eq!((changed, &counts["kept"]), (&counts["gone"], &json!(0)), "nobody came between: {batch}");
    }
    assert_eq!(program.rows_in_evidence(), 208);
    assert_eq!(program.run(0)["changed"], 0);
}

fn rule(name: &str, database: &str, table: &str, since: &str, [email, first, last, phone]: [&str; 4]) -> Rule {
    let columns = format!(
        "{email}: {{ pseudonymize: email, domain: people }}, {first}: {{ pseudonymize: text, domain: people }}, \
         {last}: {{ redact: gone }}, {phone}: {{ redact: null }}"
    );
    Rule::transform(name, table, &format!("{{ latest: {since} }}"), &format!("{{ columns: {{ {columns} }} }}"))
        .with(&format!("database: {database}"))
        .with("when_null: delete")
}

/// Key, e-mail, names, phone and postcode of everybody.
fn people(documents: &Mongo) -> Rows {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let row = |customer: &Value| {
        let (contact, name) = (&customer["contact"], &customer["name"]);
        let id = customer["_id"].to_string();
        let postcode = &customer["postcode"];
        vec![
            Some(id),
            text(&contact["email"]),
            text(&name["first"]),
            text(&name["last"]),
            text(&contact["phone"]),
            text(postcode),
        ]
    };
    documents.find("customer", doc! {}).iter().map(row).collect()
}

#[test]
fn the_person_goes_and_tokens_join_documents_and_tables() {
    let Some((tables, documents)) = filled() else { return };
    let keep_for = format!("keep_for: {}d", days_since(&tables, LAST_SEEN));
    let in_tables = rule(
        "in-tables",
        "main",
        "Customer",
        "{ table: Invoice, column: InvoiceDate, on: { CustomerId: CustomerId }, zone: UTC, as: timestamp }",
        ["Email", "FirstName", "LastName", "Phone"],
    );
    let in_documents = rule(
        "in-documents",
        "documents",
        "customer",
        "{ table: invoice, column: placed.at, on: { customer: _id } }",
        ["contact.email", "name.first", "name.last", "contact.phone"],
    );
    let policy = Policy::new(&tables.url())
        .another("documents", &documents.url())
        .pseudonyms()
        .rule(&in_tables.with(&keep_for))
        .rule(&in_documents.with(&keep_for));
    let program = Program::installed(&policy).pseudonym_key();
    let before = (documents.find("invoice", doc! {}), people(&documents));
    for plan in program.call(&["plan", "--json"]).expect(0).lines() {
        assert_eq!((&plan["action"], &plan["due"]), (&json!("transform"), &json!(28)), "{plan}");
    }
    for report in program.call(&["run", "--json"]).expect(0).lines() {
        assert_eq!((&report["verdict"], &report["changed"]), (&json!("clean"), &json!(28)), "{report}");
    }
    let rows = tables.rows("select CustomerId, Email, FirstName, LastName, Phone, PostalCode from Customer order by 1");
    assert_eq!(people(&documents), rows, "the same tokens, the same people");
    assert_eq!(before.0, documents.find("invoice", doc! {}), "the sale stays as it was");
    let pairs = || before.1.iter().zip(&rows);
    assert_eq!(pairs().filter(|(before, after)| before != after).count(), 28);
    let original: Vec<&str> = pairs().filter(|(a, b)| a != b).filter_map(|(before, _)| before[1].as_deref()).collect();
    let said = format!("{:?}{:?}", program.evidence(), documents.find_control("receipt", doc! {}));
    assert!(original.iter().all(|email| !said.contains(email)), "an address is in evidence or receipts");
    assert_eq!(program.rows_in_evidence(), 56);
    for report in program.call(&["run", "--json"]).expect(0).lines() {
        assert_eq!((&report["verdict"], &report["changed"]), (&json!("clean"), &json!(0)), "{report}");
    }
}
