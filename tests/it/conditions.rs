//! What is written of conditions and moments reads back as the same.

use forgetd::config;
use forgetd::rules::{normal, written};
use forgetd_connector::{
    Check, Comparison, Joined, Latest, Path, PathStep, Predicate, Since, SinceColumn, SinceForm, TableRef, Test, Value,
};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use proptest::sample::select;

use crate::checks;

/// Names and texts that YAML, paths or the grammar could take for something else.
fn text() -> impl Strategy<Value = String> {
    let odd = [
        "any",
        "all",
        "not",
        "or_null",
        "eq",
        "on",
        "y",
        "No",
        "TRUE",
        "null",
        "~",
        "1",
        "010",
        "1e3",
        ".inf",
        "a.b",
        "a[]",
        "[",
        "]",
        "\\",
        "a\\",
        "\"",
        "'",
        ": ",
        " #",
        "- a",
        "&a",
        "*a",
        "!a",
        "%",
        "@",
        "`",
        "{",
        "}",
        ",",
        "?",
        "|",
        ">",
        " a ",
        "\t",
        "\n",
        "a\r\nb",
        "\u{7f}",
        "\u{85}",
        "\u{feff}",
        "\u{2028}",
        "\u{1f600}",
        "<<",
        "2024-01-01",
        "---",
        "...",
        "=",
    ];
    prop_oneof![select(odd.to_vec()).prop_map(String::from), "[a-z_]{1,8}", "\\PC{1,6}"]
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_filter("a policy has no other", |real| real.is_finite()).prop_map(Value::Real),
        select(vec![0.0, -0.0, 1.0, 1e300, 5e-324, 0.1]).prop_map(Value::Real),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(Value::Text),
        Just(Value::Text(String::new())),
        number(),
        any::<bool>().prop_map(Value::Bool)
    ]
}

fn values() -> impl Strategy<Value = Vec<Value>> {
    proptest::collection::vec(value(), 1..4)
}

fn path(many: bool) -> impl Strategy<Value = Path> {
    let step = prop_oneof![
        3 => text().prop_map(PathStep::Field),
        u32::from(many) => Just(PathStep::Each),
    ];
    (text(), proptest::collection::vec(step, 0..3)).prop_map(|(column, steps)| Path { column, steps })
}

/// A test that a policy can say.
fn test() -> impl Strategy<Value = Test> {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    let ordered = prop_oneof![text().prop_map(Value::Text), number()];
    let check = prop_oneof![
        (select(vec![Equal, NotEqual]), value()).prop_map(|(how, value)| Check::Compare(how, value)),
        (select(vec![Less, LessOrEqual, Greater, GreaterOrEqual]), ordered)
            .prop_map(|(how, value)| Check::Compare(how, value)),
        values().prop_map(Check::In),
        values().prop_map(Check::NotIn),
        text().prop_map(|text| Check::Like(format!("{}%", text.replace('\\', r"\\")))),
        text().prop_map(Check::Prefix),
    ];
    let of_values = (path(true), check, any::<bool>()).prop_map(|(path, check, or_null)| Test { path, check, or_null });
    let of_nothing = (path(false), any::<bool>(), any::<bool>()).prop_map(|(path, yes, null)| {
        let check = if null || path.steps.is_empty() { Check::Null(yes) } else { Check::Exists(yes) };
        Test { path, check, or_null: false }
    });
    prop_oneof![4 => of_values, 1 => of_nothing]
}

fn predicate() -> impl Strategy<Value = Predicate> {
    // Paths that come again, so that keys would stand twice.
    let again = (select(vec!["a", "b"]), test()).prop_map(|(column, test)| {
        let check = if matches!(test.check, Check::Exists(_)) { Check::Null(true) } else { test.check };
        Test { path: Path::column(column), check, ..test }
    });
    let leaf = prop_oneof![test(), again].prop_map(Predicate::Test);
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Predicate::All),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Predicate::Any),
            (inner, any::<bool>()).prop_map(|(part, or_null)| Predicate::Not { part: Box::new(part), or_null }),
        ]
    })
}

