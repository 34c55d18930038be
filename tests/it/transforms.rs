//! What a rule's lanes get back for their rows.

use std::sync::Arc;

use forgetd::keys::{DomainKeys, Keyring, PseudonymKey};
use forgetd::transform::{Holder, KeyedTransform, TokenKind, Treated, Treatment};
use forgetd_connector::{Cause, Grain, NewRow, OldRow, Path, PathStep, Transform as _, Value};
use proptest::prelude::*;
use proptest::sample::select;

const DIGITS: TokenKind = TokenKind::Digits { check: None };

/// A key of the domain; `seed` makes the difference.
fn key(domain: &str, seed: u8) -> PseudonymKey {
    PseudonymKey::new(&format!("k{seed}"), domain, Some(&[seed; 32]), &[seed + 100; 32])
}

fn ring(domain: &str, seeds: &[u8]) -> Arc<Keyring> {
    let keys = seeds.iter().map(|seed| key(domain, *seed)).collect();
    Arc::new(Keyring::new([(domain.to_owned(), DomainKeys::new(keys, seeds.len().checked_sub(1)))]))
}

fn pseudonymize(kind: TokenKind, domain: &str) -> Treatment {
    Treatment::Pseudonymize { kind, domain: domain.into() }
}

fn treated(path: &str, treatment: Treatment) -> Treated {
    let path = Path::parse(path).unwrap();
    let holder = if path.steps.is_empty() { Holder::Text } else { Holder::Json };
    Treated { path, treatment, holder }
}

fn row(values: &[&str]) -> OldRow {
    let value = |text: &&str| if *text == "NULL" { Value::Null } else { Value::Text((*text).to_owned()) };
    OldRow { values: values.iter().map(value).collect(), marked: false }
}

fn one(transform: &KeyedTransform, row: OldRow) -> NewRow {
    transform.compute(&[row]).remove(0)
}

fn texts(new: NewRow) -> Vec<String> {
    match new {
        NewRow::Values(values) => values.iter().map(|value| value.canonical_text().into_owned()).collect(),
        other => panic!("{other:?}"),
    }
}

/// What one text becomes in a column of its own.
fn token(kind: TokenKind, domain: &str, seeds: &[u8], old: &str) -> Option<String> {
    let transform = KeyedTransform::new([treated("c", pseudonymize(kind, domain))], ring(domain, seeds));
    match one(&transform, row(&[old])) {
        NewRow::Values(mut values) => Some(values.remove(0).canonical_text().into_owned()),
        NewRow::Same => Some(old.to_owned()),
        NewRow::Unfit(_) => None,
    }
}

