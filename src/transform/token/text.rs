//! Tokens of texts and emails: `fg1`, epoch, body, check.

use super::{CHECK_BITS, EMAIL_HOST, Made, first_bits, is_checked};
use crate::keys::{DomainKeys, Epoch, PseudonymKey};
use crate::transform::normal;

/// Every character of a token behind [`START`]: 5 bits each.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// What a token begins with; the digit is the version of form and normalization.
const START: &str = "fg1";

const BODY_BITS: u32 = 80;
const EPOCH_CHARS: usize = Epoch::BITS as usize / 5;
const BODY_CHARS: usize = BODY_BITS as usize / 5;
const CHECK_CHARS: usize = CHECK_BITS as usize / 5;

/// How long a token is.
pub(in crate::transform) const CHARS: usize = START.len() + EPOCH_CHARS + BODY_CHARS + CHECK_CHARS;

/// The kinds' names in MACs.
const TEXT: &str = "text";
const EMAIL: &str = "email";

/// The token of a text that is not empty.
pub(in crate::transform) fn text(keys: &DomainKeys, text: &str) -> Made {
    let normal = normal::text(text);
    if normal.is_empty() {
        return Made::Token(String::new());
    }
    // A token that somebody wrote in capitals is still one.
    if normal.len() == CHARS {
        let lower = normal.to_ascii_lowercase();
        if is_token(keys, TEXT, &lower) {
            return Made::Token(lower);
        }
    }
    Made::or_no_key(keys.active().and_then(|key| token(key, TEXT, &normal)))
}

/// The token of an email that is not empty; a text without `@` is taken as it is.
pub(in crate::transform) fn email(keys: &DomainKeys, text: &str) -> Made {
    let normal = normal::email(text);
    let is_done = normal.strip_suffix(EMAIL_HOST).is_some_and(|name| is_token(keys, EMAIL, name));
    if normal.is_empty() || is_done {
        return Made::Token(normal);
    }
    Made::or_no_key(keys.active().and_then(|key| token(key, EMAIL, &normal)).map(|name| name + EMAIL_HOST))
}

/// Every token has this form.
pub(super) fn pattern() -> String {
    START.to_owned() + &"_".repeat(CHARS - START.len())
}

/// Every token of the keys of an epoch has this form.
pub(super) fn pattern_of(epoch: Epoch) -> String {
    let mut pattern = START.to_owned();
    write(u128::from(epoch.number()), EPOCH_CHARS, &mut pattern);
    pattern + &"_".repeat(BODY_CHARS + CHECK_CHARS)
}

fn token(key: &PseudonymKey, kind: &str, normal: &str) -> Option<String> {
    let mac = key.token(kind, normal.as_bytes())?;
    let mut token = String::with_capacity(CHARS + EMAIL_HOST.len());
    token.push_str(START);
    write(u128::from(key.epoch().number()), EPOCH_CHARS, &mut token);
    write(first_bits(&mac, BODY_BITS), BODY_CHARS, &mut token);
    let check = first_bits(&key.check(kind, token.as_bytes()), CHECK_BITS);
    write(check, CHECK_CHARS, &mut token);
    Some(token)
}

fn is_token(keys: &DomainKeys, kind: &str, text: &str) -> bool {
    if text.len() != CHARS || !text.is_ascii() || !text.starts_with(START) {
        return false;
    }
    let (front, check) = text.split_at(CHARS - CHECK_CHARS);
    let (epoch, body) = front[START.len()..].split_at(EPOCH_CHARS);
    let (Some(epoch), Some(_), Some(check)) = (read(epoch), read(body), read(check)) else { return false };
    u16::try_from(epoch).is_ok_and(|epoch| is_checked(keys, epoch, kind, front.as_bytes(), check))
}

/// The last `5 * chars` bits of `bits`.
fn write(bits: u128, chars: usize, token: &mut String) {
    for at in (0..chars).rev() {
        token.push(char::from(ALPHABET[(bits >> (5 * at) & 31) as usize]));
    }
}

/// What [`write`] wrote.
fn read(text: &str) -> Option<u128> {
    text.bytes().try_fold(0_u128, |bits, c| {
        let value = ALPHABET.iter().position(|letter| *letter == c)?;
        Some(bits << 5 | value as u128)
    })
}
