//! Values inside a JSON text. What is not written stays as it stands, byte for byte: order, repeated names, numbers of
//! any precision, white space.

use std::fmt;
use std::ops::Range;

use forgetd_connector::{Cause, PathStep, Value};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::treat::{Became, treat};
use super::{Holder, Treatment};
use crate::keys::Keyring;

/// The document after the treatment of every value at `steps`; Same if each is done. Nothing is made where the way is
/// missing, and null stays null. An object or array in a value's place is taken away or replaced, but is no value to make
/// a token of.
pub(super) fn treat_at(treatment: &Treatment, keys: &Keyring, document: &str, steps: &[PathStep]) -> Became {
    let mut places = vec![];
    let Some(()) = find(document, 0, steps, &mut places) else { return Became::Unfit(Cause::ValueUnfit) };
    let mut new = String::new();
    let mut copied = 0;
    for place in places {
        match treat_raw(treatment, keys, &document[place.clone()]) {
            Ok(None) => {}
            Ok(Some(json)) => {
                new.push_str(&document[copied..place.start]);
                new.push_str(&json);
                copied = place.end;
            }
            Err(cause) => return Became::Unfit(cause),
        }
    }
    if copied == 0 {
        return Became::Same;
    }
    new.push_str(&document[copied..]);
    Became::New(Value::Text(new))
}

/// The texts at `steps`; none where the document is no JSON.
pub(super) fn texts_at(document: &str, steps: &[PathStep]) -> Vec<String> {
    let mut places = vec![];
    if find(document, 0, steps, &mut places).is_none() {
        return vec![];
    }
    places.into_iter().filter_map(|place| serde_json::from_str(&document[place]).ok()).collect()
}

/// The new JSON of a value; none if it is done.
fn treat_raw(treatment: &Treatment, keys: &Keyring, raw: &str) -> Result<Option<String>, Cause> {
    let old = match (raw.as_bytes().first(), treatment) {
        (Some(b'n'), _) => return Ok(None),
        (Some(b'{' | b'['), Treatment::Redact(constant)) => return written(constant).map(Some),
        (Some(b'{' | b'['), _) => return Err(Cause::ValueUnfit),
        (Some(b't'), _) => Value::Bool(true),
        (Some(b'f'), _) => Value::Bool(false),
        (Some(b'"'), _) => match (serde_json::from_str(raw), treatment) {
            (Ok(text), _) => Value::Text(text),
            // An escape that stands for no character.
            (Err(_), Treatment::Redact(constant)) => return written(constant).map(Some),
            (Err(_), _) => return Err(Cause::ValueUnfit),
        },
        _ => number(raw),
    };
    match treat(treatment, Holder::Json, keys, &old) {
        Became::Same => Ok(None),
        Became::New(new) => {
            let json = written(&new)?;
            Ok((json != raw).then_some(json))
        }
        Became::Unfit(cause) => Err(cause),
    }
}

/// A number by its own text, which no type of ours holds without loss.
fn number(raw: &str) -> Value {
    let exact = raw.parse().ok().filter(|number: &i64| number.to_string() == raw);
    exact.map_or_else(|| Value::Typed { kind: "number".into(), text: raw.into() }, Value::Int)
}

fn written(value: &Value) -> Result<String, Cause> {
    let json = match value {
        Value::Null => Ok("null".to_owned()),
        Value::Bool(value) => serde_json::to_string(value),
        Value::Int(number) => serde_json::to_string(number),
        Value::Real(number) if number.is_finite() => serde_json::to_string(number),
        Value::Text(text) => serde_json::to_string(text),
        Value::Typed { text, .. } => serde_json::from_str::<&RawValue>(text).map(|raw| raw.get().to_owned()),
        Value::Real(_) | Value::Bytes(_) => return Err(Cause::TransformUnfit),
    };
    json.map_err(|_| Cause::ValueUnfit)
}

