//! Addresses in texts become the networks that they lie in.
//!
//! What is no finer than wanted stays no finer: a network with a shorter prefix than the rule's goes down to the next
//! boundary (of 8 bits for IPv4, 16 for IPv6), because a shape cannot list every length. So `10.1.2.3` is `10.1.2.0/24`,
//! `10.1.0.0/20` is `10.1.0.0/16`, and `10.0.0.0/8` stays.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bits between the boundaries that shorter prefixes go down to.
const V4_BOUNDARY: u8 = 8;
const V6_BOUNDARY: u8 = 16;

/// The network, in RFC 5952 form with its prefix length; none if the text is no address or network.
pub(super) fn network(text: &str, v4: u8, v6: u8) -> Option<String> {
    let (address, length) = split(text)?;
    Some(match address {
        IpAddr::V4(address) => {
            let length = wanted(length, v4.min(32), V4_BOUNDARY);
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            format!("{}/{length}", Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let length = wanted(length, v6.min(128), V6_BOUNDARY);
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            format!("{}/{length}", Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    })
}

/// How the text of a network looks: for IPv4 with nothing but zeros behind its length; for IPv6, whose texts shorten zeros, with zeros at
/// its end.
pub(super) fn patterns(v4: u8, v6: u8) -> Vec<String> {
    let below = |length: u8, boundary: u8| (0..length).rev().filter(move |shorter| shorter % boundary == 0);
    let v4 = [v4].into_iter().chain(below(v4, V4_BOUNDARY)).flat_map(patterns_v4);
    let v6 = [v6].into_iter().chain(below(v6, V6_BOUNDARY));
    v4.chain(v6.flat_map(patterns_v6)).collect()
}

/// A network that ends inside the last group need not end in zeros.
fn patterns_v6(length: u8) -> Vec<String> {
    let ends: &[&str] = if length > 112 { &["%:%"] } else { &["%::", "%:0"] };
    ends.iter().map(|end| format!("{end}/{length}")).collect()
}

/// The number in which the network ends, if it ends inside one, has few values: each is a pattern of its own.
fn patterns_v4(length: u8) -> Vec<String> {
    let (whole, part) = (length / 8, length % 8);
    let zeros = |numbers: u8| ".0".repeat(usize::from(numbers));
    if length >= 32 {
        return vec![format!("%.%/{length}")];
    }
    if part == 0 {
        let front = if whole == 0 { "0" } else { "%" };
        return vec![format!("{front}{}/{length}", zeros(if whole == 0 { 3 } else { 4 - whole }))];
    }
    let front = if whole == 0 { "" } else { "%." };
    let numbers = (0..256_u32).step_by(1 << (8 - part));
    numbers.map(|number| format!("{front}{number}{}/{length}", zeros(3 - whole))).collect()
}

/// The address, and the length of its prefix if one is written. An IPv4 address written as an IPv6 one is one of IPv4.
pub(super) fn split(text: &str) -> Option<(IpAddr, Option<u8>)> {
    let (address, length) = match text.trim().split_once('/') {
        Some((address, length)) if !length.is_empty() && length.bytes().all(|c| c.is_ascii_digit()) => {
            (address, Some(length.parse::<u8>().ok()?))
        }
        Some(_) => return None,
        None => (text.trim(), None),
    };
    let written: IpAddr = address.parse().ok()?;
    let address = written.to_canonical();
    let bits = |address: IpAddr| if address.is_ipv4() { 32 } else { 128 };
    if length.is_some_and(|length| length > bits(written)) {
        return None;
    }
    // A network around the whole of IPv4 is no network of IPv4.
    let length = length.map(|length| length.saturating_sub(bits(written) - bits(address)));
    Some((address, length))
}

fn wanted(length: Option<u8>, wanted: u8, boundary: u8) -> u8 {
    match length {
        Some(length) if length < wanted => length - length % boundary,
        _ => wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::{network, patterns};

    #[test]
    fn an_address_becomes_its_network_and_nothing_becomes_finer() {
        for (text, expected) in [
            ("192.0.2.77", Some("192.0.2.0/24")),
            (" 192.0.2.77\n", Some("192.0.2.0/24")),
            ("192.0.2.77/32", Some("192.0.2.0/24")),
            ("192.0.2.77/24", Some("192.0.2.0/24")),
            ("192.0.2.0/24", Some("192.0.2.0/24")),
            ("10.1.18.0/23", Some("10.1.0.0/16")),
            ("10.1.16.0/20", Some("10.1.0.0/16")),
            ("10.0.0.0/8", Some("10.0.0.0/8")),
            ("10.0.0.0/7", Some("0.0.0.0/0")),
            ("2001:DB8:1:2:3::9", Some("2001:db8:1::/48")),
            ("2001:db8:0:0:1:0:0:1/128", Some("2001:db8::/48")),
            ("2001:db8::/32", Some("2001:db8::/32")),
            ("2001:db8::/47", Some("2001:db8::/32")),
            ("::ffff:192.0.2.77", Some("192.0.2.0/24")),
            ("::ffff:192.0.2.77/120", Some("192.0.2.0/24")),
            ("::ffff:192.0.2.77/104", Some("192.0.0.0/8")),
            ("192.0.2.77/33", None),
            ("192.0.2.77/", None),
            ("192.0.2.77/+4", None),
            ("192.0.2.77:80", None),
            ("localhost", None),
            ("", None),
        ] {
            assert_eq!(network(text, 24, 48).as_deref(), expected, "{text}");
        }
        assert_eq!(network("192.0.2.77", 0, 0).as_deref(), Some("0.0.0.0/0"));
        assert_eq!(network("192.0.2.77", 32, 0).as_deref(), Some("192.0.2.77/32"));
    }

    #[test]
    fn lengths_of_one_family_are_not_taken_for_those_of_the_other() {
        let v4 = ["%.0/24", "%.0.0/16", "%.0.0.0/8", "0.0.0.0/0"].as_slice();
        let v6 = ["%::/48", "%:0/48", "%::/32", "%:0/32", "%::/16", "%:0/16", "%::/0", "%:0/0"].as_slice();
        assert_eq!(patterns(24, 48), [v4, v6].concat());
        assert_eq!(
            patterns(10, 0)[..5],
            ["0.0.0/10", "64.0.0/10", "128.0.0/10", "192.0.0/10", "%.0.0.0/8"]
                .map(|end| { if end.contains('%') { end.to_owned() } else { format!("%.{end}") } })
        );
    }

    #[test]
    fn what_a_network_becomes_looks_like_one_and_nothing_else_does() {
        for v4 in 1..=31 {
            let patterns = patterns(v4, 48);
            let like = |text: &str| {
                patterns.iter().any(|pattern| match pattern.strip_prefix('%') {
                    Some(end) => text.ends_with(end),
                    None => text == pattern,
                })
            };
            for address in ["192.0.2.77", "255.255.255.255", "0.0.0.1", "10.20.30.40", "128.64.32.16"] {
                let done = network(address, v4, 48).unwrap();
                assert!(like(&done), "{done} at {v4}");
                let fine = format!("{address}/{v4}");
                assert_eq!(like(&fine), fine == done, "{fine}");
            }
        }
    }
}
