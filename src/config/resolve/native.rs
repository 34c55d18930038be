//! `where_native`: a condition in the engine's own language, taken as it is. What is checked is only that it stays in
//! its place: that it can stand in parentheses without reaching out of them, the same to every engine. A filter of documents
//! stands in nothing: it is sent as what it is.

use std::iter::Peekable;

use thiserror::Error;

use super::say::{self, Say};
use crate::config::{limits, read::Field};

/// Why a text is no condition, and at which of its characters. It never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("at character {at} {fault}")]
struct NativeError {
    at: usize,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
enum Fault {
    #[error("quotes are opened and not closed; close them, and double a quote that belongs to the text")]
    Quotes,
    #[error("a backslash stands before a quote, which engines read differently; double the quote, or use chr()")]
    Escape,
    #[error("a bracket is opened and not closed; close it")]
    Open,
    #[error("a bracket is closed that was not opened; write brackets in pairs")]
    Closed,
    #[error("a bracket stands in quotes that stand in brackets, which engines read differently; use `()` outside")]
    Mixed,
    #[error("a `;` would end the statement; write one condition")]
    Semicolon,
    #[error("a comment begins, which could hide the rest of the statement; write it beside the rule")]
    Comment,
    #[error("a `$` stands outside quotes; write texts in single quotes and no placeholders")]
    Dollar,
    #[error("a placeholder stands outside quotes; write values out, and `?` operators as functions")]
    Placeholder,
    #[error("a backquote stands outside quotes; write names in double quotes")]
    Backquote,
    #[error("a character stands that no condition has; remove it")]
    Nul,
}

/// The condition, trimmed. Nothing where none is written, or it is broken.
pub(super) fn native(field: &Field<String>, say: &mut Say<'_>) -> Option<String> {
    let text = say.text(field)?;
    let place = field.get()?.place;
    if text.len() > limits::NATIVE_BYTES_MAX {
        let fix = format!("write at most {} bytes, or a view or function in the database", limits::NATIVE_BYTES_MAX);
        say.at(place, "the condition is too long", fix);
        return None;
    }
    if let Err(error) = check(&text) {
        let (message, fix) = say::split(&error);
        say.at(place, message, fix);
        return None;
    }
    Some(text)
}

fn check(text: &str) -> Result<(), NativeError> {
    if is_filter(text) {
        return Ok(());
    }
    // Open brackets, each with where it stands.
    let mut open: Vec<(char, usize)> = vec![];
    let mut chars = text.chars().enumerate().map(|(at, c)| (at + 1, c)).peekable();
    let mut before = ' ';
    while let Some((at, c)) = chars.next() {
        let refuse = |fault| Err(NativeError { at, fault });
        let next = chars.peek().map_or(' ', |(_, next)| *next);
        match c {
            '\'' | '"' => quoted(c, at, open.iter().any(|(bracket, _)| *bracket == '['), &mut chars)?,
            '(' | '[' => open.push((c, at)),
            ')' | ']' => match open.pop() {
                Some(('(', _)) if c == ')' => {}
                Some(('[', _)) if c == ']' => {}
                _ => return refuse(Fault::Closed),
            },
            ';' => return refuse(Fault::Semicolon),
            '-' if next == '-' => return refuse(Fault::Comment),
            '/' if next == '*' => return refuse(Fault::Comment),
            '$' => return refuse(Fault::Dollar),
            '?' => return refuse(Fault::Placeholder),
            // `::type` is a cast, `@>` and `@@` are operators.
            ':' | '@' if before != c && (next.is_alphabetic() || next == '_') => return refuse(Fault::Placeholder),
            '`' => return refuse(Fault::Backquote),
            '\0' => return refuse(Fault::Nul),
            _ => {}
        }
        before = c;
    }
    match open.pop() {
        Some((_, at)) => Err(NativeError { at, fault: Fault::Open }),
        None => Ok(()),
    }
}

/// Whether it is a whole object of JSON, which no condition of SQL is: none begins with a brace.
fn is_filter(text: &str) -> bool {
    text.starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Reads up to the closing quote; a doubled quote is two texts, which changes nothing. Where brackets quote names, a
/// quote between them is none: so nothing in quotes may close them.
fn quoted(
    quote: char,
    at: usize,
    bracketed: bool,
    chars: &mut Peekable<impl Iterator<Item = (usize, char)>>,
) -> Result<(), NativeError> {
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Ok(()),
            '\\' if chars.peek().is_some_and(|(_, next)| *next == quote) => {
                return Err(NativeError { at, fault: Fault::Escape });
            }
            '[' | ']' if bracketed => return Err(NativeError { at, fault: Fault::Mixed }),
            '\0' => return Err(NativeError { at, fault: Fault::Nul }),
            _ => {}
        }
    }
    Err(NativeError { at, fault: Fault::Quotes })
}

#[cfg(test)]
mod tests {
    use super::{Fault, NativeError, check};

    #[test]
    fn what_stays_in_its_place_is_taken() {
        for text in [
            "status = 'closed' and amount > 0",
            "note = 'it''s; -- $1 ? /* ) here'",
            "\"odd \"\" name\" is null",
            "tags && array['a', 'b'] and tags[1] = 'x'",
            "data->>'state' = 'x' and data @> '{\"a\": 1}'::jsonb and body @@ to_tsquery('x')",
            "a::date < b - -1",
            "id in (select id from other where (x or (y)))",
            "a[1:2] = b",
            r#"{"note": "she said \"a[1]\"; -- $1 ? /* ) here"}"#,
            r#"{"tags": {"$in": ["[", "it's"]}, "at": {"$lt": {"$date": "2024-01-01T00:00:00Z"}}}"#,
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_reaches_out_is_refused_with_its_place() {
        for (text, at, fault) in [
            ("a = 'x", 5, Fault::Quotes),
            ("a = \"x", 5, Fault::Quotes),
            ("a = 'it''s", 9, Fault::Quotes),
            (r"a = E'it\'s'", 9, Fault::Escape),
            ("(a", 1, Fault::Open),
            ("a[1", 2, Fault::Open),
            ("a) or (b", 2, Fault::Closed),
            ("(a]", 3, Fault::Closed),
            ("x['] or (1) or ['] = 1", 4, Fault::Mixed),
            ("a; drop table b", 2, Fault::Semicolon),
            ("a -- b", 3, Fault::Comment),
            ("a /* b", 3, Fault::Comment),
            ("a = $1", 5, Fault::Dollar),
            ("a = $$x$$", 5, Fault::Dollar),
            ("a = ?", 5, Fault::Placeholder),
            ("a = :name", 5, Fault::Placeholder),
            ("a = @name", 5, Fault::Placeholder),
            ("`a` = 1", 1, Fault::Backquote),
            ("a = 1\0", 6, Fault::Nul),
            ("a = '\0'", 6, Fault::Nul),
            // No object of JSON, or more than one.
            (r#"{"a": "\""#, 8, Fault::Escape),
            (r#"{"a": 1} or (1 = 1"#, 13, Fault::Open),
            (r#"{"a": "b\"c"} ; {}"#, 9, Fault::Escape),
        ] {
            assert_eq!(check(text), Err(NativeError { at, fault }), "{text}");
        }
    }
}
