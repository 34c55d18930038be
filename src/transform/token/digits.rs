//! Tokens made of digits.

use super::{Made, halves};
use crate::keys::{DomainKeys, PseudonymKey};
use crate::transform::{CheckDigit, normal};

/// The kinds' names in MACs.
const PHONE: &str = "phone";
const DIGITS: &str = "digits";

/// Fewer digits are no telephone number.
const PHONE_DIGITS_MIN: usize = 6;

/// Fewer digits can be guessed.
const DIGITS_MIN: usize = 4;

/// Digits that are cut from half a MAC: 40 of its 128 bits, so that what the remainder favours is below 2^-80.
const DIGITS_PER_HALF: usize = 12;

/// What a first digit may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::transform) enum First {
    /// Any.
    Any,
    /// Any but 0: a number keeps its length.
    NotZero,
}

/// The token of a telephone number: as many digits, behind a `+` if it has one.
pub(in crate::transform) fn phone(keys: &DomainKeys, text: &str) -> Made {
    let normal = normal::phone(text);
    let (plus, digits) = normal.strip_prefix('+').map_or(("", normal.as_str()), |digits| ("+", digits));
    if digits.len() < PHONE_DIGITS_MIN {
        return if text.trim().is_empty() { Made::Token(String::new()) } else { Made::Unfit };
    }
    // No country code begins with 0.
    let first = if plus.is_empty() { First::Any } else { First::NotZero };
    let token = keys.active().and_then(|key| stream(key, PHONE, &normal, digits.len(), first));
    Made::or_no_key(token.map(|digits| plus.to_owned() + &digits))
}

/// The text with other digits, the last one computed if `check` says so.
pub(in crate::transform) fn digits(keys: &DomainKeys, text: &str, check: Option<CheckDigit>, first: First) -> Made {
    let normal = normal::digits(text);
    if normal.len() < DIGITS_MIN {
        return if text.trim().is_empty() { Made::Token(String::new()) } else { Made::Unfit };
    }
    Made::or_no_key(keys.active().and_then(|key| {
        let mut digits = stream(key, DIGITS, &normal, normal.len(), first)?;
        if let Some(CheckDigit::Luhn) = check {
            digits.pop();
            digits.push(luhn(&digits));
        }
        let mut next = digits.chars();
        Some(text.chars().map(|c| if c.is_ascii_digit() { next.next().unwrap_or(c) } else { c }).collect())
    }))
}

/// So many digits, each as likely as the others.
fn stream(key: &PseudonymKey, kind: &str, normal: &str, wanted: usize, first: First) -> Option<String> {
    let mut digits = String::with_capacity(wanted);
    for block in 0..wanted.div_ceil(2 * DIGITS_PER_HALF) {
        let mac = match block {
            0 => key.token(kind, normal.as_bytes())?,
            // No normal form holds a line end.
            _ => key.token(kind, format!("{normal}\n{block}").as_bytes())?,
        };
        let (one, other) = halves(&mac);
        for mut rest in [one, other] {
            for _ in 0..DIGITS_PER_HALF.min(wanted - digits.len()) {
                let (base, from) = if digits.is_empty() && first == First::NotZero { (9, b'1') } else { (10, b'0') };
                digits.push(char::from(from + (rest % base) as u8));
                rest /= base;
            }
        }
    }
    Some(digits)
}

/// The check digit behind these digits.
fn luhn(digits: &str) -> char {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let digit = u32::from(digit - b'0');
            // Every second one counts twice, beginning with the one beside the check digit.
            if at % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { digit }
        })
        .sum();
    char::from(b'0' + ((10 - sum % 10) % 10) as u8)
}

#[cfg(test)]
mod tests {
    #[test]
    fn check_digits_are_those_of_known_cards() {
        for card in ["4111111111111111", "5500000000000004", "340000000000009", "79927398713", "18"] {
            let (front, check) = card.split_at(card.len() - 1);
            assert_eq!(super::luhn(front).to_string(), check, "{card}");
        }
    }
}
