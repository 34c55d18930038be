//! YAML text to a tree of nodes. Strict: one document, no merge keys, no tags, no duplicate keys, bounded input.
//!
//! Everything that can be said without guessing at the rest of the document is said at once; a document that cannot be
//! parsed has one problem.

use std::{fmt, ops::Range};

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{
    Error, Location, Spanned,
    options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy},
};

use super::{
    node::{Key, Kind, Node, Oddity},
    place::{Place, Sources},
    problem::Problem,
};

/// A policy of ten thousand rules is far below this.
pub(super) const BYTES_MAX: u64 = 4 * 1024 * 1024;
/// What aliases may repeat in all: enough for a guard shared by every rule.
const ALIAS_EVENTS_MAX: usize = 50_000;

/// What a text holds.
pub(super) struct Parsed {
    pub(super) node: Node,
    /// Keys that were there already, each with the line of the first. They are not part of the tree.
    pub(super) duplicates: Vec<(Key, u32)>,
}

/// Deeper than any configuration, shallow enough for the stack.
const DEPTH_MAX: usize = 32;

/// The tree of source number `source`, or why there is none.
pub(super) fn parse(sources: &Sources, source: u32) -> Result<Parsed, Problem> {
    let text = sources.text(source);
    let aliases = serde_saphyr::alias_limits! {
        max_total_replayed_events: ALIAS_EVENTS_MAX,
    };
    let options = serde_saphyr::options! {
        alias_limits: aliases,
        budget: serde_saphyr::budget! { max_depth: DEPTH_MAX },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::Error,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        reject_unsupported_tags: true,
        strict_booleans: true,
        with_snippet: false,
    };
    let tree: Spanned<Raw> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| refusal(sources, source, &error))?;
    let mut building = Building { sources, source, duplicates: vec![] };
    let node = building.node(tree, 0).map_err(|place| {
        sources.problem(place, "nested too deeply", format!("nest no deeper than {DEPTH_MAX} levels"))
    })?;
    Ok(Parsed { node, duplicates: building.duplicates })
}

/// A parser's own words can quote the document, so only the place is taken from it.
fn refusal(sources: &Sources, source: u32, error: &Error) -> Problem {
    let place = error.location().map_or(Place { source, line: 1, column: 1 }, |at| place(source, at));
    let (message, fix) = match error {
        Error::MergeKeyNotAllowed { .. } => ("merge keys (`<<`) are not read", "write the keys out"),
        Error::MultipleDocuments { .. } => ("a second document begins", "keep one document in a file"),
        Error::UnknownAnchor { .. } => ("an alias names an anchor that does not exist", "define the anchor before it"),
        Error::UnsupportedTag { .. } => ("tags (`!name`) are not read", "remove the tag"),
        Error::NullIntoString { .. } | Error::Unexpected { .. } => ("a key must be text", "write a name as key"),
        Error::Budget { .. } => ("the document is too large or too deep", "split it into files in conf.d"),
        Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. }
        | Error::AliasError { .. } => ("aliases repeat too much", "write the values out"),
        Error::RecursiveReferencesRequireWeakTypes { .. } => ("an anchor holds itself", "write the value out"),
        _ => ("cannot be read as YAML", "look here and at the lines above for indentation, quotes and brackets"),
    };
    sources.problem(place, message, fix)
}

fn place(source: u32, at: Location) -> Place {
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    Place { source, line: small(at.line()), column: small(at.column()) }
}

/// What the parser hands over, before places and pitfalls are sorted out.
enum Raw {
    Null,
    Bool(bool),
    Number,
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.into()))
    }

    fn visit_bytes<E: serde::de::Error>(self, _: &[u8]) -> Result<Raw, E> {
        Err(E::custom("binary values have no place here"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = vec![];
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries = vec![];
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        if entries.len() > u32::MAX as usize {
            return Err(A::Error::custom("too many keys"));
        }
        Ok(Raw::Map(entries))
    }
}

struct Building<'a> {
    sources: &'a Sources,
    source: u32,
    duplicates: Vec<(Key, u32)>,
}

