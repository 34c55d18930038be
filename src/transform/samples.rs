//! Values such as will be written, to try constraints with.

use forgetd_connector::{Grain, Value};

use super::treat::{Became, treat};
use super::{Holder, TokenKind, Treatment};
use crate::keys::{DomainKeys, Keyring, PseudonymKey};

/// Values such as will be written there, made with a key that nobody uses. None where the engine does it, inside JSON,
/// and where the old value's length and form decide: a constraint that the old value met would be tried in vain.
pub fn samples(treatment: &Treatment, holder: Holder) -> Vec<Value> {
    if matches!(holder, Holder::Json | Holder::Any) {
        return vec![];
    }
    match treatment {
        Treatment::Redact(Value::Null) => vec![],
        Treatment::Redact(constant) => vec![constant.clone()],
        Treatment::Generalize(Grain::Network { .. }) if holder == Holder::Text => {
            treated(treatment, holder, &["192.0.2.77", "2001:db8:1:2::3"])
        }
        Treatment::Generalize(_) => vec![],
        Treatment::Pseudonymize { kind, .. } => match kind {
            TokenKind::Text | TokenKind::Email | TokenKind::Uuid => treated(treatment, holder, &["sample"]),
            TokenKind::Ip => treated(treatment, holder, &["192.0.2.77", "fe80::1"]),
            TokenKind::Integer { .. } => vec![Value::Int(1), Value::Int(kind.largest(holder))],
            TokenKind::Phone | TokenKind::Digits { .. } => vec![],
        },
    }
}

fn treated(treatment: &Treatment, holder: Holder, texts: &[&str]) -> Vec<Value> {
    let domain = treatment.domain().unwrap_or_default();
    let key = PseudonymKey::new("sample", domain, Some(&[0; 32]), &[0; 32]);
    let keys = Keyring::new([(domain.to_owned(), DomainKeys::new(vec![key], Some(0)))]);
    let treated = texts.iter().map(|text| treat(treatment, holder, &keys, &Value::Text((*text).to_owned())));
    treated.filter_map(|became| if let Became::New(value) = became { Some(value) } else { None }).collect()
}
