//! One statement: its text and its values.
//!
//! Values never stand in the text that is built and shown. Only when a statement leaves, each placeholder becomes a
//! literal that no setting of the session can make mean anything else: see [`crate::codec`].

use std::fmt::Write as _;
use std::time::Duration;

use crate::codec;
use crate::flavour::{AT_ONCE, Flavour};

/// The shortest time that a statement is given.
const SHORTEST: Duration = Duration::from_millis(1);

/// Stands around the number of a placeholder. No identifier of the engine and no condition that we take can contain it.
const MARK: char = '\0';

/// A value.
#[derive(Clone, PartialEq)]
pub(crate) enum Param {
    Null,
    Int(i64),
    Unsigned(u64),
    Bool(bool),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    /// Made by [`Param::number`].
    Number(Digits),
    /// Made by [`Param::time`].
    Time(Digits),
}

/// The text of a number or a time, looked through: nothing in it can end a literal.
#[derive(Clone, PartialEq)]
pub(crate) struct Digits(String);

/// One statement.
#[derive(Clone, Default)]
pub(crate) struct Sql {
    text: String,
    params: Vec<Param>,
}

// === impl Param ===

impl Param {
    /// A decimal or binary number as the engine writes it; absent: the text is none.
    pub(crate) fn number(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        let all = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        ([whole, fraction, exponent].into_iter().all(all)).then(|| Self::Number(Digits(text.into())))
    }

    /// A date, a time of day or both, as the engine writes them; absent: the text is none.
    pub(crate) fn time(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b':' | b'.' | b' ');
        (!text.is_empty() && text.bytes().all(plain)).then(|| Self::Time(Digits(text.into())))
    }

    /// Writes the literal.
    fn write(&self, out: &mut String) {
        match self {
            Self::Null | Self::Text(None) | Self::Bytes(None) => out.push_str("null"),
            // In parentheses: a sign beside another operator would be read with it.
            Self::Int(value @ ..0) => drop(write!(out, "({value})")),
            Self::Int(value) => drop(write!(out, "{value}")),
            Self::Unsigned(value) => drop(write!(out, "{value}")),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Text(Some(text)) => codec::write_text(out, text),
            Self::Bytes(Some(bytes)) => codec::write_bytes(out, bytes),
            Self::Number(Digits(text)) if text.starts_with('-') => drop(write!(out, "({text})")),
            Self::Number(Digits(text)) => out.push_str(text),
            Self::Time(Digits(text)) => drop(write!(out, "'{text}'")),
        }
    }
}

impl From<&str> for Param {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.into()))
    }
}

impl From<&[u8]> for Param {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(Some(value.into()))
    }
}

impl From<u64> for Param {
    fn from(value: u64) -> Self {
        Self::Unsigned(value)
    }
}

impl From<i64> for Param {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

// === impl Sql ===

impl Sql {
    /// A statement without values.
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), params: vec![] }
    }

    /// Adds a value and returns its placeholder.
    pub(crate) fn bind(&mut self, param: impl Into<Param>) -> String {
        self.params.push(param.into());
        placeholder(self.params.len())
    }

    /// The placeholder of this value; adds it where there is none yet.
    pub(crate) fn bind_once(&mut self, param: impl Into<Param>) -> String {
        let param = param.into();
        match self.params.iter().position(|bound| *bound == param) {
            Some(at) => placeholder(at + 1),
            None => self.bind(param),
        }
    }

    /// The first values alone.
    pub(crate) fn first(&self, count: usize) -> Self {
        Self { text: String::new(), params: self.params.iter().take(count).cloned().collect() }
    }

    /// How many values there are.
    pub(crate) fn bound(&self) -> usize {
        self.params.len()
    }

    /// The same values under this text, which names them by their placeholders.
    pub(crate) fn say(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    /// The same statement as a question for its plan.
    pub(crate) fn explained(&self) -> Self {
        let text = self.text.strip_prefix(AT_ONCE).unwrap_or(&self.text);
        Self { text: format!("explain {text}"), params: self.params.clone() }
    }

    /// The same statement, which the server ends with an error once it took so long, where it can be told so.
    pub(crate) fn within(self, flavour: Flavour, limit: Duration) -> Self {
        if !flavour.limits_writes() {
            return self;
        }
        // Zero would be no limit.
        let seconds = limit.max(SHORTEST).as_secs_f64();
        let (others, text) = match self.text.strip_prefix(AT_ONCE) {
            Some(text) => (AT_ONCE.trim_end_matches(" for "), text),
            None => ("set statement", self.text.as_str()),
        };
        let comma = if text.len() == self.text.len() { "" } else { "," };
        let text = format!("{others}{comma} max_statement_time = {seconds:.3} for {text}");
        self.say(text)
    }

    /// The text as it is shown: `?1` for the first value, and never the value.
    pub(crate) fn text(&self) -> String {
        shown(&self.text)
    }

    /// Writes the text as it is sent. False: it names a value that there is not, and must not be sent.
    #[must_use]
    pub(crate) fn render(&self, out: &mut String) -> bool {
        for (n, part) in self.text.split(MARK).enumerate() {
            if n % 2 == 0 {
                out.push_str(part);
                continue;
            }
            let Some(param) = part.parse::<usize>().ok().and_then(|n| self.params.get(n.checked_sub(1)?)) else {
                return false;
            };
            param.write(out);
        }
        // Marks come in pairs.
        self.text.matches(MARK).count().is_multiple_of(2)
    }
}

