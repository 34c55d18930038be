//! How findings look on a terminal and in JSON.

use comfy_table::{Cell, ContentArrangement, Table, presets};
use forgetd_connector::{Count, Fault, Finding, Severity};

/// Lines are broken here: a terminal of usual width, a ticket, a mail.
pub(super) const WIDTH: u16 = 100;

/// Room for [`indented`].
const INDENT: u16 = 2;

/// A table without lines, as wide as [`WIDTH`] at most, whose first column is never broken.
pub(super) fn table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH - INDENT);
    table
}

/// The table as text: no spaces at line ends.
pub(super) fn text(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// A finding in words.
pub(super) const fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// Findings as lines: severity, id and place, then what and what to do.
pub(super) fn findings(findings: &[Finding]) -> String {
    let mut table = table();
    for finding in findings {
        let what = format!("{}\n{}\nfix: {}", place(finding), finding.message, finding.fix);
        table.add_row([Cell::new(word(finding.severity)), Cell::new(&finding.id), Cell::new(what)]);
    }
    for index in 0..2 {
        if let Some(column) = table.column_mut(index) {
            column.set_constraint(comfy_table::ColumnConstraint::ContentWidth);
        }
    }
    text(&table)
}

/// Text one level in.
pub(super) fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

fn place(finding: &Finding) -> &str {
    if finding.place.is_empty() { "-" } else { &finding.place }
}

/// `2 errors, 1 warning`, or that there is nothing.
pub(super) fn summary(findings: &[Finding]) -> String {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let part = |n: usize, one: &str| match n {
        0 => None,
        1 => Some(format!("1 {one}")),
        n => Some(format!("{n} {one}s")),
    };
    let parts = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Info, "note")];
    let parts: Vec<String> = parts.iter().filter_map(|(severity, one)| part(count(*severity), one)).collect();
    if parts.is_empty() { "nothing found".into() } else { parts.join(", ") }
}

/// A failure as a finding.
pub(super) fn fault(fault: &Fault) -> Finding {
    Finding::blocks(fault.cause(), &fault.place, fault.to_string())
}

/// A count in words.
pub(super) fn count(count: Count) -> String {
    match count {
        Count::Exact(rows) => thousands(rows),
        Count::Capped(rows) => format!("at least {}", thousands(rows)),
        Count::Estimate(rows) => format!("about {}", thousands(rows)),
        Count::Blind(cause) => format!("cannot be seen ({cause})"),
    }
}

/// A number with its thousands apart, as people read it.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Cause, Finding};

    use super::{WIDTH, findings, summary, thousands};

    #[test]
    fn findings_fit_the_width_and_keep_their_ids_whole() {
        let long = "a message that goes on and on ".repeat(12);
        let shown = findings(&[Finding::blocks(Cause::WhenNullMissing, "crm.public.lead.closed_at", long)]);
        assert!(shown.lines().all(|line| line.chars().count() <= usize::from(WIDTH)), "{shown}");
        assert!(shown.contains("when_null_missing") && shown.contains("fix: add `when_null: keep`"), "{shown}");
    }

    #[test]
    fn summaries_count_and_numbers_are_readable() {
        let error = Finding::blocks(Cause::NoKey, "p", "m");
        assert_eq!(summary(&[]), "nothing found");
        assert_eq!(summary(&[error.clone(), error]), "2 errors");
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(number), text);
        }
    }
}
