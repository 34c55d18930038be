//! What is known of a treatment's outcome before any value is seen: its form, its length, how likely two are the same.

use forgetd_connector::{Grain, Put, Shape, Value};

use super::{Holder, TokenKind, Treatment, network, token};
use crate::keys::Epoch;

/// How a value looks that is done; absent: no other value looks unlike it, so a marker is needed.
///
/// An empty text stays empty, so it has the shape wherever one can stand.
pub fn shape(treatment: &Treatment, holder: Holder) -> Option<Shape> {
    let like = |mut patterns: Vec<String>| {
        if matches!(holder, Holder::Text | Holder::Json | Holder::Any) {
            patterns.push(String::new());
        }
        Shape::Like(patterns)
    };
    match treatment {
        Treatment::Redact(Value::Null) => Some(Shape::Nothing),
        Treatment::Redact(value) => Some(Shape::Constant(value.clone())),
        Treatment::Generalize(_) if holder == Holder::Json => None,
        Treatment::Generalize(Grain::Network { v4, v6 }) if matches!(holder, Holder::Text | Holder::Any) => {
            Some(like(network::patterns(*v4, *v6)))
        }
        Treatment::Generalize(grain) => Some(Shape::Coarse(grain.clone())),
        Treatment::Pseudonymize { kind, .. } => token::patterns(*kind).map(like),
    }
}

/// How the tokens of one key look; absent: their form does not tell whose they are.
pub fn epoch_shape(kind: TokenKind, epoch: Epoch) -> Option<Shape> {
    token::patterns_of(kind, epoch).map(Shape::Like)
}

/// Who makes the new value.
pub fn put(treatment: &Treatment, holder: Holder) -> Put {
    match treatment {
        Treatment::Redact(value) if holder != Holder::Json => Put::Constant(value.clone()),
        Treatment::Generalize(Grain::Network { .. }) if matches!(holder, Holder::Text | Holder::Any) => Put::Computed,
        Treatment::Generalize(grain) if holder != Holder::Json => Put::Coarser(grain.clone()),
        _ => Put::Computed,
    }
}

/// The most characters that a token of this form has, of an address those of any; absent: as many as the value, or fewer.
pub const fn length(kind: TokenKind) -> Option<usize> {
    match kind {
        TokenKind::Text => Some(token::TEXT_CHARS),
        TokenKind::Email => Some(token::TEXT_CHARS + token::EMAIL_HOST.len()),
        TokenKind::Uuid => Some(36),
        TokenKind::Ip => Some(39),
        TokenKind::Phone | TokenKind::Digits { .. } | TokenKind::Integer { .. } => None,
    }
}

/// The bits in which two tokens of this form can differ; absent: they depend on the value.
pub fn bits(kind: TokenKind, holder: Holder) -> Option<f64> {
    match kind {
        TokenKind::Text | TokenKind::Email => Some(80.0),
        TokenKind::Uuid => Some(75.0),
        // Of the two kinds of addresses the one with fewer.
        TokenKind::Ip => Some(28.0),
        TokenKind::Integer { .. } => {
            #[allow(clippy::cast_precision_loss, reason = "a logarithm needs no exact numbers")]
            let numbers = kind.largest(holder) as f64;
            Some(numbers.log2())
        }
        TokenKind::Phone | TokenKind::Digits { .. } => None,
    }
}

/// How likely two of `rows` different values get the same token of so many bits: n^2 / 2^(bits + 1), the bound of the
/// birthday problem, at most 1.
pub fn collision_odds(rows: u64, bits: f64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "odds need no exact numbers")]
    let rows = rows as f64;
    (rows * rows / (bits + 1.0).exp2()).min(1.0)
}
