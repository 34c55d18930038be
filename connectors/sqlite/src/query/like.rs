//! Patterns of `like`, as GLOB reads them: the only matching of SQLite that tells upper from lower case.

/// The longest pattern that SQLite takes, in bytes.
const BYTES_MAX: usize = 50_000;

/// A pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Glob {
    /// What GLOB is given.
    Pattern(String),
    /// It matches no text without a NUL.
    Never,
}

// === impl Glob ===

impl Glob {
    /// Translates `%` (any text), `_` (any one character) and a backslash (the next character as it is).
    pub(super) fn new(pattern: &str) -> Result<Self, &'static str> {
        let mut glob = String::with_capacity(pattern.len());
        let mut characters = pattern.chars();
        while let Some(character) = characters.next() {
            let literal = match character {
                '%' => {
                    glob.push('*');
                    continue;
                }
                '_' => {
                    glob.push('?');
                    continue;
                }
                '\\' => characters.next().unwrap_or('\\'),
                other => other,
            };
            match literal {
                '\0' => return Ok(Self::Never),
                '*' | '?' | '[' => glob.extend(['[', literal, ']']),
                _ => glob.push(literal),
            }
        }
        if glob.len() > BYTES_MAX {
            return Err("SQLite takes no pattern of more than 50,000 bytes");
        }
        Ok(Self::Pattern(glob))
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn wildcards_are_translated_and_literals_are_not() {
        for (like, glob) in [
            ("a%b_", "a*b?"),
            (r"100\%\_\\", r"100%_\"),
            ("*?[a-z]^", "[*][?][[]a-z]^"),
            (r"\*\a", "[*]a"),
            ("", ""),
            ("é%", "é*"),
        ] {
            assert_eq!(Glob::new(like), Ok(Glob::Pattern(glob.into())), "{like}");
        }
        assert_eq!(Glob::new("a\0%"), Ok(Glob::Never));
        assert!(Glob::new(&"[".repeat(20_000)).is_err());
    }
}
