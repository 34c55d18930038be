//! What the account may do and see, from what the server says of its own grants. Pure.
//!
//! Whether a statement is allowed is asked by the statement itself; here is only asked whether something is not shown.

use std::collections::BTreeSet;

use forgetd_connector::TableRef;

/// Privileges on every table that let an account see all of them, whichever it has.
const SIGHT: &[&str] = &[
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "CREATE",
    "DROP",
    "REFERENCES",
    "INDEX",
    "ALTER",
    "CREATE VIEW",
    "SHOW VIEW",
    "TRIGGER",
    ALL,
];

const ALL: &str = "ALL PRIVILEGES";

/// The grants of an account, those of its roles among them.
#[derive(Debug, Default)]
pub(super) struct Rights {
    grants: Vec<Grant>,
    /// What was taken from a grant on everything.
    taken: BTreeSet<String>,
}

#[derive(Debug)]
struct Grant {
    /// As patterns; absent: every one.
    schema: Option<String>,
    table: Option<String>,
    privileges: BTreeSet<String>,
}

// === impl Rights ===

impl Rights {
    /// Reads the answers to SHOW GRANTS.
    pub(super) fn read<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut rights = Self::default();
        for line in lines {
            let (text, given) = match (line.strip_prefix("GRANT "), line.strip_prefix("REVOKE ")) {
                (Some(text), _) => (text, true),
                (_, Some(text)) => (text, false),
                _ => continue,
            };
            // A role that was granted is none, and what it gives stands in lines of its own.
            let Some((privileges, rest)) = split_plain(text, " ON ") else { continue };
            let end = if given { " TO " } else { " FROM " };
            let object = split_plain(rest, end).map_or(rest, |(object, _)| object);
            let privileges = names(privileges);
            if given {
                let Some((schema, table)) = split_plain(object.trim_start_matches("TABLE "), ".") else { continue };
                rights.grants.push(Grant { schema: name(schema), table: name(table), privileges });
            } else {
                rights.taken.extend(privileges);
            }
        }
        rights
    }

    /// Whether every table is shown, with its foreign keys.
    pub(super) fn sees_all_tables(&self) -> bool {
        let everything = self.grants.iter().filter(|grant| grant.schema.is_none() && grant.table.is_none());
        everything
            .flat_map(|grant| &grant.privileges)
            .any(|privilege| SIGHT.contains(&privilege.as_str()) && !self.taken.contains(privilege))
    }

    /// Whether the account has a privilege on the whole of a table.
    pub(super) fn on_table(&self, privilege: &str, table: &TableRef) -> bool {
        let schema = table.schema.as_deref().unwrap_or_default();
        self.grants.iter().any(|grant| {
            let here = grant.schema.as_deref().is_none_or(|pattern| like(pattern, schema))
                && grant.table.as_deref().is_none_or(|name| name == table.name);
            here && (grant.privileges.contains(privilege) || grant.privileges.contains(ALL))
        })
    }

    /// Whether the account may do something with the whole of a table, whatever it is.
    pub(super) fn sees_table(&self, table: &TableRef) -> bool {
        SIGHT.iter().any(|privilege| self.on_table(privilege, table))
    }

    /// Whether the account has a privilege on everything in a schema.
    pub(super) fn on_schema(&self, privilege: &str, schema: &str) -> bool {
        self.grants.iter().any(|grant| {
            grant.table.is_none()
                && grant.schema.as_deref().is_none_or(|pattern| like(pattern, schema))
                && (grant.privileges.contains(privilege) || grant.privileges.contains(ALL))
        })
    }
}

/// Splits at the first `separator` that stands neither in quotes nor in parentheses.
fn split_plain<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let (mut quote, mut depth) = (None, 0_u32);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, _) if depth == 0 && text.get(at..).is_some_and(|rest| rest.starts_with(separator)) => {
                return Some((text.get(..at)?, text.get(at + separator.len()..)?));
            }
            (None, '`' | '\'' | '"') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
    }
    None
}

/// The privileges that stand alone; those on single columns are none on the table.
fn names(privileges: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest = privileges;
    loop {
        let (first, more) = split_plain(rest, ",").unwrap_or((rest, ""));
        if !first.contains('(') {
            names.insert(first.trim().to_uppercase());
        }
        if more.is_empty() {
            return names;
        }
        rest = more;
    }
}

