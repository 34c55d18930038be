//! Tokens: cut from a key and a normalized value, and known again by their check.

mod address;
mod digits;
mod integer;
mod text;
mod uuid;

pub(super) use address::ip;
pub(super) use digits::{First, digits, phone};
pub(super) use integer::integer;
pub(super) use text::{CHARS as TEXT_CHARS, email, text};
pub(super) use uuid::uuid;

use super::TokenKind;
use crate::keys::{DomainKeys, Epoch};

/// Where no mail arrives: `.invalid` is reserved (RFC 2606).
pub(super) const EMAIL_HOST: &str = "@pseudonym.invalid";

/// How many of a check's bits a token carries.
const CHECK_BITS: u32 = 20;

/// What becomes of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// A token, or one that was there already in its standard form.
    Token(String),
    /// There is no key to make one with.
    NoKey,
    /// The text is none of its kind.
    Unfit,
}

// === impl Made ===

impl Made {
    fn or_no_key(token: Option<String>) -> Self {
        token.map_or(Self::NoKey, Self::Token)
    }
}

/// Text patterns of the tokens of this kind; none if they look like other values.
pub(super) fn patterns(kind: TokenKind) -> Option<Vec<String>> {
    match kind {
        TokenKind::Text => Some(vec![text::pattern()]),
        TokenKind::Email => Some(vec![text::pattern() + EMAIL_HOST]),
        TokenKind::Uuid => Some(vec![uuid::PATTERN.into()]),
        TokenKind::Ip => Some(address::PATTERNS.map(str::to_owned).into()),
        TokenKind::Phone | TokenKind::Digits { .. } | TokenKind::Integer { .. } => None,
    }
}

/// Whether a key tells a token of this kind from what only looks like one.
pub(super) const fn has_check(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::Text | TokenKind::Email | TokenKind::Uuid)
}

/// Whether a text has the form of a token of this kind, one with a check.
pub(super) fn is_alike(kind: TokenKind, text: &str) -> bool {
    let fits = |pattern: &String| {
        pattern.chars().count() == text.chars().count()
            && pattern.chars().zip(text.chars()).all(|(form, c)| form == '_' || form == c)
    };
    has_check(kind) && patterns(kind).is_some_and(|patterns| patterns.iter().any(fits))
}

/// Text patterns of the tokens of this kind that one key made; none if their form does not tell.
pub(super) fn patterns_of(kind: TokenKind, epoch: Epoch) -> Option<Vec<String>> {
    match kind {
        TokenKind::Text => Some(vec![text::pattern_of(epoch)]),
        TokenKind::Email => Some(vec![text::pattern_of(epoch) + EMAIL_HOST]),
        TokenKind::Uuid => Some(uuid::patterns_of(epoch).into()),
        TokenKind::Ip | TokenKind::Phone | TokenKind::Digits { .. } | TokenKind::Integer { .. } => None,
    }
}

/// The first `bits` of a MAC.
fn first_bits(mac: &[u8; 32], bits: u32) -> u128 {
    let (first, _) = halves(mac);
    first >> (u128::BITS - bits)
}

/// A MAC as two numbers.
fn halves(mac: &[u8; 32]) -> (u128, u128) {
    mac.iter().enumerate().fold((0, 0), |(first, second), (at, byte)| match at {
        0..16 => (first << 8 | u128::from(*byte), second),
        _ => (first, second << 8 | u128::from(*byte)),
    })
}

/// Whether one of the domain's keys of this epoch gives this check.
fn is_checked(keys: &DomainKeys, epoch: u16, kind: &str, token: &[u8], check: u128) -> bool {
    keys.of_epoch(epoch).any(|key| first_bits(&key.check(kind, token), CHECK_BITS) == check)
}
