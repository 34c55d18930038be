//! What is known of a treatment's outcome before any value is seen: its form, its length, how likely two are the same.

use forgetd_connector::{Grain, Put, Shape, Value};

use super::{Holder, TokenKind, Treatment};

/// How a value looks that is done; absent: no other value looks unlike it, so a marker is needed.
pub fn shape(treatment: &Treatment, holder: Holder) -> Option<Shape> {
    let like = |patterns: &[&str]| Some(Shape::Like(patterns.iter().map(|pattern| (*pattern).to_owned()).collect()));
    match treatment {
        Treatment::Redact(Value::Null) => Some(Shape::Nothing),
        Treatment::Redact(value) => Some(Shape::Constant(value.clone())),
        Treatment::Generalize(Grain::Network { v4, v6 }) if holder == Holder::Text => {
            Some(Shape::Like(vec![format!("%/{v4}"), format!("%/{v6}")]))
        }
        Treatment::Generalize(grain) => Some(Shape::Coarse(grain.clone())),
        Treatment::Pseudonymize { kind, .. } => match kind {
            TokenKind::Text => like(&["fg1_______________________"]),
            TokenKind::Email => like(&["fg1_______________________@pseudonym.invalid"]),
            TokenKind::Uuid => like(&["________-____-8f91-____-____________"]),
            TokenKind::Ip => like(&["24_.%", "25_.%", "2001:db8:%"]),
            TokenKind::Phone | TokenKind::Digits { .. } | TokenKind::Integer { .. } => None,
        },
    }
}

/// Who makes the new value.
pub fn put(treatment: &Treatment, holder: Holder) -> Put {
    match treatment {
        Treatment::Redact(value) if holder != Holder::Json => Put::Constant(value.clone()),
        Treatment::Generalize(Grain::Network { .. }) if holder == Holder::Text => Put::Computed,
        Treatment::Generalize(grain) if holder != Holder::Json => Put::Coarser(grain.clone()),
        _ => Put::Computed,
    }
}

/// The most characters that a token of this form has; absent: it depends on the value.
pub const fn length(kind: TokenKind) -> Option<usize> {
    match kind {
        TokenKind::Text => Some(26),
        TokenKind::Email => Some(44),
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
        TokenKind::Integer { max } => {
            let column = match holder {
                Holder::Integer { max } => max,
                _ => i64::MAX,
            };
            #[allow(clippy::cast_precision_loss, reason = "a logarithm needs no exact numbers")]
            let numbers = max.unwrap_or(column).min(column).max(1) as f64;
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
