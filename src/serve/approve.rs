//! What the holder writes down of approvals. Everything is connected for it, and the lease stays.

use std::rc::Rc;

use tokio::sync::watch;

use super::hold::Held;
use crate::app;
use crate::approval::Given;
use crate::config::Config;
use crate::keys::EvidenceKey;
use crate::run::{Approver, Outcome, Quiet, Refused, RuleApproval, Session, SignedError, Sites};

/// What to say, and the exit code of who asked.
type Said = (String, u8);

/// Writes down what a person approved; what became of it, by rule.
pub(super) async fn rules(
    held: &Held<'_>,
    config: &Config,
    key: &EvidenceKey,
    approvals: &[RuleApproval<'_>],
    by: Approver<'_>,
) -> Result<Vec<(String, Outcome)>, Said> {
    let approvals: Vec<&RuleApproval<'_>> = approvals.iter().collect();
    let done = session(held, config, key, async |session| session.write_approvals(&approvals, by).await).await?;
    done.map_err(|fault| (format!("{fault}; {}", fault.cause().fix()), app::exit_code(&fault)))
}

/// Verifies signatures of a statement about one rule, and writes down what they approve.
pub(super) async fn signed(
    held: &Held<'_>,
    config: &Config,
    key: &EvidenceKey,
    given: &Given,
) -> Result<(String, Outcome), Said> {
    let done = session(held, config, key, async |session| session.write_signed(given).await).await?;
    done.map_err(|error| match &error {
        SignedError::Fault(fault) => (format!("{fault}; {}", fault.cause().fix()), app::exit_code(fault)),
        _ => (error.to_string(), 4),
    })
}

/// Goes on after a database or the evidence was put back to an earlier state.
pub(super) async fn restored(
    held: &Held<'_>,
    config: &Config,
    key: &EvidenceKey,
    reason: &str,
    given: Option<&Given>,
) -> Result<String, Said> {
    let done = session(held, config, key, async |session| session.write_restored(reason, given).await).await?;
    // What was found is looked for anew by the next session.
    held.tenure.doubt();
    done.map_err(|fault| (fault.to_string(), 4))
}

/// Opens a session on the held lease, lets it work, and closes what was connected for it.
async fn session<T>(
    held: &Held<'_>,
    config: &Config,
    key: &EvidenceKey,
    work: impl AsyncFnOnce(&Session<'_>) -> Result<T, Refused>,
) -> Result<T, Said> {
    let count = |name: &str| held.daemon.metrics.connections(name);
    let databases = app::connect_counted(config, count).await.map_err(|problems| (problems.to_string(), 78))?;
    let sites = Sites::survey(config, &databases).await;
    let (_stop, stopped) = watch::channel(false);
    let session = Session::on(config, &sites, key, Rc::clone(held.tenure), stopped, &Quiet);
    let done = Box::pin(work(&session)).await;
    databases.close().await;
    done.map_err(|refused| match refused {
        Refused::Unavailable(fault) | Refused::Locked(fault) => (fault.to_string(), app::exit_code(&fault)),
        Refused::Evidence(fault) => (fault.to_string(), 78),
        Refused::NotHolder(_) => ("another process acts for this instance".into(), 75),
    })
}
