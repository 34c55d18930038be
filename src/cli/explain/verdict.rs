//! Why one row goes or stays, and when, in words. Pure.

use forgetd_connector::{Clause, ClauseOf, Judged};
use jiff::Timestamp;
use serde::Serialize;

use crate::rules::{Mode, Policy, Rule};

/// What is said about one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Answer {
    /// Whether it is due.
    pub(super) due: bool,
    /// Why it goes or stays, one sentence for each condition that decides.
    pub(super) reasons: Vec<String>,
    /// From when on it is due if nothing in the row changes; absent: it is due now, or never as it is.
    pub(super) due_from: Option<Timestamp>,
}

/// Words for what was found out about a row of the rule's table.
pub(super) fn answer(rule: &Rule, policy: &Policy, judged: &Judged) -> Answer {
    if judged.due {
        let since = judged.clauses.iter().find(|clause| clause.what == ClauseOf::Since);
        let mut reasons = vec![over(rule, since)];
        if rule.mode == Mode::Observe {
            let word = rule.action.word();
            reasons.push(format!("the rule only observes: with `mode: enforce` the next run would {word} it"));
        }
        return Answer { due: true, reasons, due_from: None };
    }
    let mut reasons = vec![];
    // The latest of the moments that everything waits for; nothing once something waits for no moment.
    let mut from: Option<Option<Timestamp>> = Some(None);
    for clause in judged.clauses.iter().filter(|clause| stands_in_the_way(clause)) {
        let (reason, ends) = obstacle(rule, policy, clause);
        reasons.push(reason);
        from = match (from, ends) {
            (Some(latest), Some(ends)) => Some(latest.max(Some(ends))),
            _ => None,
        };
    }
    Answer { due: false, reasons, due_from: from.flatten() }
}

fn over(rule: &Rule, since: Option<&Clause>) -> String {
    match since.and_then(|since| since.moment) {
        Some(moment) => format!("its period is over: {} after {moment} ({})", rule.keep_for, rule.since),
        None => format!("there is no moment in {}, and `when_null` says delete", rule.since),
    }
}

fn stands_in_the_way(clause: &Clause) -> bool {
    match clause.what {
        ClauseOf::Kept(_) | ClauseOf::Child(_) => clause.holds == Some(true),
        _ => clause.holds != Some(true),
    }
}

/// The reason, and when it ends by itself.
fn obstacle(rule: &Rule, policy: &Policy, clause: &Clause) -> (String, Option<Timestamp>) {
    match &clause.what {
        ClauseOf::Since => match clause.moment {
            Some(moment) => {
                let ends = rule.keep_for.end(moment, &rule.zone());
                (format!("its period is not over: it counts from {moment} ({})", rule.since), ends)
            }
            None => (format!("there is no moment in {} that can be read, so it is kept", rule.since), None),
        },
        ClauseOf::Where(path) => (unmet("where", path, clause.holds), None),
        ClauseOf::Undone => ("it is done: what the rule takes away is no longer there".into(), None),
        ClauseOf::Native => (unmet("where_native", "", clause.holds), None),
        ClauseOf::Child(key) => (format!("a row that references it must stay ({key})"), None),
        ClauseOf::Kept(name) => {
            let keeper = policy.rule(name);
            let ends = keeper.zip(clause.moment).and_then(|(rule, moment)| rule.keep_for.end(moment, &rule.zone()));
            let until = ends.map_or(" for as long as it stays as it is".into(), |ends| format!(" until {ends}"));
            (format!("rule {name} keeps it{until}"), ends)
        }
    }
}

fn unmet(word: &str, path: &str, holds: Option<bool>) -> String {
    let dot = if path.is_empty() { "" } else { " " };
    match holds {
        Some(_) => format!("{word}{dot}{path} does not match"),
        None => format!("{word}{dot}{path} is unknown: NULL, missing, or a value of another type"),
    }
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Clause, ClauseOf, Judged};

    use super::answer;
    use crate::plan::testing::rule;
    use crate::rules::{Action, Period, Policy, Rule};

    fn clause(what: ClauseOf, holds: Option<bool>, moment: Option<&str>) -> Clause {
        Clause { what, holds, moment: moment.map(|text| text.parse().unwrap()) }
    }

    fn policy() -> Policy {
        let keeper = Rule { action: Action::Keep, keep_for: Period::parse("1y").unwrap(), ..rule("won", "lead") };
        Policy::new(vec![rule("leads", "lead"), keeper])
    }

    #[test]
    fn a_row_that_waits_for_time_alone_has_a_date() {
        let leads = rule("leads", "lead");
        let since = |moment| clause(ClauseOf::Since, Some(false), Some(moment));
        let kept = |moment| clause(ClauseOf::Kept("won".into()), Some(true), moment);
        for (clauses, from) in [
            (vec![since("2026-06-01T00:00:00Z")], Some("2026-07-01T00:00:00Z")),
            (vec![since("2026-06-01T00:00:00Z"), kept(Some("2026-01-01T00:00:00Z"))], Some("2027-01-01T00:00:00Z")),
            (vec![since("2026-06-01T00:00:00Z"), kept(None)], None),
            (vec![since("2026-06-01T00:00:00Z"), clause(ClauseOf::Where("status".into()), None, None)], None),
            (vec![clause(ClauseOf::Since, None, None)], None),
        ] {
            let said = answer(&leads, &policy(), &Judged { due: false, clauses: clauses.clone() });
            assert_eq!(said.due_from, from.map(|text| text.parse().unwrap()), "{clauses:?}");
            assert_eq!(said.reasons.len(), clauses.len(), "{said:?}");
        }
    }

    #[test]
    fn what_does_not_stand_in_the_way_is_not_said() {
        let clauses = vec![
            clause(ClauseOf::Since, Some(true), Some("2026-01-01T00:00:00Z")),
            clause(ClauseOf::Where("status".into()), Some(false), None),
            clause(ClauseOf::Kept("won".into()), Some(false), None),
        ];
        let said = answer(&rule("leads", "lead"), &policy(), &Judged { due: false, clauses });
        assert_eq!(said.reasons, ["where status does not match"]);
    }

    #[test]
    fn a_row_that_goes_says_why() {
        let clauses = vec![clause(ClauseOf::Since, Some(true), Some("2026-01-01T00:00:00Z"))];
        let said = answer(&rule("leads", "lead"), &policy(), &Judged { due: true, clauses });
        assert_eq!(said.reasons, ["its period is over: P30D after 2026-01-01T00:00:00Z (closed_at)"]);
    }
}
