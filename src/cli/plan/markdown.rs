//! Plans as Markdown, for a comment on a change of the policy.

use super::{RulePlan, text};
use crate::cli::report;

/// All plans: a table, then the details of each rule folded away.
pub fn markdown(plans: &[RulePlan]) -> String {
    let mut lines = vec!["### forgetd plan".to_owned(), String::new()];
    lines.extend(table(&text::SUMMARY.map(str::to_owned), plans.iter().map(RulePlan::summary)));
    for plan in plans {
        lines.push(String::new());
        lines.extend(plan.details());
    }
    lines.join("\n")
}

/// A table of these columns.
pub(super) fn table<const N: usize>(head: &[String; N], rows: impl Iterator<Item = [String; N]>) -> Vec<String> {
    let line =
        |cells: &[String; N]| format!("| {} |", cells.iter().map(|cell| escaped(cell)).collect::<Vec<_>>().join(" | "));
    let mut lines = vec![line(head), format!("|{}", "---|".repeat(N))];
    lines.extend(rows.map(|row| line(&row)));
    lines
}

/// Text in a cell: nothing in it is markup.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push(' '),
            '|' | '\\' | '`' | '*' | '_' | '<' | '>' | '[' | ']' | '#' | '&' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

// === impl RulePlan ===

impl RulePlan {
    fn details(&self) -> Vec<String> {
        let mut lines =
            vec![format!("<details><summary>{}</summary>", html(&self.head())), String::new(), "```text".into()];
        // Facts line up as they do on a terminal.
        lines.extend(self.facts().into_iter().map(|(name, text)| format!("{name:<10}  {text}")));
        if let Some(statements) = &self.statements {
            lines.extend(["```".into(), String::new(), "```sql".into(), statements.change.clone()]);
        }
        lines.push("```".into());
        for finding in &self.findings {
            let word = report::word(finding.severity);
            let (place, message, fix) = (escaped(&finding.place), escaped(&finding.message), escaped(&finding.fix));
            lines.push(format!("- **{word}** `{}` {place}: {message} (fix: {fix})", finding.id));
        }
        lines.extend([String::new(), "</details>".into()]);
        lines
    }
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