fn column() -> impl Strategy<Value = SinceColumn> {
    use SinceForm::{Date, Iso8601, Julian, Timestamp, UnixMs, UnixS};
    let zone = proptest::option::of(select(vec!["UTC", "Europe/Stockholm", "Etc/GMT+5"]));
    let form = proptest::option::of(select(vec![Timestamp, Date, Iso8601, UnixS, UnixMs, Julian]));
    (text(), zone, form).prop_map(|(column, zone, form)| SinceColumn {
        column,
        zone: zone.map(|zone| TimeZone::get(zone).unwrap()),
        form,
    })
}

fn since() -> impl Strategy<Value = Since> {
    let name = || text().prop_filter("patterns are no names of tables", |name| !name.contains(['*', '%']));
    let table = (proptest::option::of(name()), name()).prop_map(|(schema, name)| TableRef { schema, name });
    let on = proptest::collection::btree_map(text(), text(), 1..4);
    let latest = (table, column(), on, proptest::option::of(column())).prop_map(|(table, at, on, or)| {
        let on = on.into_iter().map(|(other, own)| Joined { other, own }).collect();
        Since::Latest(Box::new(Latest { table, at, on, or }))
    });
    let distinct = |columns: &Vec<SinceColumn>| {
        columns.iter().zip(1..).all(|(a, n)| columns[n..].iter().all(|b| a.column != b.column))
    };
    prop_oneof![
        column().prop_map(Since::Column),
        proptest::collection::vec(column(), 2..5).prop_filter("each once", distinct).prop_map(Since::Greatest),
        latest,
    ]
}

/// A text near the grammar.
fn near() -> impl Strategy<Value = String> {
    let words = [
        "any", "all", "not", "or_null", "eq", "ne", "lt", "in", "not_in", "like", "prefix", "is_null", "exists", "a",
        "a.b", "a[].b", "\\any", "'a\\.b'", "true", "null", "5", "'%'", "\"\"", "column", "greatest", "latest", "on",
        "or", "zone", "UTC", "as", "date", "table", "{", "}", "[", "]", ": ", ", ", "\n", "  ", "- ", "&x ", "*x",
    ];
    proptest::collection::vec(select(words.to_vec()), 0..24).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_predicate_reads_back(predicate in predicate()) {
        let meant = normal(predicate.clone());
        let Some(shown) = written::condition(&predicate) else {
            // Every row, or none.
            prop_assert!(matches!(&meant, Predicate::All(parts) | Predicate::Any(parts) if parts.is_empty()));
            return Ok(());
        };
        for yaml in [shown.to_string(), serde_saphyr::to_string(&shown).unwrap()] {
            match config::condition(&yaml) {
                Ok(read) => prop_assert!(read == meant, "{yaml}\n{shown}"),
                Err(problems) => prop_assert!(false, "{yaml}\n{problems}"),
            }
        }
    }

    #[test]
    fn a_since_reads_back(since in since()) {
        let shown = written::since(&since).unwrap();
        for yaml in [shown.to_string(), serde_saphyr::to_string(&shown).unwrap()] {
            match config::since(&yaml) {
                Ok(read) => prop_assert!(read == since, "{yaml}\n{read:?}"),
                Err(problems) => prop_assert!(false, "{yaml}\n{problems}"),
            }
        }
    }

    #[test]
    fn a_text_near_the_grammar_is_read_or_refused(text in near()) {
        checks::condition(text.as_bytes());
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,80}") {
        checks::condition(text.as_bytes());
        checks::path(text.as_bytes());
    }

    #[test]
    fn paths_read_back(text in "([a-c]|\\.|\\\\|\\[\\]|\\[|\\]){0,12}") {
        checks::path(text.as_bytes());
    }
}
