//! Tokens of network addresses: addresses that are assigned to nobody. They carry no check: who writes such an address
//! himself escapes with it, but nothing of anybody is in it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Made, first_bits};
use crate::keys::DomainKeys;
use crate::transform::{network, normal};

/// How every token looks: 240.0.0.0/4 (reserved) or 2001:db8::/32 (for documentation).
pub(super) const PATTERNS: [&str; 3] = ["24_.%", "25_.%", "2001:db8:%"];

/// The kind's name in MACs.
const KIND: &str = "ip";

const V4_START: u32 = 0xf000_0000;
const V4_BITS: u32 = 28;
const V6_START: u128 = 0x2001_0db8 << V6_BITS;
const V6_BITS: u32 = 96;

/// The token of an address that is not empty, without the length of a prefix. A text that is no address gets one of IPv4.
pub(in crate::transform) fn ip(keys: &DomainKeys, text: &str) -> Made {
    let trimmed = normal::text(text);
    if trimmed.is_empty() {
        return Made::Token(String::new());
    }
    let address = network::split(&trimmed).map(|(address, _)| address);
    if let Some(token) = address.filter(|address| is_token(*address)) {
        return Made::Token(token.to_string());
    }
    let normal = address.map_or_else(|| trimmed.into_owned(), |address| address.to_string());
    Made::or_no_key(keys.active().and_then(|key| {
        let mac = key.token(KIND, normal.as_bytes())?;
        Some(if address.is_some_and(|address| address.is_ipv6()) {
            Ipv6Addr::from_bits(V6_START | first_bits(&mac, V6_BITS)).to_string()
        } else {
            Ipv4Addr::from_bits(V4_START | first_bits(&mac, V4_BITS) as u32).to_string()
        })
    }))
}

fn is_token(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.to_bits() >= V4_START,
        IpAddr::V6(address) => address.to_bits() >> V6_BITS == V6_START >> V6_BITS,
    }
}