/// A part of a statement as it is shown.
pub(crate) fn shown(text: &str) -> String {
    let parts = text.split(MARK).enumerate();
    parts.map(|(n, part)| if n % 2 == 0 { part.to_owned() } else { format!("?{part}") }).collect()
}

/// Whether a text that is not ours may stand in a statement.
pub(crate) fn may_stand(text: &str) -> bool {
    !text.contains(MARK)
}

fn placeholder(n: usize) -> String {
    format!("{MARK}{n}{MARK}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Param, Sql, may_stand};
    use crate::flavour::{AT_ONCE, Flavour};

    fn rendered(sql: &Sql) -> Option<String> {
        let mut out = String::new();
        sql.render(&mut out).then_some(out)
    }

    #[test]
    fn values_become_literals_and_are_never_shown() {
        let number = |text| Param::number(text).unwrap();
        for (param, literal) in [
            (Param::Null, "null"),
            (Param::Text(None), "null"),
            (Param::Bytes(None), "null"),
            (Param::Int(i64::MIN), "(-9223372036854775808)"),
            (Param::Int(7), "7"),
            (Param::Unsigned(u64::MAX), "18446744073709551615"),
            (Param::Bool(true), "true"),
            ("it's \\ \u{1F600}".into(), "_utf8mb4 x'69742773205c20f09f9880'"),
            ("".into(), "_utf8mb4 ''"),
            ("a \"b\"; -- ?1 /*!c*/ ~".into(), "_utf8mb4 'a \"b\"; -- ?1 /*!c*/ ~'"),
            ("it's".into(), "_utf8mb4 x'69742773'"),
            ("a\\".into(), "_utf8mb4 x'615c'"),
            ("a\n".into(), "_utf8mb4 x'610a'"),
            ("a\u{7f}".into(), "_utf8mb4 x'617f'"),
            ("\u{e9}".into(), "_utf8mb4 x'c3a9'"),
            ([0x00, 0xff, 0x27].as_slice().into(), "_binary x'00ff27'"),
            (number("-12.50"), "(-12.50)"),
            (number("1e-300"), "1e-300"),
            (Param::time("2026-01-09 23:30:00.75").unwrap(), "'2026-01-09 23:30:00.75'"),
        ] {
            let mut sql = Sql::default();
            let one = sql.bind(param);
            let sql = sql.say(format!("select {one}, {one}"));
            assert_eq!(sql.text(), "select ?1, ?1");
            assert_eq!(rendered(&sql), Some(format!("select {literal}, {literal}")));
        }
    }

    #[test]
    fn what_is_no_number_or_time_is_refused() {
        for text in ["", "-", "1.", ".5", "1e", "0x10", "1 or 1", "NaN", "inf", "1;", "--1", "1.5.5"] {
            assert!(Param::number(text).is_none(), "{text}");
        }
        for text in ["", "'", "now()", "2026-01-09T00:00:00"] {
            assert!(Param::time(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_placeholder_without_a_value_is_not_sent() {
        for text in ["\u{0}1\u{0}", "\u{0}0\u{0}", "\u{0}x\u{0}", "a\u{0}b"] {
            assert_eq!(rendered(&Sql::plain(text)), None);
            assert!(!may_stand(text));
        }
    }

    #[test]
    fn a_statement_is_given_its_time_where_the_product_can_tell() {
        let limit = Duration::from_micros(1_234_600);
        for (version, text, limit, told) in [
            ("10.6.18-MariaDB", "delete 1".to_owned(), limit, "set statement max_statement_time = 1.235 for delete 1"),
            (
                "10.6.18-MariaDB",
                format!("{AT_ONCE}delete 1"),
                limit,
                "set statement innodb_lock_wait_timeout = 0, max_statement_time = 1.235 for delete 1",
            ),
            (
                "11.4.2-MariaDB",
                "delete 1".into(),
                Duration::ZERO,
                "set statement max_statement_time = 0.001 for delete 1",
            ),
            ("8.0.36", "delete 1".into(), limit, "delete 1"),
        ] {
            let flavour = Flavour::read(version, "").unwrap();
            assert_eq!(rendered(&Sql::plain(text).within(flavour, limit)).as_deref(), Some(told), "{version}");
        }
    }

    #[test]
    fn a_value_is_bound_once_where_asked() {
        let mut sql = Sql::default();
        let (one, two, again) = (sql.bind_once("a"), sql.bind_once("b"), sql.bind_once("a"));
        assert_eq!(one, again);
        assert_ne!(one, two);
        assert_eq!(sql.bound(), 2);
        assert_eq!(sql.first(1).bound(), 1);
    }
}
