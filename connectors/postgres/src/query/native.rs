//! A condition in the engine's own language, as far as it could reach beyond its parentheses.
//!
//! It stands in parentheses of ours, on lines of its own. One that closes them would change what the whole predicate
//! means, so its parentheses, quotes and comments are read before it is sent anywhere.

/// What is wrong with the condition, if it cannot stand where it is put.
pub(super) fn complaint(native: &str) -> Option<&'static str> {
    let mut rest = native;
    let mut word = String::new();
    let mut depth = 0_u32;
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '\'' => quoted(rest, '\'', word.eq_ignore_ascii_case("e")),
            '"' => quoted(rest, '"', false),
            '$' if word.is_empty() => match dollar(rest) {
                Dollar::Quoted(length) => length,
                Dollar::Parameter => return Some("it names a parameter"),
                Dollar::Plain => Some(1),
            },
            '-' if rest.starts_with("--") => Some(rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => comment(rest),
            _ => Some(c.len_utf8()),
        };
        let Some(length) = length else { return Some("a quote or a comment is not closed") };
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return Some("a parenthesis is closed that was never opened"),
            ')' => depth -= 1,
            ';' => return Some("it holds more than one statement"),
            _ => {}
        }
        if c.is_alphanumeric() || matches!(c, '_' | '$') && length == 1 {
            word.push(c);
        } else {
            word.clear();
        }
        rest = &rest[length..];
    }
    if native.trim().is_empty() {
        return Some("it is empty");
    }
    (depth > 0).then_some("a parenthesis is not closed")
}

/// What a dollar sign that stands in no word begins.
enum Dollar {
    /// Text between two tags, of this length; absent: it does not end.
    Quoted(Option<usize>),
    /// `$1`.
    Parameter,
    /// Neither.
    Plain,
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

fn dollar(text: &str) -> Dollar {
    let inside = &text[1..];
    if inside.starts_with(|c: char| c.is_ascii_digit()) {
        return Dollar::Parameter;
    }
    let name = inside.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(inside.len());
    if !inside[name..].starts_with('$') {
        return Dollar::Plain;
    }
    let tag = &text[..name + 2];
    Dollar::Quoted(text[tag.len()..].find(tag).map(|at| at + 2 * tag.len()))
}

/// The length of the comment at the beginning of `text`. Comments nest.
fn comment(text: &str) -> Option<usize> {
    let mut depth = 0_u32;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::complaint;

    #[test]
    fn what_stays_inside_its_parentheses_is_fine() {
        for native in [
            "a = 1 or b = 2",
            "(a = ')') and (b = '(' or c = 'it''s')",
            "a = E'\\')' and b = 'E\\'",
            "a = $$ ) ; $1 $$ and b = $x_1$ )$$ $x_1$",
            "a -- )\n = 1",
            "a /* ) /* ( */ ; */ = 1 -- (",
            "\"a)\" = 1 and \"b\"\"(\" = 2",
            "a$b = 1 and tags ? 'x' and name ilike 'é)'",
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
            "a = $1",
            "a = 'x",
            "a = \"x",
            "a = $$x",
            "a = 1 /* x",
            "a = E'\\'",
            // Without the E the backslash is a character like any other.
            "a = '\\' ) or ( b = ''",
        ] {
            assert!(complaint(native).is_some(), "{native}");
        }
    }
}
