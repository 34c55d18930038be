//! Paths into JSON: what lies there, by its JSON type, and unknown wherever nothing does.

use forgetd_connector::{Check, Comparison, Path, PathStep, Value};

use crate::truth::{Rows, at, text};

use Comparison::{Equal, Greater, Less, NotEqual};

/// A path below `v`; `[]` is every element.
fn path(steps: &[&str]) -> Path {
    let step = |step: &&str| if *step == "[]" { PathStep::Each } else { PathStep::Field((*step).into()) };
    Path { column: "v".into(), steps: steps.iter().map(step).collect() }
}

fn equal(value: Value) -> Check {
    Check::Compare(Equal, value)
}

/// A value as SQL, of each of these texts.
fn documents<'a>(texts: &'a [&'a str]) -> Vec<String> {
    texts.iter().map(|text| format!("'{}'", text.replace('\'', "''"))).collect()
}

async fn rows(declared: &str, documents: &[String]) -> Rows {
    Rows::new(declared, &documents.iter().map(String::as_str).collect::<Vec<_>>()).await
}

const SCALARS: [&str; 16] = [
    r#"{"a": "x"}"#,
    r#"{"a": "X"}"#,
    r#"{"a": 5}"#,
    r#"{"a": 5.0}"#,
    r#"{"a": "5"}"#,
    r#"{"a": true}"#,
    r#"{"a": false}"#,
    r#"{"a": null}"#,
    r#"{"a": {}}"#,
    r#"{"a": ["x"]}"#,
    r#"{"b": "x"}"#,
    r#"{"a": "y", "a": "x"}"#,
    r#"["a", "x"]"#,
    r#""x""#,
    r#"{"a": "x""#,
    "",
];

#[tokio::test]
async fn what_lies_at_a_member_is_asked_by_its_json_type() {
    for (declared, as_stored) in [("text", "{}"), ("json", "{}"), ("", "cast({} as blob)"), ("blob", "jsonb({})")] {
        let stored: Vec<String> = documents(&SCALARS)
            .iter()
            .map(|text| match as_stored {
                // The broken ones have no JSONB.
                "jsonb({})" => format!("case when json_valid({text}) then jsonb({text}) else x'ff' end"),
                form => form.replace("{}", text),
            })
            .collect();
        let rows = rows(declared, &stored).await;
        for (check, truths) in [
            (equal(text("x")), "TFUUFUUUUUUFUUUU"),
            (Check::Compare(NotEqual, text("x")), "FTUUTUUUUUUTUUUU"),
            (equal(text("5")), "FFUUTUUUUUUFUUUU"),
            (equal(Value::Int(5)), "UUTTUUUUUUUUUUUU"),
            (Check::Compare(Less, Value::Real(5.5)), "UUTTUUUUUUUUUUUU"),
            (Check::Compare(Greater, Value::Int(5)), "UUFFUUUUUUUUUUUU"),
            (equal(Value::Bool(true)), "UUUUUTFUUUUUUUUU"),
            (Check::Compare(NotEqual, Value::Bool(true)), "UUUUUFTUUUUUUUUU"),
            (Check::Compare(Less, Value::Bool(true)), "UUUUUUUUUUUUUUUU"),
            (Check::In(vec![Value::Int(1), text("y"), Value::Bool(false)]), "FFFFFFTUUUUTUUUU"),
            (Check::NotIn(vec![Value::Int(1), text("y")]), "TTTTTUUUUUUFUUUU"),
            (Check::Prefix("x".into()), "TFUUFUUUUUUFUUUU"),
            (Check::Like("_".into()), "TTUUTUUUUUUTUUUU"),
            (Check::Null(true), "FFFFFFFTFFTFTTTT"),
            (Check::Null(false), "TTTTTTTFTTFTFFFF"),
            (Check::Exists(true), "TTTTTTTTTTFTFFFF"),
            (Check::Exists(false), "FFFFFFFFFFTFTTTT"),
        ] {
            assert_eq!(rows.truths(at(path(&["a"]), check.clone())).await, truths, "{declared} {as_stored} {check:?}");
        }
    }
}

