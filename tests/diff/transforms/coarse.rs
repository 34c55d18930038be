//! Coarser values, by arithmetic of the test's own.

use std::net::IpAddr;

use forgetd_connector::Grain;
use forgetd_testkit::Cell;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Parts of a whole in which numbers and steps are counted; every value that is drawn has a whole number of them.
const PARTS: f64 = 1_000.0;

/// How an engine takes a value where engines differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    /// A number is an integer by what it is, not by its column.
    pub(crate) integers_by_value: bool,
    /// An address lies in a type for addresses.
    pub(crate) typed_address: bool,
}

/// The coarser value; none if this one cannot be read.
pub(crate) fn coarser(cell: &Cell, grain: &Grain, manner: Manner) -> Option<Cell> {
    Some(match (grain, cell) {
        (Grain::Step(step), Cell::Int(value)) => {
            Cell::Int(i64::try_from(lower(i128::from(*value), whole(step)?)).ok()?)
        }
        (Grain::Step(step), Cell::Real(value)) => Cell::Real(stepped(*value, step, manner)?),
        (Grain::Prefix(chars), Cell::Text(text)) => Cell::Text(text.chars().take(*chars as usize).collect()),
        (Grain::Network { v4, v6 }, Cell::Text(text)) if text.trim().is_empty() && *v4 + *v6 > 0 => {
            Cell::Text(String::new())
        }
        (Grain::Network { v4, v6 }, Cell::Text(text)) => Cell::Text(network(text, *v4, *v6, manner.typed_address)?),
        (part, Cell::Date(date)) => Cell::Date(first(*date, part)?),
        (part, Cell::Naive(local)) => Cell::Naive(first(local.date(), part)?.at(0, 0, 0, 0)),
        (part, Cell::Instant(at)) => {
            let day = first(at.to_zoned(TimeZone::UTC).date(), part)?;
            Cell::Instant(TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok()?)
        }
        _ => return None,
    })
}

fn first(date: Date, part: &Grain) -> Option<Date> {
    let (month, day) = match part {
        Grain::Day => (date.month(), date.day()),
        Grain::Month => (date.month(), 1),
        Grain::Quarter => ([1, 1, 1, 4, 4, 4, 7, 7, 7, 10, 10, 10][usize::try_from(date.month() - 1).ok()?], 1),
        Grain::Year => (1, 1),
        _ => return None,
    };
    Date::new(date.year(), month, day).ok()
}

// === Numbers ===

fn whole(step: &str) -> Option<i128> {
    step.parse().ok()
}

fn lower(value: i128, step: i128) -> i128 {
    let mut multiple = value / step * step;
    if multiple > value {
        multiple -= step;
    }
    multiple
}

#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a few thousand, in thousandths")]
fn stepped(value: f64, step: &str, manner: Manner) -> Option<f64> {
    let parts = (value * PARTS).round() as i128;
    let step_parts = (step.parse::<f64>().ok()? * PARTS).round() as i128;
    let integer = manner.integers_by_value && value.fract() == 0.0 && !step.contains('.');
    let multiple = if integer { lower(parts, step_parts) } else { nearest(parts, step_parts) };
    Some(multiple as f64 / PARTS)
}

/// The nearest multiple, away from zero in the middle.
fn nearest(value: i128, step: i128) -> i128 {
    let below = lower(value.abs(), step);
    let multiple = if (value.abs() - below) * 2 >= step { below + step } else { below };
    multiple * value.signum()
}

// === Networks ===

/// The network of an address or of a network. One with a shorter prefix stays as wide as it is, in a text down to a
/// boundary between bytes, or between pairs of them.
fn network(text: &str, v4: u8, v6: u8, typed: bool) -> Option<String> {
    let (address, length) = parsed(text.trim())?;
    let (address, length) = if typed { (address, length) } else { unmapped(address, length) };
    let (wanted, boundary) = if address.is_ipv4() { (v4, 8) } else { (v6, 16) };
    let length = match length {
        Some(length) if length < wanted => {
            if typed {
                length
            } else {
                length / boundary * boundary
            }
        }
        _ => wanted,
    };
    let mut bytes = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    for (at, byte) in bytes.iter_mut().enumerate() {
        let kept = usize::from(length).saturating_sub(at * 8).min(8);
        *byte &= (0xff00_u16 >> kept) as u8;
    }
    let network = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(bytes) => IpAddr::from(bytes),
        Err(_) => IpAddr::from(<[u8; 16]>::try_from(bytes.as_slice()).ok()?),
    };
    Some(format!("{network}/{length}"))
}

/// The address, and the length behind it.
pub(crate) fn parsed(text: &str) -> Option<(IpAddr, Option<u8>)> {
    let Some((address, length)) = text.split_once('/') else { return Some((text.parse().ok()?, None)) };
    let (address, length): (IpAddr, u8) = (address.parse().ok()?, length.parse().ok()?);
    (length <= if address.is_ipv4() { 32 } else { 128 }).then_some((address, Some(length)))
}

/// An address of IPv4 in the clothes of one of IPv6.
fn unmapped(address: IpAddr, length: Option<u8>) -> (IpAddr, Option<u8>) {
    match address {
        IpAddr::V6(six) => match six.to_ipv4_mapped() {
            Some(four) => (IpAddr::V4(four), length.map(|length| length.saturating_sub(96))),
            None => (address, length),
        },
        IpAddr::V4(_) => (address, length),
    }
}
