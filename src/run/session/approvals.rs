//! Sessions that only write down what a person approved.

use forgetd_connector::{Fault, FaultClass};

use super::{Refused, Session};
use crate::run::{Approver, RuleApproval};

impl Session<'_> {
    /// Writes these approvals into evidence and rulebook. The inner error: one could not be written, and those behind it
    /// were not tried.
    pub async fn approve_rules(
        self,
        approvals: &[&RuleApproval<'_>],
        by: Approver<'_>,
    ) -> Result<Result<(), Fault>, Refused> {
        let done = self.kept(Box::pin(self.write_approvals(approvals, by))).await;
        self.release().await;
        done
    }

    /// The same on a lease that stays.
    pub async fn write_approvals(
        &self,
        approvals: &[&RuleApproval<'_>],
        by: Approver<'_>,
    ) -> Result<Result<(), Fault>, Refused> {
        self.prepare().await?;
        if let Some(sick) = self.sick() {
            let fault = Fault::new(FaultClass::Blocked(sick.cause), "evidence log", &sick.place);
            return Ok(Err(fault.with_detail(&sick.found)));
        }
        for approval in approvals {
            if let Err(fault) = self.approve_rule(approval, by).await {
                return Ok(Err(fault));
            }
        }
        self.finish(&mut []).await;
        Ok(Ok(()))
    }
}