/// Where the values at `steps` stand in the document, in order; none if it is no JSON. `json` begins at `at` in it.
///
/// It calls itself as often as a path has steps, however deep the document is.
fn find(json: &str, at: usize, steps: &[PathStep], places: &mut Vec<Range<usize>>) -> Option<()> {
    let value: &RawValue = serde_json::from_str(json).ok()?;
    let (value, start) = (value.get(), at + offset(json, value.get()));
    let Some((step, rest)) = steps.split_first() else {
        places.push(start..start + value.len());
        return Some(());
    };
    match (step, value.as_bytes().first()) {
        (PathStep::Field(name), Some(b'{')) => {
            let Members(members) = serde_json::from_str(value).ok()?;
            for (key, member) in members {
                // A name that stands for no text is not the one that is looked for.
                if serde_json::from_str::<String>(key.get()).is_ok_and(|key| key == *name) {
                    find(member.get(), start + offset(value, member.get()), rest, places)?;
                }
            }
        }
        (PathStep::Each, Some(b'[')) => {
            let elements: Vec<&RawValue> = serde_json::from_str(value).ok()?;
            for element in elements {
                find(element.get(), start + offset(value, element.get()), rest, places)?;
            }
        }
        _ => {}
    }
    Some(())
}

/// How far behind the beginning of `whole` its `part` begins.
fn offset(whole: &str, part: &str) -> usize {
    part.as_ptr().addr() - whole.as_ptr().addr()
}

/// The members of an object, repeated names and all.
struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

// === impl Members ===

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