#[tokio::test]
async fn any_name_is_found_as_it_is_meant() {
    let names = [
        "", "a.b", "$", "$.a", "a\"b", "a'b", "[0]", "0", "#-1", "\\", "\\u0061", "é", "e\u{301}", "a\0b", "A", "*",
        "key", "value",
    ];
    let encode = |name: &str| {
        let mut text = String::from("\"");
        for character in name.chars() {
            match character {
                '"' | '\\' => text.extend(['\\', character]),
                '\0' => text.push_str("\\u0000"),
                other => text.push(other),
            }
        }
        text + "\""
    };
    let texts: Vec<String> = names.iter().map(|name| format!("{{\"x\": 0, {}: 1}}", encode(name))).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let rows = rows("text", &documents(&texts)).await;
    for (at_row, name) in names.iter().enumerate() {
        let mut truths = "U".repeat(names.len());
        truths.replace_range(at_row..=at_row, "T");
        assert_eq!(rows.truths(at(path(&[name]), equal(Value::Int(1)))).await, truths, "{name:?}");
    }
    // Written another way, it is the same name.
    let rows = self::rows("text", &documents(&[r#"{"\u0061": 1}"#, r#"{"a": 1}"#, r#"{"A": 1}"#])).await;
    assert_eq!(rows.truths(at(path(&["a"]), equal(Value::Int(1)))).await, "TTU");
}

#[tokio::test]
async fn names_lead_down_and_stop_where_nothing_is() {
    let documents = documents(&[
        r#"{"a": {"b": {"c": "x"}}}"#,
        r#"{"a": {"b": {"c": "y"}}}"#,
        r#"{"a": {"b": "x"}}"#,
        r#"{"a": "{\"b\": {\"c\": \"x\"}}"}"#,
        r#"{"a": [{"b": {"c": "x"}}]}"#,
        r#"{"a": {"b": {"c": null}}}"#,
        r#"{"a": 1, "a": {"b": {"c": "x"}}}"#,
        r#"{"a": {"b": {"c": "x", "c": "y"}}}"#,
        r#"{"a": null}"#,
        "5",
        "[]",
    ]);
    let rows = rows("json", &documents).await;
    let path = path(&["a", "b", "c"]);
    assert_eq!(rows.truths(at(path.clone(), equal(text("x")))).await, "TFUUUUUTUUU");
    assert_eq!(rows.truths(at(path.clone(), Check::Null(true))).await, "FFTTTTTFTTT");
    assert_eq!(rows.truths(at(path, Check::Exists(true))).await, "TTFFFTFTFFF");
}

#[tokio::test]
async fn every_element_means_one_of_them() {
    let documents = documents(&[
        r#"{"a": ["x", "y"]}"#,
        r#"{"a": ["y", "z"]}"#,
        r#"{"a": ["y", 5]}"#,
        r#"{"a": ["x", 5]}"#,
        r#"{"a": [null]}"#,
        r#"{"a": []}"#,
        r#"{"a": "x"}"#,
        r#"{"a": {"0": "x"}}"#,
        r#"{"b": ["x"]}"#,
        r#"{"a": [["x"]]}"#,
        r#"["x"]"#,
        "broken",
    ]);
    let rows = rows("text", &documents).await;
    let each = path(&["a", "[]"]);
    assert_eq!(rows.truths(at(each.clone(), equal(text("x")))).await, "TFUTUUUUUUUU");
    assert_eq!(rows.truths(at(each.clone(), Check::Compare(NotEqual, text("x")))).await, "TTTUUUUUUUUU");
    assert_eq!(rows.truths(at(each.clone(), Check::NotIn(vec![text("x"), Value::Int(5)]))).await, "TTTFUUUUUUUU");
    assert_eq!(rows.truths(at(path(&["[]"]), equal(text("x")))).await, "UUUUUUUUUUTU");
    assert_eq!(rows.truths(at(path(&["a", "[]", "[]"]), equal(text("x")))).await, "UUUUUUUUUTUU");
}

#[tokio::test]
async fn members_of_elements_of_elements() {
    let documents = documents(&[
        r#"[{"k": [{"n": 1}, {"n": 2}]}, {"k": []}]"#,
        r#"[{"k": [{"n": 3}]}, {"k": [{"n": 4}]}]"#,
        r#"[{"k": [{"n": 3}]}, {"k": [{"m": 4}]}]"#,
        r#"[{"k": [{"n": 3}]}, {}]"#,
        r#"[{"k": [{"n": "1"}, {"n": 1, "n": 2}]}]"#,
        r#"[{"k": {"n": 1}}]"#,
    ]);
    for stored in [documents.clone(), documents.iter().map(|text| format!("jsonb({text})")).collect()] {
        let rows = rows("", &stored).await;
        assert_eq!(rows.truths(at(path(&["[]", "k", "[]", "n"]), equal(Value::Int(1)))).await, "TFUUTU");
    }
}

#[tokio::test]
async fn what_is_no_json_has_nothing_inside_and_fails_no_row() {
    let stored: Vec<String> = [
        "null",
        "5",
        "5.5",
        "'5'",
        "x''",
        "x'ff'",
        // Eight bytes that JSONB's header could mean, and text all the same.
        "cast('{\"a\":11}' as blob)",
        "'{\"a\":11}' || char(0)",
        "'{\"a\":11} '",
        "'{\"a\":11,}'",
        "'{a:11}'",
        "'{\"a\":+11}'",
        "'{\"a\":11}{}'",
        "replace(hex(zeroblob(2000)), '00', '[') || replace(hex(zeroblob(2000)), '00', ']')",
        "'{\"a\":11e0}'",
        "'{\"a\":11.0000000000000000001}'",
    ]
    .map(str::to_owned)
    .to_vec();
    let rows = rows("", &stored).await;
    assert_eq!(rows.truths(at(path(&["a"]), equal(Value::Int(11)))).await, "UUUUUUTUTUUUUUTT");
    assert_eq!(rows.truths(at(path(&["a"]), Check::Null(true))).await, "TTTTTTFTFTTTTTFF");
    assert_eq!(rows.truths(at(path(&["[]"]), equal(Value::Int(11)))).await, "U".repeat(16));
}

#[tokio::test]
async fn a_table_may_have_any_names() {
    use forgetd_connector::{Predicate, SinceForm};

    use crate::fixture::{arena, due, selection};

    for table in ["j1", "J1", "part1", "other", "key"] {
        let (arena, _file) = arena(&format!(
            "create table `{table}` (id integer primary key, value text, type int not null default 0, key text);
             insert into `{table}` (value, key) values ('{{\"key\": [\"a\"]}}', 'b'), ('{{\"key\": [\"b\"]}}', 'a')"
        ))
        .await;
        let mut selection = selection(table, "type", Some(SinceForm::UnixS), "2024-01-01T00:00:00Z");
        let path = Path { column: "value".into(), steps: vec![PathStep::Field("key".into()), PathStep::Each] };
        selection.terms.predicate =
            Predicate::All(vec![at(path, equal(text("a"))), at(Path::column("key"), equal(text("b")))]);
        assert_eq!(due(&arena, selection).await, [1], "{table}");
    }
}
