//! A plan as one line of JSON.

use forgetd_connector::{Count, KeptWhy};
use serde_json::{Value as Json, json};

use super::RulePlan;
use crate::rules::Transform;

// === impl RulePlan ===

impl RulePlan {
    /// One line of JSON.
    pub fn json(&self) -> String {
        let count = |count: Option<Count>| match count.and_then(Count::rows) {
            Some(rows) => json!(rows),
            None => Json::Null,
        };
        let (due, total) = (self.measure.as_ref().map(|m| m.due), self.measure.as_ref().map(|m| m.total));
        let exact = matches!(due, Some(Count::Exact(_)));
        let guard = |(cause, text): &(_, String)| json!({ "cause": cause, "message": text });
        json!({
            "rule": self.rule.name,
            "database": self.rule.database,
            "table": self.rule.table.to_string(),
            "action": self.rule.action.word(),
            "writes": self.rule.transform().map(Transform::words),
            "mode": self.rule.mode,
            "cutoff": self.cutoff,
            "due": count(due),
            "due_exact": exact,
            "total": count(total),
            "share": self.share(),
            "oldest": self.measure.as_ref().and_then(|measure| measure.oldest),
            "months": self.profile.as_ref().map(|profile| &profile.months),
            "months_complete": self.profile.as_ref().map(|profile| profile.complete),
            "held": self.held(),
            "kept": self.profile.as_ref().map_or_else(Vec::new, |profile| profile.kept.iter().map(kept).collect()),
            "skipped": [],
            "references": self.references,
            "index": self.index,
            "batch_rows_max": self.batch_rows_max,
            "batches": self.batches(),
            "seconds": self.seconds(),
            "predicate": self.statements.as_ref().map(|statements| &statements.predicate),
            "statements": self.statements,
            "guard": self.guards.first().map(guard),
            "guards": self.guards.iter().map(guard).collect::<Vec<_>>(),
            "findings": self.findings,
        })
        .to_string()
    }

    /// Rows that would be due, and another rule or a child keeps them.
    fn held(&self) -> u64 {
        let kept = self.profile.iter().flat_map(|profile| &profile.kept);
        kept.filter(|kept| matches!(kept.why, KeptWhy::Rule(_) | KeptWhy::Child(_)))
            .filter_map(|kept| kept.rows.rows())
            .sum()
    }
}

fn kept(kept: &forgetd_connector::KeptRows) -> Json {
    let (why, name) = match &kept.why {
        KeptWhy::Null => ("null", None),
        KeptWhy::Future => ("future", None),
        KeptWhy::Unreadable => ("unreadable", None),
        KeptWhy::Mistyped(kind) => ("mistyped", Some(kind)),
        KeptWhy::Rule(name) => ("rule", Some(name)),
        KeptWhy::Child(key) => ("child", Some(key)),
    };
    json!({
        "why": why,
        "name": name,
        "rows": kept.rows.rows(),
        "rows_exact": matches!(kept.rows, Count::Exact(_)),
    })
}