// === impl MembersVisitor ===

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = vec![];
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Cause, Path, Value};

    use super::treat_at;
    use crate::keys::{DomainKeys, Keyring, PseudonymKey};
    use crate::transform::treat::Became;
    use crate::transform::{TokenKind, Treatment};

    fn keys() -> Keyring {
        let key = PseudonymKey::new("k1", "people", Some(&[7; 32]), &[9; 32]);
        Keyring::new([("people".to_owned(), DomainKeys::new(vec![key], Some(0)))])
    }

    fn pseudonymize(kind: TokenKind) -> Treatment {
        Treatment::Pseudonymize { kind, domain: "people".into() }
    }

    fn at(treatment: &Treatment, path: &str, document: &str) -> Became {
        treat_at(treatment, &keys(), document, &Path::parse(&format!("d.{path}")).unwrap().steps)
    }

    #[test]
    fn everything_else_stays_as_it_stands() {
        let redact = Treatment::Redact(Value::Text("x".into()));
        for (path, document, expected) in [
            ("a", r#"{"a": 1}"#, r#"{"a": "x"}"#),
            (
                "a",
                r#" { "z":1.10e400, "a" : [1, {}] ,"a":"é\u00e9","b":{"a":2} } "#,
                r#" { "z":1.10e400, "a" : "x" ,"a":"x","b":{"a":2} } "#,
            ),
            (
                "a.b",
                r#"{"a":[{"b":1}],"a":{"b":{"b":1},"c":123456789012345678901234567890}}"#,
                r#"{"a":[{"b":1}],"a":{"b":"x","c":123456789012345678901234567890}}"#,
            ),
            (
                "l[].n",
                r#"{"l":[{"n":"p"},{"n":null},{"m":1},7,{"n":false}]}"#,
                r#"{"l":[{"n":"x"},{"n":null},{"m":1},7,{"n":"x"}]}"#,
            ),
            ("l[][]", r#"{"l":[[1],[],2,[null,"x",3]]}"#, r#"{"l":[["x"],[],2,[null,"x","x"]]}"#),
            (r"a\.b", r#"{"a.b":1,"a":{"b":2}}"#, r#"{"a.b":"x","a":{"b":2}}"#),
            ("é", r#"{"\u00e9":1,"\ud800":2}"#, r#"{"\u00e9":"x","\ud800":2}"#),
            ("a", r#"{"a":"\ud800"}"#, r#"{"a":"x"}"#),
        ] {
            assert_eq!(at(&redact, path, document), Became::New(Value::Text(expected.into())), "{path} {document}");
        }
    }

    #[test]
    fn nothing_is_made_where_nothing_is() {
        for treatment in
            [Treatment::Redact(Value::Text("x".into())), Treatment::Redact(Value::Null), pseudonymize(TokenKind::Email)]
        {
            for document in
                ["{}", "[]", "null", "7", r#""a""#, r#"{"a":null}"#, r#"{"A":1}"#, r#"{"b":{"a":1}}"#, r#"[{"a":1}]"#]
            {
                assert_eq!(at(&treatment, "a", document), Became::Same, "{document}");
            }
            for broken in ["", "{", r#"{"a":1,}"#, r#"{"a":1} 2"#, "{a:1}"] {
                assert_eq!(at(&treatment, "a", broken), Became::Unfit(Cause::ValueUnfit), "{broken}");
            }
        }
    }

    #[test]
    fn constants_keep_their_type() {
        for (constant, document, expected) in [
            (Value::Null, r#"{"a":{"b":1}}"#, Some(r#"{"a":null}"#)),
            (Value::Bool(true), r#"{"a":"true"}"#, Some(r#"{"a":true}"#)),
            (Value::Int(0), r#"{"a":"0"}"#, Some(r#"{"a":0}"#)),
            (Value::Real(1.5), r#"{"a":1}"#, Some(r#"{"a":1.5}"#)),
            (Value::Text("\"q\"".into()), r#"{"a":1}"#, Some(r#"{"a":"\"q\""}"#)),
            (Value::Text("é".into()), r#"{"a":"\u00e9"}"#, None),
            (Value::Int(0), r#"{"a":0}"#, None),
            (Value::Real(1.5), r#"{"a":1.5}"#, None),
        ] {
            let expected = expected.map_or(Became::Same, |json| Became::New(Value::Text(json.into())));
            assert_eq!(at(&Treatment::Redact(constant), "a", document), expected, "{document}");
        }
    }

    #[test]
    fn tokens_of_scalars() {
        let token = r#"{"a":"fg1cl6zsdnn6roabkbycrehmxi@pseudonym.invalid"}"#;
        for (kind, document, expected) in [
            (TokenKind::Email, r#"{"a":"anna@example.com"}"#, Became::New(Value::Text(token.into()))),
            (TokenKind::Email, token, Became::Same),
            (TokenKind::Email, r#"{"a":""}"#, Became::Same),
            (TokenKind::Email, r#"{"a":["anna@example.com"]}"#, Became::Unfit(Cause::ValueUnfit)),
            (TokenKind::Text, r#"{"a":"\ud800"}"#, Became::Unfit(Cause::ValueUnfit)),
            (TokenKind::Integer { max: None }, r#"{"a":42}"#, Became::New(Value::Text(r#"{"a":111169919}"#.into()))),
            (
                TokenKind::Integer { max: None },
                r#"{"a":"42"}"#,
                Became::New(Value::Text(r#"{"a":"111169919"}"#.into())),
            ),
            (TokenKind::Integer { max: None }, r#"{"a":4.2}"#, Became::Unfit(Cause::ValueUnfit)),
        ] {
            assert_eq!(at(&pseudonymize(kind), "a", document), expected, "{document}");
        }
        // A number, or a truth value, is taken by its text.
        let of = |json: &str| at(&pseudonymize(TokenKind::Text), "a", &format!(r#"{{"a":{json}}}"#));
        assert_eq!(of("1.50"), of(r#""1.50""#));
        assert_eq!(of("true"), of(r#""true""#));
        assert!(matches!(of("-7"), Became::New(_)));
        // Digits that no type of ours holds stay a number of the same length.
        let document = r#"{"a":123456789012345678901234567890}"#;
        let digits = at(&pseudonymize(TokenKind::Digits { check: None }), "a", document);
        let Became::New(Value::Text(new)) = digits else { panic!("no new document") };
        assert_eq!(new.len(), document.len());
        assert!(serde_json::from_str::<serde_json::Value>(&new).unwrap()["a"].is_number());
    }

    #[test]
    fn depth_costs_nothing() {
        let deep = format!(r#"{{"a":1,"b":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        let redact = Treatment::Redact(Value::Null);
        let expected = deep.replacen(r#""a":1"#, r#""a":null"#, 1);
        assert_eq!(at(&redact, "a", &deep), Became::New(Value::Text(expected)));
        assert_eq!(at(&redact, "b[][]", &deep), Became::New(Value::Text(r#"{"a":1,"b":[[null]]}"#.into())));
    }
}
