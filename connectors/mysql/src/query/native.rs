//! A condition in the engine's own language, as far as it could reach beyond its parentheses.
//!
//! It stands in parentheses of ours, on lines of its own. One that closes them would change what the whole predicate
//! means, so its parentheses, quotes and comments are read before it is sent anywhere. They are read as a session of ours
//! does: a backslash escapes inside quotes, and double quotes are those of a text.

use super::may_stand;

/// What is wrong with the condition, if it cannot stand where it is put.
pub(super) fn complaint(native: &str) -> Option<&'static str> {
    if !may_stand(native) {
        return Some("it holds a character that no text can hold");
    }
    let mut rest = native;
    let mut depth = 0_u32;
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '\'' | '"' => quoted(rest, c, true),
            '`' => quoted(rest, c, false),
            '#' => Some(line(rest)),
            '-' if is_dashes(rest) => Some(line(rest)),
            // The server reads what stands in these as if it were no comment.
            '/' if rest.starts_with("/*!") || rest.starts_with("/*M!") => {
                return Some("it holds a comment that the server reads");
            }
            '/' if rest.starts_with("/*") => rest.get(2..).and_then(|inside| inside.find("*/")).map(|at| at + 4),
            _ => Some(c.len_utf8()),
        };
        let Some(length) = length else { return Some("a quote or a comment is not closed") };
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return Some("a parenthesis is closed that was never opened"),
            ')' => depth -= 1,
            ';' => return Some("it holds more than one statement"),
            '?' => return Some("it names a parameter"),
            '@' if rest.starts_with("@") && assigns(rest) => return Some("it assigns a variable"),
            _ => {}
        }
        rest = &rest[length..];
    }
    if native.trim().is_empty() {
        return Some("it is empty");
    }
    (depth > 0).then_some("a parenthesis is not closed")
}

/// The length of the quoted text at the beginning of `text`. A doubled quote is one of the text's own.
fn quoted(text: &str, quote: char, escapes: bool) -> Option<usize> {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if escapes && c == '\\' {
            chars.next();
        } else if c == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
            return Some(at + 1);
        }
    }
    None
}

/// Two dashes begin a comment only before a blank or a control character.
fn is_dashes(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("--") else { return false };
    rest.chars().next().is_none_or(|c| c.is_whitespace() || c.is_control())
}

fn line(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

/// Whether a variable that stands here is assigned a value. Its name may be quoted.
fn assigns(text: &str) -> bool {
    let name = text.trim_start_matches('@');
    let rest = match name.chars().next() {
        Some(quote @ ('`' | '\'' | '"')) => quoted(name, quote, quote != '`').and_then(|length| name.get(length..)),
        _ => Some(name.trim_start_matches(|c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '.'))),
    };
    rest.is_some_and(|rest| rest.trim_start().starts_with(":="))
}

#[cfg(test)]
mod tests {
    use super::complaint;

    #[test]
    fn what_stays_inside_its_parentheses_is_fine() {
        for native in [
            "a = 1 or b = 2",
            "(a = ')') and (b = '(' or c = 'it''s')",
            r"a = '\')' and b = 'E\\'",
            "a -- )\n = 1",
            "a # )\n = 1",
            "a--1 = 2 and b-- -1 = 3",
            "a /* ) ; */ = 1 -- (",
            "`a)` = 1 and `b``(` = 2 and c = \")\"",
            "name like 'é)' and @@session.time_zone = '+00:00'",
            "exists (select 1 from other o where (o.id) = (t.id))",
        ] {
            assert_eq!(complaint(native), None, "{native}");
        }
    }

    #[test]
    fn what_reaches_beyond_is_refused() {
        for native in [
            "",
            " \n",
            "a = 1) or (b = 2",
            "(a = 1",
            "a = 1; delete from t",
            "a = ?",
            "a = 'x",
            "a = \"x",
            "a = `x",
            "a = 1 /* x",
            "a = 1 /*! ) or (1 */",
            "a = 1 /*M!100000 ) or (1 */",
            r"a = '\'",
            r"a = `\`` ) or ( b = ``",
            "(@a := 1)",
            "@`a` := 1",
            "@'a b' := 1",
            "@\"a\":= 1",
            "a = '\0'",
            // Comments do not nest here.
            "a /* /* */ ) */ = 1",
        ] {
            assert!(complaint(native).is_some(), "{native}");
        }
    }
}