#[test]
fn values_come_back_in_the_order_of_the_columns() {
    let transform = KeyedTransform::new(
        [
            treated("birth", Treatment::Redact(Value::Null)),
            treated("doc.email", pseudonymize(TokenKind::Email, "people")),
            treated("doc.log[].ip", Treatment::Redact(Value::Null)),
            treated("doc.name", Treatment::Redact(Value::Text("gone".into()))),
            treated("mail", pseudonymize(TokenKind::Email, "people")),
            treated("net", Treatment::Generalize(Grain::Network { v4: 24, v6: 48 })),
            treated("year", Treatment::Generalize(Grain::Prefix(4))),
        ],
        ring("people", &[7]),
    );
    let doc = r#"{"name":"Anna","email":"Anna@x.se","log":[{"ip":"1.2.3.4"},{}],"n":1.0}"#;
    let new = texts(one(&transform, row(&[doc, "anna@x.se ", "192.0.2.77"])));
    let token = token(TokenKind::Email, "people", &[7], "anna@x.se").unwrap();
    let expected = format!(r#"{{"name":"gone","email":"{token}","log":[{{"ip":null}},{{}}],"n":1.0}}"#);
    assert_eq!(new, [expected.as_str(), &token, "192.0.2.0/24"]);
    // What came out goes in and stays.
    let done = row(&[&expected, &token, "192.0.2.0/24"]);
    assert!(transform.is_done(&done));
    assert_eq!(one(&transform, done), NewRow::Same);
    assert_eq!(one(&transform, row(&["NULL", "NULL", "NULL"])), NewRow::Same);
    assert_eq!(one(&transform, row(&[doc])), NewRow::Unfit(Cause::Internal));
}

#[test]
fn a_marked_row_is_done_only_where_nothing_else_tells() {
    let places = [treated("a", pseudonymize(DIGITS, "people")), treated("b", pseudonymize(TokenKind::Text, "people"))];
    let transform = KeyedTransform::new(places, ring("people", &[7]));
    let unmarked = row(&["1234567", "Anna"]);
    let marked = OldRow { marked: true, ..unmarked.clone() };
    let (first, again) = (texts(one(&transform, unmarked)), texts(one(&transform, marked)));
    assert_ne!(first[0], "1234567");
    assert_eq!(again[0], "1234567");
    assert_eq!(first[1], again[1]);
    let written = row(&[&first[0], &first[1]]);
    assert!(transform.is_done(&written), "digits cannot tell");
    assert_eq!(one(&transform, OldRow { marked: true, ..written }), NewRow::Same);
}

#[test]
fn a_faked_token_is_not_done() {
    let places = [treated("a", pseudonymize(TokenKind::Text, "people"))];
    let transform = KeyedTransform::new(places, ring("people", &[7]));
    let true_one = texts(one(&transform, row(&["Anna"]))).remove(0);
    assert!(transform.is_done(&row(&[&true_one])));
    assert!(transform.is_done(&row(&["NULL"])));
    for other in ["fg1aaaaaaaaaaaaaaaaaaaaaaa", "Anna"] {
        assert!(!transform.is_done(&row(&[other])), "{other}");
        assert_eq!(texts(one(&transform, row(&[other]))).len(), 1);
    }
}

/// What of a row is no token, with its place.
fn fakes(transform: &KeyedTransform, row: &OldRow) -> Vec<(String, String)> {
    transform.fakes(row).into_iter().map(|(path, text)| (path.to_string(), text)).collect()
}

#[test]
fn keys_tell_tokens_from_what_looks_like_them() {
    for (kind, look_alike, old) in [
        (TokenKind::Text, "fg1aaaaaaaaaaaaaaaaaaaaaaa", "Anna"),
        (TokenKind::Email, "fg1aaaaaaaaaaaaaaaaaaaaaaa@pseudonym.invalid", "anna@x.se"),
        (TokenKind::Uuid, "0190163d-8694-8f91-aea5-966c26f8ad91", "0190163d-8694-739b-aea5-966c26f8ad91"),
    ] {
        let transform = KeyedTransform::new([treated("a", pseudonymize(kind, "people"))], ring("people", &[7, 8]));
        assert!(transform.checks());
        let word = kind.word();
        let (active, earlier) = (token(kind, "people", &[8], old).unwrap(), token(kind, "people", &[7], old).unwrap());
        for done in [&*active, &*earlier, "NULL", "", old] {
            assert_eq!(fakes(&transform, &row(&[done])), [], "{word} {done}: a token, or none by its form");
        }
        let (stranger, foreign) = (token(kind, "people", &[9], old).unwrap(), token(kind, "leads", &[8], old).unwrap());
        for fake in [look_alike, &*stranger, &*foreign] {
            let found = fakes(&transform, &row(&[fake]));
            assert_eq!(found, [("a".to_owned(), fake.to_owned())], "{word}");
            assert!(matches!(one(&transform, row(&[fake])), NewRow::Values(_)), "{word}: it becomes a token");
        }
    }
}

#[test]
fn every_element_of_an_array_is_asked_for() {
    let places = [
        treated("doc.log[].email", pseudonymize(TokenKind::Email, "people")),
        treated("doc.name", pseudonymize(TokenKind::Text, "people")),
        treated("net", pseudonymize(TokenKind::Ip, "people")),
    ];
    let transform = KeyedTransform::new(places, ring("people", &[7]));
    let token = token(TokenKind::Email, "people", &[7], "anna@x.se").unwrap();
    let (fake, other) = ("fg1aaaaaaaaaaaaaaaaaaaaaaa", "fg1bbbbbbbbbbbbbbbbbbbbbbb");
    let doc = format!(
        r#"{{"name":"{fake}","log":[{{"email":"{token}"}},{{"email":"{other}@pseudonym.invalid"}},{{"email":null}},7]}}"#
    );
    let expected =
        [("doc.log[].email".to_owned(), format!("{other}@pseudonym.invalid")), ("doc.name".into(), fake.into())];
    assert_eq!(fakes(&transform, &row(&[&doc, "240.0.0.1"])), expected);
    for nothing in ["NULL", "{", "{}", r#"{"name":7,"log":"x"}"#, r#"{"name":"\ud800"}"#] {
        assert_eq!(fakes(&transform, &row(&[nothing, "NULL"])), [], "{nothing}");
    }
    let addresses = KeyedTransform::new([treated("net", pseudonymize(TokenKind::Ip, "people"))], ring("people", &[7]));
    assert!(!addresses.checks(), "where an address lies is all that tells");
}

#[test]
fn one_unfit_value_leaves_the_whole_row() {
    let places = [treated("a", pseudonymize(TokenKind::Text, "people")), treated("b", pseudonymize(DIGITS, "people"))];
    let transform = KeyedTransform::new(places, ring("people", &[7]));
    let rows = [row(&["Anna", "12"]), row(&["Anna", "NULL"])];
    let new = transform.compute(&rows);
    assert_eq!(new[0], NewRow::Unfit(Cause::ValueUnfit));
    assert!(matches!(new[1], NewRow::Values(_)));
}

#[test]
fn what_is_printed_shows_no_value_and_no_key() {
    let places = [treated("a", pseudonymize(TokenKind::Text, "people"))];
    let transform = KeyedTransform::new(places, ring("people", &[7]));
    assert_eq!(format!("{transform:?}"), "KeyedTransform { columns: 1, .. }");
}

/// Texts as people and programs write them.
fn old() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,40}",
        "\\PC{0,12}",
        "[A-Za-z.+]{1,12}@[A-Za-z.]{1,12}",
        "\\+?[0-9 ()/-]{6,30}",
        "[0-9a-fA-F]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}(/[0-9]{1,2})?",
        "[0-9a-f]{0,4}:[0-9a-f]{0,4}::[0-9a-f]{0,4}",
        "fg1[a-z2-7]{23}(@pseudonym\\.invalid)?",
    ]
}

