//! Tokens of integers.

use super::{Made, halves};
use crate::keys::DomainKeys;
use crate::transform::normal;

/// The kind's name in MACs.
const KIND: &str = "integer";

/// The token of an integer, from 1 to `max`.
pub(in crate::transform) fn integer(keys: &DomainKeys, text: &str, max: i64) -> Made {
    let Some(normal) = normal::integer(text) else { return Made::Unfit };
    Made::or_no_key(keys.active().and_then(|key| {
        let (wide, _) = halves(&key.token(KIND, normal.as_bytes())?);
        // 128 bits for at most 63: what the remainder favours is below 2^-65.
        Some((wide % u128::from(max.max(1).unsigned_abs()) + 1).to_string())
    }))
}
