//! Names of tables.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A table or collection, as the policy names it. Parts are exact names, never patterns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableRef {
    /// The namespace inside the database (`public`); absent where the engine has none, or its default applies.
    pub schema: Option<String>,
    /// The table's own name.
    pub name: String,
}

// === impl TableRef ===

impl TableRef {
    /// Reads `name` or `schema.name`. A dot inside a name is written `\.`.
    pub fn parse(text: &str) -> Self {
        let mut parts = vec![String::new()];
        let mut escaped = false;
        for c in text.chars() {
            match c {
                '\\' if !escaped => escaped = true,
                '.' if !escaped => parts.push(String::new()),
                _ => {
                    escaped = false;
                    if let Some(last) = parts.last_mut() {
                        last.push(c);
                    }
                }
            }
        }
        let name = parts.pop().unwrap_or_default();
        let schema = if parts.is_empty() { None } else { Some(parts.join(".")) };
        Self { schema, name }
    }

    /// As a policy writes it, so that [`TableRef::parse`] reads it back: unlike [`fmt::Display`], no two tables alike.
    pub fn written(&self) -> String {
        let part = |name: &str| name.replace('\\', "\\\\").replace('.', "\\.");
        match &self.schema {
            Some(schema) => format!("{}.{}", part(schema), part(&self.name)),
            None => part(&self.name),
        }
    }

    /// Whether this table, its schema resolved, is the one that a policy calls `name`: one without a schema
    /// fits any, and where the engine has no schemas, any fits.
    pub fn is(&self, name: &Self) -> bool {
        self.name == name.name && (name.schema.is_none() || self.schema.is_none() || self.schema == name.schema)
    }
}

impl fmt::Display for TableRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}.")?;
        }
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::TableRef;

    #[test]
    fn a_name_without_a_schema_fits_any_and_so_does_an_engine_without_schemas() {
        for (table, name, is) in [
            ("public.lead", "lead", true),
            ("public.lead", "public.lead", true),
            ("public.lead", "old.lead", false),
            ("public.lead", "public.call", false),
            ("lead", "main.lead", true),
            ("lead", "main.call", false),
        ] {
            assert_eq!(TableRef::parse(table).is(&TableRef::parse(name)), is, "{table} {name}");
        }
    }

    #[test]
    fn names_split_at_unescaped_dots() {
        for (text, schema, name) in [
            ("lead", None, "lead"),
            ("public.lead", Some("public"), "lead"),
            (r"public.le\.ad", Some("public"), "le.ad"),
        ] {
            let table = TableRef::parse(text);
            assert_eq!((table.schema.as_deref(), table.name.as_str()), (schema, name), "{text}");
            assert_eq!(table.written(), text);
        }
    }
}
