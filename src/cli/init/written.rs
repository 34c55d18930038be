//! The text of a policy that `init` writes. Pure.

use forgetd_connector::{Count, SinceForm, TableRef};

use crate::cli::report::count;

/// Everything that the text says.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    /// How the configuration names the URL: `{ env: NAME }` or `{ file: PATH }`.
    pub(super) url: String,
    /// The product and its version, where a database was looked at.
    pub(super) server: Option<String>,
    /// Suggested rules.
    pub(super) rules: Vec<DraftRule>,
    /// Tables for which nothing can be suggested, and why.
    pub(super) others: Vec<(TableRef, String)>,
}

/// One suggested rule.
#[derive(Clone, Debug)]
pub(super) struct DraftRule {
    pub(super) table: TableRef,
    pub(super) column: String,
    pub(super) form: Option<SinceForm>,
    /// Whether a zone has to be named.
    pub(super) naive: bool,
    /// How many rows have NULL there, where they can.
    pub(super) nulls: Option<Count>,
    /// Rows of the table.
    pub(super) total: Count,
    /// The suggested period.
    pub(super) keep_for: &'static str,
    /// Rows that would be due for each of some periods.
    pub(super) counts: Vec<(&'static str, Count)>,
    /// Columns that look like personal data.
    pub(super) personal: Vec<String>,
    /// Other columns that a period could count from.
    pub(super) instead: Vec<String>,
    /// What somebody should know before it enforces.
    pub(super) notes: Vec<String>,
}

// === impl Draft ===

impl Draft {
    /// The file.
    pub(super) fn text(&self) -> String {
        let about = self
            .server
            .as_ref()
            .map_or("an example; `forgetd init --url-env VAR` looks at a database".into(), |server| {
                format!("suggested by looking at {server}; counts are of that moment")
            });
        let mut text = format!("{SCHEMA}# {about}\n{HEAD}");
        text = text.replace("{url}", &self.url);
        text.push_str("\nrules:\n");
        let mut names = vec![];
        for rule in &self.rules {
            let name = unique(&rule.table, &mut names);
            text.push_str(&rule.text(&name));
        }
        if self.rules.is_empty() {
            text.push_str(EXAMPLE);
        }
        if !self.others.is_empty() {
            text.push_str("\n# Tables without a suggestion:\n");
            for (table, why) in &self.others {
                text.push_str(&format!("# - {table}: {why}").replace(char::is_control, " "));
                text.push('\n');
            }
        }
        text
    }
}

/// Editors complete and check the file by it.
const SCHEMA: &str = "# yaml-language-server: $schema=forgetd.schema.json\n\
                      # (written by `forgetd schema > forgetd.schema.json`)\n#\n";

const HEAD: &str = r#"#
# Every rule below only observes: `forgetd plan` shows what it would do. Decide about each one, delete what you do not
# want, and write `mode: enforce` on a rule when its plan is right.
#
# Next: forgetd keys new evidence --out evidence.key    # the key that signs the evidence log; keep a copy elsewhere
#       forgetd check --connect
#       forgetd plan
#       forgetd install                                  # forgetd's own tables, before the first rule enforces

version: 1
instance: app                        # appears in evidence and metrics

databases:
  app:
    url: {url}

evidence:
  origin: example.com/forgetd/app    # names this log in every signature: use a domain of yours, and never change it
  signing_key: { file: evidence.key }

defaults:
  schedule: "15 3 * * *"             # every night, in UTC unless `{ cron: .., zone: Area/City }` names another
  guard: { share_max: 0.2 }          # a run that would delete more than a fifth of a table does not start
"#;

const EXAMPLE: &str = r"  - name: web-sessions
    table: public.web_session
    keep_for: 30d                    # or 6mo, 2y, P30D: calendar arithmetic
    since: last_seen_at
    when_null: keep                  # keep | delete | { use: created_at }
    action: delete
";

// === impl DraftRule ===

impl DraftRule {
    fn text(&self, name: &str) -> String {
        let mut lines = vec![String::new()];
        let counts: Vec<String> =
            self.counts.iter().map(|(period, due)| format!("{period}: {}", count(*due))).collect();
        lines.push(format!("  # {}: {} rows; older than {}", self.table, count(self.total), counts.join(", ")));
        if !self.personal.is_empty() {
            lines.push(format!("  # looks personal: {}", self.personal.join(", ")));
        }
        if !self.instead.is_empty() {
            lines.push(format!("  # could count from instead: {}", self.instead.join(", ")));
        }
        lines.extend(self.notes.iter().map(|note| format!("  # {note}")));
        lines.push(format!("  - name: {name}"));
        lines.push(format!("    table: {}", scalar(&self.table.written())));
        lines.push("    # purpose: why the data is there; legal_basis: contract".into());
        lines.push(format!("    keep_for: {:<24} # decide: how long is this needed?", self.keep_for));
        lines.push(self.since());
        if let Some(nulls) = self.nulls {
            let rows = count(nulls);
            lines.push(format!(
                "    when_null: keep{:<18} # decide: {rows} rows have none: keep, delete, or {{ use: other_column }}",
                ""
            ));
        }
        lines.push("    action: delete".into());
        // A name can hold anything, and a comment ends with its line.
        lines.iter().map(|line| line.replace(char::is_control, " ")).collect::<Vec<_>>().join("\n") + "\n"
    }

