//! The oldest of what is due, or left, after a run.

use forgetd_connector::{Cause, RowCap, Step};
use jiff::Timestamp;

use super::rule::Blocked;
use super::standing::will_go_on;
use super::{Report, Site, Verdict};

/// The moment that the oldest row counts from. Where only reading all of what is due tells, it was not asked for before
/// the run, and is now if anything stays. A database that gave no answer, or a process that is to end, is not asked again:
/// what was known before stands.
pub(super) async fn oldest(
    site: &Site<'_>,
    step: &Step,
    cap: RowCap,
    done: &Result<Report, Blocked>,
    begun: &Report,
) -> Option<Timestamp> {
    let report = done.as_ref().unwrap_or(begun);
    if report.oldest.is_some() || report.left.or(report.due) == Some(0) || !answers(done) {
        return report.oldest;
    }
    match site.connector.measure(step, cap).await {
        Ok(measure) => measure.oldest,
        Err(fault) => {
            tracing::warn!(database = site.name, error = %fault, "the oldest of what is due was not found");
            None
        }
    }
}

/// Whether the database answered to the last, and nobody waits for the run to end.
fn answers(done: &Result<Report, Blocked>) -> bool {
    match done {
        Ok(report) => report.verdict != Verdict::Blind && !will_go_on(report),
        Err(blocked) => blocked.fault.is_none() && blocked.cause != Cause::Interrupted,
    }
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Cause, Fault, FaultClass};

    use super::answers;
    use crate::rules::testing::rule;
    use crate::run::rule::Blocked;
    use crate::run::{Report, Verdict};

    fn ended(verdict: Verdict, cause: Option<Cause>) -> Result<Report, Blocked> {
        Ok(Report::new(&rule("sessions", "session"), String::new()).ended(verdict, cause, None))
    }

    #[test]
    fn a_database_that_is_away_and_a_process_that_ends_are_not_asked_again() {
        for (verdict, cause, asked) in [
            (Verdict::Clean, None, true),
            (Verdict::Partial, Some(Cause::Cap), true),
            (Verdict::Partial, Some(Cause::ForeignKey), true),
            (Verdict::Blocked, Some(Cause::Survivors), true),
            (Verdict::Partial, Some(Cause::Interrupted), false),
            (Verdict::Partial, Some(Cause::QuietWindow), false),
            (Verdict::Failed, Some(Cause::Unreachable), false),
            (Verdict::Failed, Some(Cause::Unknown), false),
        ] {
            assert_eq!(answers(&ended(verdict, cause)), asked, "{verdict} {cause:?}");
        }
        let guarded = Blocked::by(Cause::CoolOff, String::new());
        assert!(answers(&Err(guarded)), "a guard says nothing about the database");
        let away = Fault::new(FaultClass::Unreachable, "begin run", "crm");
        assert!(!answers(&Err(away.into())));
    }
}
