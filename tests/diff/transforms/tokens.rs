//! The tokens of single values: made by the transform itself, whose forms are pinned by known answers elsewhere.

use std::sync::Arc;

use forgetd::keys::{DomainKeys, Keyring, PseudonymKey};
use forgetd::transform::{CheckDigit, Holder, KeyedTransform, TokenKind, Treated, Treatment};
use forgetd_connector::{NewRow, OldRow, Path, Transform as _, Value};
use forgetd_testkit::generator::TokenForm;

/// The domain of every token.
pub(crate) const DOMAIN: &str = "people";

/// The largest token of an integer, in every column: so that engines give the same.
const INTEGER_MAX: i64 = i32::MAX as i64;

/// The keys of every case.
pub(crate) fn keys() -> Arc<Keyring> {
    let key = PseudonymKey::new("k1", DOMAIN, Some(&[7; 32]), &[9; 32]);
    Arc::new(Keyring::new([(DOMAIN.to_owned(), DomainKeys::new(vec![key], Some(0)))]))
}

/// What a policy says for a form.
pub(crate) fn treatment(form: TokenForm) -> Treatment {
    let kind = match form {
        TokenForm::Text => TokenKind::Text,
        TokenForm::Email => TokenKind::Email,
        TokenForm::Phone => TokenKind::Phone,
        TokenForm::Digits => TokenKind::Digits { check: None },
        TokenForm::Luhn => TokenKind::Digits { check: Some(CheckDigit::Luhn) },
        TokenForm::Ip => TokenKind::Ip,
        TokenForm::Uuid => TokenKind::Uuid,
        TokenForm::Integer => TokenKind::Integer { max: Some(INTEGER_MAX) },
    };
    Treatment::Pseudonymize { kind, domain: DOMAIN.into() }
}

/// The token of one value, which is itself if it is one; none if the value cannot be read.
pub(crate) fn token(form: TokenForm, value: &Value) -> Option<Value> {
    let holder = if matches!(value, Value::Int(_)) { Holder::Integer { max: i64::MAX } } else { Holder::Text };
    let place = Treated { path: Path::column("value"), treatment: treatment(form), holder };
    let row = OldRow { values: vec![value.clone()], marked: false };
    match KeyedTransform::new([place], keys()).compute(&[row]).pop()? {
        NewRow::Values(mut values) => values.pop(),
        NewRow::Same => Some(value.clone()),
        NewRow::Unfit(_) => None,
    }
}
