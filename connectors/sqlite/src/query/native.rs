//! `where_native`: the operator's own expression, kept apart from everything around it.
//!
//! It is read only as far as it takes to know that it is one expression without parameters: that its parentheses are
//! its own and its quotes and comments end. What it means is SQLite's business; `preflight` has SQLite prepare it.

use std::iter::Peekable;
use std::str::Chars;

/// Functions whose answers are not the row's: what is due would differ from statement to statement.
pub(crate) const REFUSED_FUNCTIONS: &[&str] =
    &["random", "randomblob", "changes", "total_changes", "last_insert_rowid", "load_extension"];

/// The expression as it stands in a statement, in parentheses; or what is wrong with it.
///
/// Names in double quotes are written in backticks, because SQLite takes a double-quoted name that it does not know for
/// a text. Comments are left out.
pub(super) fn expression(native: &str) -> Result<String, &'static str> {
    let mut reading = Reading { rest: native.chars().peekable(), sql: String::from("("), depth: 0, before: ' ' };
    while let Some(character) = reading.rest.next() {
        reading.take(character)?;
    }
    if reading.depth > 0 {
        return Err("a parenthesis is not closed");
    }
    if reading.sql.trim() == "(" {
        return Err("it is empty");
    }
    reading.sql.push(')');
    Ok(reading.sql)
}

struct Reading<'a> {
    rest: Peekable<Chars<'a>>,
    sql: String,
    depth: usize,
    /// The character before this one, outside of quotes and comments.
    before: char,
}

// === impl Reading ===

impl Reading<'_> {
    fn take(&mut self, character: char) -> Result<(), &'static str> {
        let before = std::mem::replace(&mut self.before, character);
        match character {
            '\'' => self.quoted('\'', '\''),
            '`' => self.quoted('`', '`'),
            '"' => self.quoted('"', '`'),
            '[' => self.bracketed(),
            '-' if self.rest.peek() == Some(&'-') => {
                self.rest.by_ref().find(|character| *character == '\n');
                self.space()
            }
            '/' if self.rest.peek() == Some(&'*') => self.comment(),
            '(' => {
                self.depth += 1;
                self.copy(character)
            }
            ')' => {
                self.depth = self.depth.checked_sub(1).ok_or("a parenthesis is closed that was not opened")?;
                self.copy(character)
            }
            ';' => Err("it holds a semicolon"),
            '\0' => Err("it holds a NUL"),
            '?' | ':' | '@' | '#' => Err("it holds a parameter"),
            '$' if !(before.is_alphanumeric() || before == '_' || before == '$' || !before.is_ascii()) => {
                Err("it holds a parameter")
            }
            other => self.copy(other),
        }
    }

    fn copy(&mut self, character: char) -> Result<(), &'static str> {
        self.sql.push(character);
        Ok(())
    }

    fn space(&mut self) -> Result<(), &'static str> {
        self.before = ' ';
        self.copy(' ')
    }

    /// Up to a quote that is not doubled; written with `with` around it.
    fn quoted(&mut self, quote: char, with: char) -> Result<(), &'static str> {
        self.sql.push(with);
        while let Some(character) = self.rest.next() {
            if character == '\0' {
                return Err("it holds a NUL");
            }
            if character == quote && self.rest.next_if_eq(&quote).is_none() {
                return self.copy(with);
            }
            self.sql.push(character);
            if character == with {
                self.sql.push(with);
            }
        }
        Err("a quote does not end")
    }

    fn bracketed(&mut self) -> Result<(), &'static str> {
        self.sql.push('[');
        for character in self.rest.by_ref() {
            match character {
                '\0' => return Err("it holds a NUL"),
                ']' => return self.copy(']'),
                other => self.sql.push(other),
            }
        }
        Err("a bracket does not end")
    }

    fn comment(&mut self) -> Result<(), &'static str> {
        self.rest.next();
        let mut last = ' ';
        for character in self.rest.by_ref() {
            if last == '*' && character == '/' {
                return self.space();
            }
            last = character;
        }
        Err("a comment does not end")
    }
}

#[cfg(test)]
mod tests {
    use super::expression;

    #[test]
    fn one_expression_passes() {
        for (native, sql) in [
            ("a = 1", "(a = 1)"),
            ("a = 1 or b = 2", "(a = 1 or b = 2)"),
            ("a in (1, (2))", "(a in (1, (2)))"),
            ("a = ') or (' -- not ) this\nand b", "(a = ') or ('  and b)"),
            ("a /* ) ; ? */ = 'it''s; ?'", "(a   = 'it''s; ?')"),
            (r#""say ""a""" = `b``)` and [c;]"#, r#"(`say "a"` = `b``)` and [c;])"#),
            ("\"a`b\" = 1", "(`a``b` = 1)"),
            ("a$b = 1 -- to the end", "(a$b = 1  )"),
            ("doc -> 'a' - 1 / 2", "(doc -> 'a' - 1 / 2)"),
        ] {
            assert_eq!(expression(native).as_deref(), Ok(sql), "{native}");
        }
    }

    #[test]
    fn what_reaches_beyond_itself_is_refused() {
        for native in [
            "",
            "  -- nothing",
            "a = 1) or (1",
            "(a = 1",
            "a = 1 /* and",
            "a = 'x",
            "a = \"x",
            "a = `x",
            "a = [x",
            "a = 1; delete from b",
            "a = ?1",
            "a = ?",
            "a = :name",
            "a = @name",
            "a = $name",
            "a = #1",
            "a = 1\0",
            "a = '\0'",
        ] {
            assert!(expression(native).is_err(), "{native}");
        }
    }
}
