//! What the engine's name of a type says beside the kind: the word, the digits of a second, what its bytes are.

use forgetd_connector::Column;

/// The name of a type, taken apart: `datetime(6)`, `bigint unsigned`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TypeName<'a> {
    /// The first word.
    pub(crate) base: &'a str,
    /// The number in parentheses; absent where there is none, or several.
    digits: Option<u32>,
}

// === impl TypeName ===

impl<'a> TypeName<'a> {
    pub(crate) fn of(column: &'a Column) -> Self {
        Self::parse(&column.type_name)
    }

    fn parse(name: &'a str) -> Self {
        let end = name.find(['(', ' ']).unwrap_or(name.len());
        let inside = name.get(end..).and_then(|rest| rest.strip_prefix('('));
        let digits = inside.and_then(|rest| rest.split_once(')')).and_then(|(digits, _)| digits.parse().ok());
        Self { base: name.get(..end).unwrap_or(name), digits }
    }

    /// How many digits of a second a time keeps.
    pub(crate) fn second_digits(self) -> u32 {
        self.digits.unwrap_or(0).min(6)
    }

    /// Whether its values are bytes that are no text.
    pub(crate) fn is_bytes(self) -> bool {
        matches!(self.base, "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob")
    }
}

#[cfg(test)]
mod tests {
    use super::TypeName;

    #[test]
    fn names_are_taken_apart() {
        for (name, base, digits) in [
            ("datetime(6)", "datetime", 6),
            ("timestamp", "timestamp", 0),
            ("bigint unsigned", "bigint", 0),
            ("bit(8)", "bit", 6),
            ("varchar", "varchar", 0),
        ] {
            let parsed = TypeName::parse(name);
            assert_eq!((parsed.base, parsed.second_digits()), (base, digits), "{name}");
        }
    }
}
