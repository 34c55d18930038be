//! Plans for people.

use comfy_table::ColumnConstraint;
use forgetd_connector::{Count, KeptRows, KeptWhy, Measure, Month, Profile};

use super::{RulePlan, months};
use crate::{
    cli::report::{self, count},
    rules::{Mode, Transform},
};

/// All plans: one block per rule, and a summary where there are several.
pub fn text(plans: &[RulePlan]) -> String {
    let mut parts: Vec<String> = plans.iter().map(RulePlan::text).collect();
    if plans.len() > 1 {
        let mut table = report::table();
        table.set_header(SUMMARY);
        for plan in plans {
            table.add_row(plan.summary());
        }
        parts.push(report::text(&table));
    }
    parts.join("\n\n")
}

/// The columns of [`RulePlan::summary`].
pub(super) const SUMMARY: [&str; 6] = ["rule", "mode", "table", "due", "oldest", "would"];

const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Observe => "observe",
        Mode::Enforce => "enforce",
    }
}

/// Why rows stay, in words.
pub(super) fn kept(kept: &KeptRows) -> String {
    let rows = count(kept.rows);
    match &kept.why {
        KeptWhy::Null => format!("{rows} have no moment to count from"),
        KeptWhy::Future => format!("{rows} count from a moment in the future"),
        KeptWhy::Unreadable => format!("{rows} hold something that is no time"),
        KeptWhy::Mistyped(kind) => format!("{rows} hold a value of the type {kind} where the moment should be"),
        KeptWhy::Rule(rule) => format!("{rows} are kept by rule {rule}"),
        KeptWhy::Child(key) => format!("{rows} have children that must stay ({key})"),
    }
}

/// How long something takes, roughly.
pub(super) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => "less than a second".into(),
        s if s < 120.0 => format!("about {s:.0} seconds"),
        s if s < 7200.0 => format!("about {:.0} minutes", s / 60.0),
        s => format!("about {:.1} hours", s / 3600.0),
    }
}

// === impl RulePlan ===

impl RulePlan {
    /// The rule in one line of a table.
    pub(super) fn summary(&self) -> [String; 6] {
        let oldest = self.measure.as_ref().and_then(|measure| measure.oldest);
        [
            self.rule.name.clone(),
            if self.rule.runs() { mode(self.rule.mode).into() } else { "keep".into() },
            format!("{}.{}", self.rule.database, self.rule.table),
            self.measure.as_ref().map_or("-".into(), |measure| count(measure.due)),
            oldest.map_or("-".into(), |oldest| oldest.strftime("%Y-%m-%d").to_string()),
            self.outlook().0.into(),
        ]
    }

    pub(super) fn head(&self) -> String {
        let rule = &self.rule;
        let place = format!("{}.{}", rule.database, rule.table);
        let head = format!("{}: {} {place}", rule.name, rule.action.on());
        if rule.runs() { format!("{head} ({})", mode(rule.mode)) } else { head }
    }

    /// What is known, as pairs of a word and a text, statements left out.
    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = vec![("keeps", format!("{} after {}", self.rule.keep_for, self.rule.since))];
        let mut fact = |name, text: String| facts.push((name, text));
        if let Some(cutoff) = self.cutoff {
            fact("cutoff", cutoff.to_string());
        }
        if let Some(measure) = &self.measure {
            fact("due", self.due_text(measure));
        }
        if let Some(profile) = &self.profile {
            for line in histogram(profile) {
                fact("by month", line);
            }
            for rows in profile.kept.iter().filter(|kept| kept.rows != Count::Exact(0)) {
                fact("kept", kept(rows));
            }
        }
        for (place, words) in self.rule.transform().map(Transform::words).unwrap_or_default() {
            fact("writes", format!("{place}: {words}"));
        }
        fact("would", self.outlook().1);
        for (cause, text) in self.guards.iter().skip(1) {
            fact("blocked", format!("{cause}: {text}"));
        }
        if let Some(seconds) = self.seconds().filter(|_| self.due().is_some_and(|due| due > 0)) {
            fact("takes", format!("{} at the speed of the last runs", duration(seconds)));
        }
        for reference in &self.references {
            fact("references", reference.to_string());
        }
        if self.statements.is_some() {
            fact("index", self.index.clone().unwrap_or_else(|| "none finds rows that are due".into()));
        }
        facts
    }

    pub(super) fn text(&self) -> String {
        let mut table = report::table();
        let mut last = "";
        for (name, text) in self.facts() {
            let shown = if name == last { "" } else { name };
            last = name;
            table.add_row([format!("  {shown}"), text]);
        }
        if let Some(statements) = &self.statements {
            let mut row = |name: &str, text: String| {
                table.add_row([format!("  {name}"), text]);
            };
            row("walks", format!("by {}", statements.walk));
            row("predicate", statements.predicate.clone());
            // Every statement holds the predicate word for word; saying it once keeps the rest readable.
            let short = |statement: &str| statement.replace(&statements.predicate, "<predicate>");
            row("peek", short(&statements.peek));
            row("change", short(&statements.change));
            row("count", short(&statements.count));
        }
        if let Some(column) = table.column_mut(0) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        let mut parts = vec![self.head(), report::text(&table)];
        if !self.findings.is_empty() {
            parts.push(report::indented(&report::findings(&self.findings)));
        }
        parts.join("\n")
    }

    fn due_text(&self, measure: &Measure) -> String {
        let share = self.share().filter(|_| !matches!(measure.due, Count::Capped(_)));
        let share = share.map_or(String::new(), |share| format!(" ({:.1}%)", share * 100.0));
        let oldest = measure.oldest.map_or(String::new(), |oldest| format!(", the oldest of {oldest}"));
        format!("{} of {} rows{share}{oldest}", count(measure.due), count(measure.total))
    }
}

/// One line per month, or per year where there are many months.
fn histogram(profile: &Profile) -> Vec<String> {
    let bars = months::bars(&profile.months);
    let line = |Month { month, rows }: &Month, bar: &str| {
        format!("{:<8} {:>12}  {bar}", month.as_deref().unwrap_or("none"), report::thousands(*rows))
    };
    let mut lines: Vec<String> = bars.iter().map(|(month, bar)| line(month, bar).trim_end().to_owned()).collect();
    if !profile.complete && !lines.is_empty() {
        lines.push("of the rows that were looked at; --exact looks at all".into());
    }
    lines
}
