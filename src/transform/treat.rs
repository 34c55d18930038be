//! One value, one treatment.

use std::borrow::Cow;

use forgetd_connector::{Cause, Grain, Value};

use super::token::{self, First, Made};
use super::{Holder, TokenKind, Treatment, network};
use crate::keys::{DomainKeys, Keyring};

/// What becomes of one value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Became {
    /// It is done.
    Same,
    /// Another one.
    New(Value),
    /// It is not what the treatment is for.
    Unfit(Cause),
}

/// What becomes of `value`. NULL stays NULL. A number stays a number where the token is one; every other scalar is taken
/// by its text.
pub(super) fn treat(treatment: &Treatment, holder: Holder, keys: &Keyring, value: &Value) -> Became {
    if *value == Value::Null {
        return Became::Same;
    }
    match treatment {
        Treatment::Redact(constant) if value == constant => Became::Same,
        Treatment::Redact(constant) => Became::New(constant.clone()),
        Treatment::Generalize(Grain::Network { v4, v6 }) => {
            let Some(text) = text_of(value) else { return Became::Unfit(Cause::ValueUnfit) };
            match network::network(&text, *v4, *v6) {
                Some(network) => changed(value, &text, network),
                None if text.trim().is_empty() => changed(value, &text, String::new()),
                None => Became::Unfit(Cause::ValueUnfit),
            }
        }
        // The engine does these.
        Treatment::Generalize(_) => Became::Unfit(Cause::TransformUnfit),
        Treatment::Pseudonymize { kind, domain } => match keys.domain(domain) {
            Some(keys) => pseudonymized(*kind, holder, keys, value),
            None => Became::Unfit(Cause::PseudonymKey),
        },
    }
}

fn pseudonymized(kind: TokenKind, holder: Holder, keys: &DomainKeys, value: &Value) -> Became {
    let Some(text) = text_of(value) else { return Became::Unfit(Cause::ValueUnfit) };
    let number = matches!(value, Value::Int(_) | Value::Typed { .. });
    let made = match kind {
        TokenKind::Text => token::text(keys, &text),
        TokenKind::Email => token::email(keys, &text),
        TokenKind::Phone => token::phone(keys, &text),
        TokenKind::Digits { check } => {
            token::digits(keys, &text, check, if number { First::NotZero } else { First::Any })
        }
        TokenKind::Ip => token::ip(keys, &text),
        TokenKind::Uuid => token::uuid(keys, &text),
        TokenKind::Integer { .. } if text.trim().is_empty() => Made::Token(String::new()),
        TokenKind::Integer { .. } => token::integer(keys, &text, kind.largest(holder)),
    };
    let token = match made {
        Made::Token(token) => token,
        Made::NoKey => return Became::Unfit(Cause::PseudonymKey),
        Made::Unfit => return Became::Unfit(Cause::ValueUnfit),
    };
    match (kind, value) {
        (TokenKind::Digits { .. } | TokenKind::Integer { .. }, Value::Int(_)) => {
            token.parse().map_or(Became::Unfit(Cause::ValueUnfit), |number| Became::New(Value::Int(number)))
        }
        (TokenKind::Digits { .. } | TokenKind::Integer { .. }, Value::Typed { kind, .. }) => {
            Became::New(Value::Typed { kind: kind.clone(), text: token })
        }
        _ => changed(value, &text, token),
    }
}

fn changed(value: &Value, old: &str, new: String) -> Became {
    if matches!(value, Value::Text(_)) && old == new { Became::Same } else { Became::New(Value::Text(new)) }
}

/// None for bytes, which say nothing about what they stand for.
fn text_of(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Bytes(_) => None,
        value => Some(value.canonical_text()),
    }
}
