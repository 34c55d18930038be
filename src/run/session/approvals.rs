//! Sessions that only write down what a person approved.

use std::collections::BTreeMap;

use forgetd_connector::{Cause, Fault, FaultClass};

use super::{Refused, Session};
use crate::approval::{Given, Statement};
use crate::evidence::entry::Signature;
use crate::evidence::{Approval, EvidenceFault};
use crate::run::{Approver, Outcome, RuleApproval, SignedError};

/// What became of approvals, by rule.
type Outcomes = Vec<(String, Outcome)>;

impl Session<'_> {
    /// Writes these approvals into evidence and rulebook. The inner error: one could not be written, and those behind it
    /// were not tried.
    pub async fn approve_rules(
        self,
        approvals: &[&RuleApproval<'_>],
        by: Approver<'_>,
    ) -> Result<Result<Outcomes, Fault>, Refused> {
        let done = self.kept(Box::pin(self.write_approvals(approvals, by))).await;
        self.release().await;
        done
    }

    /// The same on a lease that stays.
    pub async fn write_approvals(
        &self,
        approvals: &[&RuleApproval<'_>],
        by: Approver<'_>,
    ) -> Result<Result<Outcomes, Fault>, Refused> {
        self.prepare().await?;
        if let Err(fault) = self.healthy() {
            return Ok(Err(fault));
        }
        let mut outcomes = vec![];
        for approval in approvals {
            match self.approve_rule(approval, by).await {
                Ok(outcome) => outcomes.push((approval.rule.name.clone(), outcome)),
                Err(fault) => return Ok(Err(fault)),
            }
        }
        self.finish(&mut []).await;
        Ok(Ok(outcomes))
    }

    /// Verifies signatures of a statement about a rule, and writes down what they approve.
    pub async fn approve_signed(self, given: &Given) -> Result<Result<(String, Outcome), SignedError>, Refused> {
        let done = self.kept(Box::pin(self.write_signed(given))).await;
        self.release().await;
        done
    }

    /// The same on a lease that stays.
    pub async fn write_signed(&self, given: &Given) -> Result<Result<(String, Outcome), SignedError>, Refused> {
        self.prepare().await?;
        if let Err(fault) = self.healthy() {
            return Ok(Err(fault.into()));
        }
        let taken = Box::pin(self.take_signatures(given)).await;
        self.finish(&mut []).await;
        Ok(taken)
    }

    /// Nothing is written into a log that cannot be trusted.
    fn healthy(&self) -> Result<(), Fault> {
        let Some(sick) = self.sick() else { return Ok(()) };
        let fault = Fault::new(FaultClass::Blocked(sick.cause), "evidence log", &sick.place);
        Err(fault.with_detail(&sick.found))
    }

    /// A person says that going on after a restore is right: a new generation where a database was put back, and an
    /// entry that says what was found and why. Where the policy names approvers, enough of them must have signed a
    /// statement of what is found; the reason is the statement's then.
    pub async fn approve_restored(
        self,
        reason: &str,
        given: Option<&Given>,
    ) -> Result<Result<String, EvidenceFault>, Refused> {
        let said = self.kept(Box::pin(self.write_restored(reason, given))).await;
        self.release().await;
        said
    }

    /// The same on a lease that stays.
    pub async fn write_restored(
        &self,
        reason: &str,
        given: Option<&Given>,
    ) -> Result<Result<String, EvidenceFault>, Refused> {
        self.prepare().await?;
        if self.is_sound() {
            return Ok(Ok("nothing was restored: there is nothing to approve".into()));
        }
        let (reason, signed) = match self.agreed(reason, given).await {
            Ok(agreed) => agreed,
            Err(fault) => return Ok(Err(fault)),
        };
        let controls = self.sites.controls();
        let term = self.tenure.claim.term();
        let approval = Approval { instance: &self.config.instance, term, reason: &reason, signed };
        Ok(self.tenure.relay.recovery(&controls).go_on(&approval).await.map(|recovered| {
            format!(
                "going on under {} with {} entries; new generations: {}",
                recovered.origin,
                recovered.relayed.size,
                recovered.renewed.join(", ")
            )
        }))
    }

    /// Why it is right to go on, and who signed that.
    async fn agreed(
        &self,
        reason: &str,
        given: Option<&Given>,
    ) -> Result<(String, BTreeMap<String, Signature>), EvidenceFault> {
        let approvers = &self.config.policy.approvers;
        let Some(given) = given else {
            if approvers.is_empty() {
                return Ok((reason.into(), BTreeMap::new()));
            }
            let found = "the policy names approvers, and none of them signed; \
                         print what they sign with `forgetd approve --restored --reason TEXT --statement`";
            return Err(self.refused(found));
        };
        if approvers.is_empty() {
            return Err(self.refused(SignedError::NoApprovers));
        }
        let controls = self.sites.controls();
        let loss = self.tenure.relay.recovery(&controls).look().await?;
        let statement = Statement::of_restored(&given.statement).map_err(|error| self.refused(error))?;
        let now = self.sites.home()?.connector.now().await?;
        let checked = statement.check(&self.config.instance, &loss.origin, &loss.words(), now);
        checked.map_err(|error| self.refused(error))?;
        let mut signed = BTreeMap::new();
        for one in &given.signatures {
            let judged = approvers.judge(&given.statement, one).map_err(|error| self.refused(error))?;
            let (key, signature) = (judged.key, judged.signature);
            signed.insert(judged.who, Signature { key, statement: given.statement.clone(), signature });
        }
        if signed.len() < approvers.required as usize {
            let who = signed.into_keys().collect::<Vec<_>>().join(" and ");
            let found = format!(
                "{} approvers must sign, all at once; only {who} did: give every --signature",
                approvers.required
            );
            return Err(self.refused(found));
        }
        Ok((statement.reason, signed))
    }

    fn refused(&self, found: impl ToString) -> EvidenceFault {
        EvidenceFault::new(Cause::Restored, &self.config.instance, found.to_string())
    }
}
