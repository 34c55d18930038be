//! Signed approvals: whoever holds the lease verifies them, wherever they come from.

use forgetd_connector::Fault;
use thiserror::Error;

use super::approvals::{approve, entry};
use super::{Approver, Outcome, RuleApproval, Session};
use crate::approval::{Given, RuleStatement, SignatureError, Signed, Statement, StatementError};
use crate::evidence::entry::{EntryBody, Signature};
use crate::rules::{Mode, Rule};

/// Why signatures approve nothing. Nothing was written.
#[derive(Debug, Error)]
pub enum SignedError {
    /// There is nobody to be.
    #[error(
        "the policy names no approvers, so no signature counts; approve without one, or name them under `approvers`"
    )]
    NoApprovers,
    /// The rule is not there.
    #[error("the policy has no rule {0:?} that acts")]
    NoRule(String),
    /// The text is of something else, or too old.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// A signature does not count. Then none of them does.
    #[error("a signature does not count: {0}")]
    Signature(#[from] SignatureError),
    /// It has approved once.
    #[error("the statement has approved the rule once already; print a new one and sign that")]
    Used,
    /// It could not be written, or not looked up.
    #[error("{0}")]
    Fault(#[from] Fault),
}

impl Session<'_> {
    /// Verifies signatures of a statement and writes them down: evidence first, one entry for each approver. When enough
    /// have signed, what the statement says is approved; what the rule would do now is for its guards to compare with it.
    pub(super) async fn take_signatures(&self, given: &Given) -> Result<(String, Outcome), SignedError> {
        let (policy, text) = (&self.config.policy, given.statement.as_str());
        let approvers = &policy.approvers;
        if approvers.is_empty() {
            return Err(SignedError::NoApprovers);
        }
        let statement = Statement::of_rule(text)?;
        let acts = |rule: &&Rule| rule.runs() && rule.mode == Mode::Enforce;
        let name = &statement.rule;
        let rule = policy.rule(name).filter(acts).ok_or_else(|| SignedError::NoRule(name.clone()))?;
        let now = self.sites.home()?.connector.now().await?;
        statement.check(&self.config.instance, &rule.digest(), &policy.digest(), now)?;
        let judged: Result<Vec<Signed>, _> = given.signatures.iter().map(|one| approvers.judge(text, one)).collect();

        let mut book = self.book(rule).await?;
        let taken = book.signatures.take(text, statement.until, judged?, approvers, now);
        let taken = taken.map_err(|_| SignedError::Used)?;
        let by: Vec<String> = taken.signed.into_iter().map(|signed| signed.who).collect();
        let approval = approval(rule, &statement);
        for (signed, left) in taken.fresh.iter().zip((0..taken.fresh.len()).rev()) {
            let last = taken.missing == 0 && left == 0;
            self.note_signed(&approval, &statement.reason, signed, text, last).await?;
        }
        let outcome = if taken.missing == 0 {
            let who = by.join(" and ");
            approve(&mut book, &approval, Approver { who: &who, reason: &statement.reason }, now);
            Outcome::Approved { who }
        } else {
            let others = approvers.named.iter().map(|approver| approver.name.clone());
            let others = others.filter(|name| !by.contains(name)).collect();
            Outcome::Signed { others, by, missing: taken.missing, until: statement.until }
        };
        self.keep_book(rule, &book).await?;
        Ok((rule.name.clone(), outcome))
    }

    /// The entry of one signature; `last` of those that were needed.
    async fn note_signed(
        &self,
        approval: &RuleApproval<'_>,
        reason: &str,
        signed: &Signed,
        text: &str,
        last: bool,
    ) -> Result<(), Fault> {
        let Signed { who, key, signature } = signed.clone();
        let mut entry = entry(approval, Approver { who: &who, reason });
        entry.how = if last { "approved" } else { "signed" };
        entry.authenticated = true;
        entry.signed = Some(Signature { key, statement: text.into(), signature });
        entry.required = Some(self.config.policy.approvers.required);
        let site = self.sites.site(&approval.rule.database)?;
        self.note(site, &approval.rule.name, "", &EntryBody::Approval(Box::new(entry))).await
    }
}

/// What the statement approves.
fn approval<'a>(rule: &'a Rule, statement: &RuleStatement) -> RuleApproval<'a> {
    RuleApproval {
        rule,
        causes: statement.causes.clone(),
        catalog: statement.catalog_digest.clone(),
        due: statement.due,
        cutoff: statement.cutoff,
    }
}