/// The name inside backquotes; a star is every one.
fn name(text: &str) -> Option<String> {
    let text = text.trim();
    (text != "*").then(|| text.trim_matches('`').replace("``", "`"))
}

/// Whether a pattern of schemas fits a name: `%` and `_`, unless a backslash stands in front.
fn like(pattern: &str, name: &str) -> bool {
    let mut chars = pattern.chars();
    let mut rest = name.chars();
    match chars.next() {
        None => name.is_empty(),
        Some('%') => {
            let pattern = chars.as_str();
            let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            ends.into_iter().any(|at| name.get(at..).is_some_and(|rest| like(pattern, rest)))
        }
        Some('_') => rest.next().is_some() && like(chars.as_str(), rest.as_str()),
        Some('\\') => match chars.next() {
            Some(c) => rest.next() == Some(c) && like(chars.as_str(), rest.as_str()),
            None => name == "\\",
        },
        Some(c) => rest.next() == Some(c) && like(chars.as_str(), rest.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use forgetd_connector::TableRef;

    use super::{Rights, like};

    #[test]
    fn whoever_has_something_on_every_table_sees_every_foreign_key() {
        for (lines, sees) in [
            (&["GRANT USAGE ON *.* TO `u`@`%`", "GRANT SELECT ON `d`.* TO `u`@`%`"][..], false),
            (&["GRANT PROCESS, EVENT ON *.* TO `u`@`%`"], false),
            (&["GRANT REFERENCES ON *.* TO `u`@`%`"], true),
            (&["GRANT ALL PRIVILEGES ON *.* TO `u`@`h` IDENTIFIED BY PASSWORD '*AB' WITH GRANT OPTION"], true),
            (&["GRANT SELECT ON *.* TO `u`@`%`", "REVOKE SELECT ON `d`.* FROM `u`@`%`"], false),
            (&["GRANT SELECT, SHOW VIEW ON *.* TO `u`@`%`", "REVOKE SELECT ON `d`.* FROM `u`@`%`"], true),
            (&["GRANT `r`@`%` TO `u`@`%`", "GRANT PROXY ON ''@'%' TO 'u'@'h'"], false),
        ] {
            assert_eq!(Rights::read(lines.iter().copied()).sees_all_tables(), sees, "{lines:?}");
        }
    }

    #[test]
    fn a_privilege_is_one_on_the_table_its_schema_or_everything() {
        for (line, table, schema) in [
            ("GRANT TRIGGER ON *.* TO `u`@`%`", true, true),
            ("GRANT SELECT, TRIGGER ON `d`.* TO `u`@`%`", true, true),
            ("GRANT TRIGGER ON `d%`.* TO `u`@`%`", true, true),
            (r"GRANT TRIGGER ON `d\_`.* TO `u`@`%`", false, false),
            ("GRANT SELECT (`a ON b`, `c`), TRIGGER ON `d`.`t` TO `u`@`%`", true, false),
            ("GRANT TRIGGER (`a`) ON `d`.`t` TO `u`@`%`", false, false),
            ("GRANT TRIGGER ON `d`.`other` TO `u`@`%`", false, false),
            ("GRANT EXECUTE ON PROCEDURE `d`.`t` TO `u`@`%`", false, false),
        ] {
            let rights = Rights::read([line]);
            // TRIGGER is one of those that show it.
            assert!(rights.sees_table(&TableRef::parse("d.t")) >= table, "{line}");
            assert_eq!(rights.on_table("TRIGGER", &TableRef::parse("d.t")), table, "{line}");
            assert_eq!(rights.on_schema("TRIGGER", "d"), schema, "{line}");
        }
    }

    #[test]
    fn patterns_fit_names() {
        for (pattern, name, fits) in [
            ("d", "d", true),
            ("d", "e", false),
            ("d%", "d", true),
            ("%_b", "a_b", true),
            (r"a\_b", "a_b", true),
            (r"a\_b", "axb", false),
            ("a_b", "axb", true),
            ("", "", true),
        ] {
            assert_eq!(like(pattern, name), fits, "{pattern} {name}");
        }
    }
}
