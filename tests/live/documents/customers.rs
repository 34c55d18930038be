//! Customers as a bank's application keeps them: no date but the one in their ObjectIds, lists of numbers, a map whose keys
//! are generated, a birth date. All of it transformed by paths, and what lies beside them is as it was.

use mongodb::bson::doc;
use serde_json::{Value, json};

use crate::harness::{Mongo, Policy, Program, Rule};

/// Every fifth one came after the period.
const CUSTOMERS: u32 = 250;

/// Seconds of ObjectIds: 2019, and 2090.
const MADE: [u32; 2] = [1_554_300_878, 3_786_912_000];

fn is_due(n: u32) -> bool {
    !n.is_multiple_of(5)
}

fn oid(n: u32) -> String {
    format!("{:08x}a2dd94ee58{n:06x}", MADE[usize::from(!is_due(n))])
}

/// A generated key.
fn key(n: u32, tier: u32) -> String {
    format!("{:032x}", u128::from(n * 31 + tier) * 0x0123_4567_89ab_cdef_0123_4567)
}

fn customer(n: u32) -> Value {
    let born = i64::from(n) * 86_400_000 * 30 + 226_117_231_000;
    let accounts: Vec<Value> =
        (0..n % 7).map(|a| json!({ "$numberInt": (300_000 + n * 10 + a).to_string() })).collect();
    let tier = |tier: u32| {
        let key = key(n, tier);
        let benefits = ["sports tickets", "concierge services"][..tier as usize % 3].to_vec();
        (
            key.clone(),
            json!({ "tier": "Bronze", "id": key, "active": tier == 0, "benefits": benefits, "contact": format!("t{tier}.{n}@example.com") }),
        )
    };
    json!({
        "_id": { "$oid": oid(n) },
        "username": format!("user{n}"),
        "name": format!("Customer {n}"),
        "address": format!("{n} Bethany Glens\nVasqueztown, CO 22939"),
        "birthdate": { "$date": { "$numberLong": born.to_string() } },
        "email": format!("customer{n}@example.com"),
        "active": true,
        "accounts": accounts,
        "tier_and_details": (0..n % 3).map(tier).collect::<serde_json::Map<String, Value>>(),
    })
}

#[test]
fn customers_are_transformed_by_paths_and_lists_and_maps_beside_them_stay() {
    let Some(documents) = Mongo::database() else { return };
    documents.insert("customers", (0..CUSTOMERS).map(customer));
    let (one, another) = (key(1, 0), key(2, 1));
    let columns = format!(
        "username: {{ pseudonymize: text, domain: people }}, name: {{ redact: gone }}, address: {{ redact: null }}, \
         email: {{ pseudonymize: email, domain: people }}, birthdate: {{ generalize: year }}, \
         tier_and_details.{one}.contact: {{ pseudonymize: email, domain: people }}, \
         'tier_and_details.{another}.benefits[]': {{ redact: gone }}"
    );
    let since = "{ column: _id, as: object_id }";
    let rule = Rule::transform("customers", "customers", since, &format!("{{ columns: {{ {columns} }} }}"));
    let policy = Policy::new(&documents.url()).with("throttle: { batch_rows_max: 60 }").pseudonyms().rule(&rule);
    let program = Program::installed(&policy).pseudonym_key();
    let before = documents.find("customers", doc! {});
    let due = u64::from((0..CUSTOMERS).filter(|n| is_due(*n)).count() as u32);
    let plan = program.call(&["plan", "--json"]).expect(0).lines().remove(0);
    assert_eq!((&plan["due"], &plan["due_exact"]), (&json!(due), &json!(true)), "{plan}");
    let report = program.run(0);
    assert_eq!(
        (&report["verdict"], &report["changed"], &report["left"]),
        (&json!("clean"), &json!(due), &json!(0)),
        "{report}"
    );
    let mut touched = 0;
    for (before, after) in before.iter().zip(documents.find("customers", doc! {})) {
        let kept = before["_id"]["$oid"].as_str().unwrap().starts_with(&format!("{:08x}", MADE[1]));
        if kept {
            assert_eq!(*before, after);
            continue;
        }
        let mut expected = before.clone();
        let token = |value: &Value| value.as_str().filter(|token| token.starts_with("fg1")).map(|token| json!(token));
        for name in ["username", "email"] {
            expected[name] = token(&after[name]).unwrap_or_else(|| panic!("{name} of {after}"));
        }
        (expected["name"], expected["address"]) = (json!("gone"), Value::Null);
        // The year of the birth date is what it was, and its first moment is left.
        expected["birthdate"] = after["birthdate"].clone();
        let born =
            |customer: &Value| serde_json::from_value::<mongodb::bson::Bson>(customer["birthdate"].clone()).unwrap();
        let born = |customer: &Value| born(customer).as_datetime().unwrap().try_to_rfc3339_string().unwrap();
        assert_eq!(born(&after), format!("{}-01-01T00:00:00Z", &born(before)[..4]));
        if let Some(tier) = expected["tier_and_details"].get_mut(&one) {
            tier["contact"] = token(&after["tier_and_details"][&one]["contact"]).expect("a token");
            touched += 1;
        }
        if let Some(tier) = expected["tier_and_details"].get_mut(&another) {
            tier["benefits"].as_array_mut().unwrap().fill(json!("gone"));
            touched += 1;
        }
        assert_eq!(after, expected, "types, lists and the other keys of the map are as they were");
    }
    assert_eq!(touched, 2, "each generated key is one customer's");
    assert_eq!(program.rows_in_evidence(), due);
    assert_eq!(program.run(0)["changed"], json!(0));
}