impl Building<'_> {
    fn node(&mut self, raw: Spanned<Raw>, depth: usize) -> Result<Node, Place> {
        let place = place(self.source, raw.referenced);
        if depth > DEPTH_MAX {
            return Err(place);
        }
        let span = bytes(raw.defined);
        let kind = match raw.value {
            Raw::Null => Kind::Null,
            Raw::Bool(value) => Kind::Bool(value),
            Raw::Number => number(self.sources.text(self.source).get(span.clone()).unwrap_or_default()),
            Raw::Text(text) => {
                let written = self.sources.text(self.source).get(span.clone()).unwrap_or_default();
                Kind::Text { bare_word: written == text && bare_word(written), text }
            }
            Raw::List(items) => {
                Kind::List(items.into_iter().map(|item| self.node(item, depth + 1)).collect::<Result<_, _>>()?)
            }
            Raw::Map(entries) => Kind::Map(self.entries(entries, depth)?),
        };
        Ok(Node { place, span, kind })
    }

    fn entries(
        &mut self,
        entries: Vec<(Spanned<String>, Spanned<Raw>)>,
        depth: usize,
    ) -> Result<Vec<(Key, Node)>, Place> {
        let mut kept: Vec<(Key, Node)> = vec![];
        let mut seen = std::collections::BTreeMap::new();
        for (name, value) in entries {
            let key = Key { place: place(self.source, name.referenced), span: bytes(name.defined), name: name.value };
            if let Some(first) = seen.get(&key.name) {
                self.duplicates.push((key, *first));
                continue;
            }
            seen.insert(key.name.clone(), key.place.line);
            let value = self.node(value, depth + 1)?;
            kept.push((key, value));
        }
        Ok(kept)
    }
}

fn bytes(at: Location) -> Range<usize> {
    let span = at.span();
    let start = span.byte_offset().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let len = span.byte_len().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    start..start + len
}

fn bare_word(written: &str) -> bool {
    ["yes", "no", "on", "off", "y", "n"].iter().any(|word| written.eq_ignore_ascii_case(word))
}

/// A number exactly as written: decimal, in 64 bits, the same to every reader.
fn number(written: &str) -> Kind {
    let digits = written.strip_prefix(['-', '+']).unwrap_or(written);
    let lower = digits.to_ascii_lowercase();
    if matches!(lower.as_str(), ".inf" | ".nan" | "inf" | "nan" | "infinity") {
        return Kind::Odd(Oddity::NotFinite);
    }
    if !lower.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'-' | b'+')) {
        return Kind::Odd(Oddity::Notation);
    }
    if lower.len() > 1 && lower.starts_with('0') && lower.as_bytes()[1].is_ascii_digit() {
        return Kind::Odd(Oddity::LeadingZero);
    }
    if lower.bytes().all(|b| b.is_ascii_digit()) {
        return written.parse().map_or(Kind::Odd(Oddity::TooLarge), Kind::Int);
    }
    match written.parse::<f64>() {
        Ok(value) if value.is_finite() => Kind::Float(value),
        Ok(_) => Kind::Odd(Oddity::TooLarge),
        Err(_) => Kind::Odd(Oddity::Notation),
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Oddity, Parsed, Sources, number, parse};

    #[test]
    fn numbers_are_taken_only_where_every_reader_agrees() {
        for (written, kind) in [
            ("0", Kind::Int(0)),
            ("-7", Kind::Int(-7)),
            ("+7", Kind::Int(7)),
            ("9223372036854775807", Kind::Int(i64::MAX)),
            ("9223372036854775808", Kind::Odd(Oddity::TooLarge)),
            ("010", Kind::Odd(Oddity::LeadingZero)),
            ("-010", Kind::Odd(Oddity::LeadingZero)),
            ("00.5", Kind::Odd(Oddity::LeadingZero)),
            ("0.5", Kind::Float(0.5)),
            ("1e3", Kind::Float(1000.0)),
            ("1e999", Kind::Odd(Oddity::TooLarge)),
            ("0x1F", Kind::Odd(Oddity::Notation)),
            ("0o17", Kind::Odd(Oddity::Notation)),
            ("1_000", Kind::Odd(Oddity::Notation)),
            (".inf", Kind::Odd(Oddity::NotFinite)),
            ("-.INF", Kind::Odd(Oddity::NotFinite)),
            (".NaN", Kind::Odd(Oddity::NotFinite)),
        ] {
            assert!(number(written) == kind, "{written}");
        }
    }

    #[test]
    fn scalars_keep_the_type_they_were_written_with() {
        let mut sources = Sources::default();
        let text = "a: no\nb: 'no'\nc: 2024-01-01\nd: \"7\"\ne: true\nf: null\ng: ~\nh:\ni: 7\n";
        let file = sources.add("f.yaml", text);
        let Parsed { node, duplicates } = parse(&sources, file).ok().unwrap();
        assert!(duplicates.is_empty());
        let Kind::Map(entries) = node.kind else { panic!("a mapping") };
        let text = |text: &str, bare_word| Kind::Text { text: text.into(), bare_word };
        let kinds = [
            text("no", true),
            text("no", false),
            text("2024-01-01", false),
            text("7", false),
            Kind::Bool(true),
            Kind::Null,
            Kind::Null,
            Kind::Null,
            Kind::Int(7),
        ];
        for ((key, node), kind) in entries.iter().zip(kinds) {
            assert!(node.kind == kind, "{}", key.name);
        }
        assert_eq!((entries[1].1.place.line, entries[1].1.place.column), (2, 4));
    }
}