/// The kinds whose tokens show that they are some.
fn shaped() -> impl Strategy<Value = TokenKind> {
    select(vec![TokenKind::Text, TokenKind::Email, TokenKind::Uuid, TokenKind::Ip])
}

/// A JSON value as it is written.
#[derive(Clone, Debug)]
enum Json {
    /// Anything without parts, null excepted.
    Plain(String),
    Null,
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

// === impl Json ===

impl Json {
    fn write(&self, text: &mut String) {
        match self {
            Self::Plain(plain) => text.push_str(plain),
            Self::Null => text.push_str("null"),
            Self::Array(elements) => {
                for (n, element) in elements.iter().enumerate() {
                    text.push_str(if n == 0 { "[ " } else { "," });
                    element.write(text);
                }
                text.push_str(if elements.is_empty() { "[]" } else { "\n]" });
            }
            Self::Object(members) => {
                for (n, (name, member)) in members.iter().enumerate() {
                    text.push_str(if n == 0 { "{" } else { "\t," });
                    text.push_str(&format!("\"{name}\" : "));
                    member.write(text);
                }
                text.push_str(if members.is_empty() { "{ }" } else { "}" });
            }
        }
    }

    /// As it should be after every value at the path became `constant`.
    fn redacted(&self, steps: &[PathStep], constant: &str) -> Self {
        match (steps.split_first(), self) {
            (_, Self::Null) => Self::Null,
            (None, _) => Self::Plain(constant.into()),
            (Some((PathStep::Each, rest)), Self::Array(elements)) => {
                Self::Array(elements.iter().map(|element| element.redacted(rest, constant)).collect())
            }
            (Some((PathStep::Field(field), rest)), Self::Object(members)) => {
                let one = |(name, member): &(String, Self)| {
                    let new = if name == field { member.redacted(rest, constant) } else { member.clone() };
                    (name.clone(), new)
                };
                Self::Object(members.iter().map(one).collect())
            }
            _ => self.clone(),
        }
    }
}

fn json() -> impl Strategy<Value = Json> {
    let plain = ["true", "0", "-1.50", "1e400", "123456789012345678901234567890", "\"\"", "\"a\\u0062\\n\"", "\"é\""];
    let leaf = prop_oneof![select(plain.to_vec()).prop_map(|plain| Json::Plain(plain.into())), Just(Json::Null)];
    leaf.prop_recursive(4, 40, 4, |inner| {
        let name = || select(vec!["a", "b", "c"]).prop_map(str::to_owned);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            prop::collection::vec((name(), inner), 0..4).prop_map(Json::Object),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn computed_twice_is_computed_once(kind in shaped(), old in old()) {
        let once = token(kind, "people", &[7], &old).unwrap();
        prop_assert_eq!(token(kind, "people", &[7], &once).unwrap(), once.clone());
        // A key that came later knows the tokens of the one before.
        prop_assert_eq!(token(kind, "people", &[7, 8], &once).unwrap(), once.clone());
        // Of an address alone it can be that it was given such a one.
        prop_assert!(once.is_empty() || kind == TokenKind::Ip || once != old, "{} stayed", kind.word());
    }

    #[test]
    fn domains_and_keys_make_other_tokens(kind in shaped(), old in "[a-z]{1,12}") {
        let token = |domain, seed| token(kind, domain, &[seed], &old).unwrap();
        prop_assert_eq!(token("people", 7), token("people", 7));
        prop_assert_ne!(token("people", 7), token("leads", 7));
        prop_assert_ne!(token("people", 7), token("people", 8));
    }

    #[test]
    fn digits_keep_their_number_and_place(old in old()) {
        let count = |text: &str| text.chars().filter(char::is_ascii_digit).count();
        if let Some(new) = token(DIGITS, "people", &[7], &old) {
            prop_assert_eq!(new.chars().count(), if old.trim().is_empty() { 0 } else { old.chars().count() });
            prop_assert!(new.chars().zip(old.chars()).all(|(a, b)| a == b || a.is_ascii_digit() && b.is_ascii_digit()));
        } else {
            prop_assert!(count(&old) < 4);
        }
        if let Some(new) = token(TokenKind::Phone, "people", &[7], &old) {
            prop_assert_eq!(count(&new), if old.trim().is_empty() { 0 } else { count(&old) });
            prop_assert!(!new.starts_with("+0"));
        } else {
            prop_assert!(count(&old) < 6);
        }
    }

    #[test]
    fn json_keeps_order_repeated_names_and_numbers(
        document in json(),
        path in prop::collection::vec(select(vec!["a", "b", "[]"]), 1..4),
    ) {
        let steps = path.iter().map(|step| match *step {
            "[]" => PathStep::Each,
            name => PathStep::Field(name.into()),
        });
        let path = Path { column: "d".into(), steps: steps.collect() };
        let (mut old, mut expected) = (String::new(), String::new());
        document.write(&mut old);
        document.redacted(&path.steps, "\"x y\"").write(&mut expected);
        let treatment = Treatment::Redact(Value::Text("x y".into()));
        let transform =
            KeyedTransform::new([Treated { path, treatment, holder: Holder::Json }], ring("people", &[7]));
        let new = match one(&transform, row(&[&old])) {
            NewRow::Same => old.clone(),
            new => texts(new).remove(0),
        };
        prop_assert_eq!(&new, &expected);
        prop_assert_eq!(one(&transform, row(&[&new])), NewRow::Same);
    }
}
