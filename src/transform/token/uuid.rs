//! Tokens of UUIDs: UUIDs of version 8 (RFC 9562) with a third group of their own.

use super::{CHECK_BITS, Made, first_bits, is_checked};
use crate::keys::{DomainKeys, Epoch};
use crate::transform::normal;

/// How every token looks.
pub(super) const PATTERN: &str = "________-____-8f91-____-____________";

/// The kind's name in MACs.
const KIND: &str = "uuid";

/// The third group: version 8, and ours.
const GROUP: u128 = 0x8f91;

/// Bits behind the third group and the variant, and what all 110 free bits hold.
const LOW_BITS: u32 = 62;
const BODY_BITS: u32 = 75;

/// The token of a UUID that is not empty; a text that is no UUID is taken as it is.
pub(in crate::transform) fn uuid(keys: &DomainKeys, text: &str) -> Made {
    let trimmed = normal::text(text);
    if trimmed.is_empty() {
        return Made::Token(String::new());
    }
    let uuid = normal::uuid(&trimmed);
    if let Some(token) = uuid.filter(|uuid| is_token(keys, *uuid)) {
        return Made::Token(written(token));
    }
    let normal = uuid.map_or_else(|| trimmed.into_owned(), written);
    Made::or_no_key(keys.active().and_then(|key| {
        let body = first_bits(&key.token(KIND, normal.as_bytes())?, BODY_BITS);
        let bare = spread((body << Epoch::BITS | u128::from(key.epoch().number())) << CHECK_BITS);
        let check = first_bits(&key.check(KIND, &bare.to_be_bytes()), CHECK_BITS);
        Some(written(bare | check))
    }))
}

/// How every token of the keys of an epoch looks. It stands in three and three quarters of a digit: the bit that is left over
/// is the body's.
pub(super) fn patterns_of(epoch: Epoch) -> [String; 2] {
    let (high, low) = (epoch.number() >> 12, epoch.number() & 0xfff);
    [high, high | 0b1000].map(|high| format!("________-____-8f91-____-___{high:x}{low:03x}_____"))
}

fn is_token(keys: &DomainKeys, uuid: u128) -> bool {
    let free = (uuid >> 80) << LOW_BITS | uuid & ((1 << LOW_BITS) - 1);
    let check = free & ((1 << CHECK_BITS) - 1);
    let epoch = (free >> CHECK_BITS & ((1 << Epoch::BITS) - 1)) as u16;
    let bare = uuid - check;
    spread(free) == uuid && is_checked(keys, epoch, KIND, &bare.to_be_bytes(), check)
}

/// The free bits with version, group and variant between them.
const fn spread(free: u128) -> u128 {
    (free >> LOW_BITS) << 80 | GROUP << 64 | 0b10 << LOW_BITS | free & ((1 << LOW_BITS) - 1)
}

fn written(uuid: u128) -> String {
    let hex = format!("{uuid:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