    fn since(&self) -> String {
        let column = scalar(&self.column);
        if !self.naive && self.form.is_none() {
            return format!("    since: {column}");
        }
        let mut parts = vec![format!("column: {column}")];
        if self.naive {
            parts.push("zone: UTC".into());
        }
        parts.extend(self.form.map(|form| format!("as: {}", form.word())));
        let question = if self.naive { "  # decide: the zone in which these were written, as Area/City" } else { "" };
        format!("    since: {{ {} }}{question}", parts.join(", "))
    }
}

/// A text as YAML reads it back: in double quotes unless it is plain for every reader.
fn scalar(text: &str) -> String {
    let word = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'));
    let reserved = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic()) && word(text);
    if plain && !reserved.contains(&text.to_ascii_lowercase().as_str()) {
        return text.to_owned();
    }
    serde_json::to_string(text).unwrap_or_default()
}

/// A rule's name from its table's, unlike those before.
fn unique(table: &TableRef, names: &mut Vec<String>) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let base: String = table.name.chars().map(plain).collect::<String>().trim_matches('-').to_owned();
    let base = if base.is_empty() { "rule".to_owned() } else { base };
    let schema = table.schema.as_deref().unwrap_or_default().chars().map(plain).collect::<String>();
    let tries = [base.clone(), format!("{schema}-{base}").trim_matches('-').to_owned()];
    let numbered = (2..).map(|n| format!("{base}-{n}"));
    let name = tries.into_iter().chain(numbered).find(|name| !names.contains(name)).unwrap_or(base);
    names.push(name.clone());
    name
}

#[cfg(test)]
mod tests {
    use forgetd_connector::TableRef;

    use super::{scalar, unique};

    #[test]
    fn names_are_written_so_that_they_are_read_back() {
        for (schema, name, text) in [
            (Some("public"), "lead", "public.lead"),
            (None, "Order Line", "\"Order Line\""),
            (Some("a.b"), "c", r#""a\\.b.c""#),
            (None, "yes", "\"yes\""),
            (None, "1st", "\"1st\""),
        ] {
            let table = TableRef { schema: schema.map(Into::into), name: name.into() };
            let shown = scalar(&table.written());
            assert_eq!(shown, text);
            let read: String = serde_saphyr::from_str(&shown).unwrap();
            assert_eq!(TableRef::parse(&read), table);
        }
    }

    #[test]
    fn rules_have_names_of_their_own() {
        let mut names = vec![];
        let mut name = |schema: &str, table: &str| {
            unique(&TableRef { schema: Some(schema.into()), name: table.into() }, &mut names)
        };
        assert_eq!(name("public", "Web Session"), "web-session");
        assert_eq!(name("old", "web_session"), "old-web-session");
        assert_eq!(name("old", "web.session"), "web-session-2");
        assert_eq!(name("x", "\u{e9}"), "rule");
    }
}
