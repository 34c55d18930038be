//! What the engine's name of a type says beside the kind: signs, digits of a second, the collation.

use forgetd_connector::Column;

/// The name of a type, taken apart: `datetime(6)`, `bigint(20) unsigned`, `varchar(20) collate latin1_swedish_ci`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TypeName<'a> {
    /// The first word.
    pub(crate) base: &'a str,
    /// The number in parentheses; absent where there is none, or several.
    digits: Option<u32>,
    /// Of a text; absent where the name does not say it.
    pub(crate) collation: Option<&'a str>,
}

// === impl TypeName ===

impl<'a> TypeName<'a> {
    pub(crate) fn of(column: &'a Column) -> Self {
        Self::parse(&column.type_name)
    }

    fn parse(name: &'a str) -> Self {
        // Behind the labels of an enum, which can hold anything.
        let tail = name.rfind(')').map_or(0, |at| at + 1);
        let collation = name.get(tail..).and_then(|tail| tail.split_once("collate ")).map(|(_, collation)| collation);
        let end = name.find(['(', ' ']).unwrap_or(name.len());
        let inside = name.get(end..).and_then(|rest| rest.strip_prefix('('));
        let digits = inside.and_then(|rest| rest.split_once(')')).and_then(|(digits, _)| digits.parse().ok());
        Self { base: name.get(..end).unwrap_or(name), digits, collation: collation.map(str::trim) }
    }

    /// How many digits of a second a time keeps.
    pub(crate) fn second_digits(self) -> u32 {
        self.digits.unwrap_or(0).min(6)
    }

    /// Whether its values are bytes that are no text.
    pub(crate) fn is_bytes(self) -> bool {
        matches!(self.base, "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob")
    }

    /// Whether it is known that the column's bytes are UTF-8 as it is written everywhere else.
    pub(crate) fn is_utf8mb4(self) -> bool {
        self.collation.is_some_and(|collation| collation.starts_with("utf8mb4_"))
    }
}

#[cfg(test)]
mod tests {
    use super::TypeName;

    #[test]
    fn names_are_taken_apart() {
        for (name, base, digits, collation) in [
            ("datetime(6)", "datetime", 6, None),
            ("timestamp", "timestamp", 0, None),
            ("bigint(20) unsigned", "bigint", 6, None),
            ("decimal(10,2)", "decimal", 0, None),
            ("varchar(20) collate latin1_swedish_ci", "varchar", 6, Some("latin1_swedish_ci")),
            ("text collate utf8mb4_general_ci", "text", 0, Some("utf8mb4_general_ci")),
            ("enum('a','b) collate c','(') collate utf8mb4_bin", "enum", 0, Some("utf8mb4_bin")),
            ("int", "int", 0, None),
        ] {
            let parsed = TypeName::parse(name);
            assert_eq!((parsed.base, parsed.second_digits(), parsed.collation), (base, digits, collation), "{name}");
        }
    }
}
