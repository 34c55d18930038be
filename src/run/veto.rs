//! A signal that the operator serves over HTTP.

use std::time::Duration;

use forgetd_connector::Cause;

use crate::throttle::PauseReason;

/// How long the answer may take.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// Asks: a success lets batches go on, any other answer holds them back, and so does none.
pub(super) async fn asked(address: &str) -> Result<(), PauseReason> {
    let address = address.to_owned();
    let ask = move || {
        // Another page is another answer, and nobody stands between the signal and us.
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(ANSWERS_WITHIN))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None);
        let agent: ureq::Agent = config.build().into();
        agent.get(&address).call().map(|answer| answer.status())
    };
    let unread = || PauseReason::new(Cause::SignalUnread, "the address of `throttle.veto` does not answer");
    match tokio::task::spawn_blocking(ask).await {
        Ok(Ok(status)) if status.is_success() => Ok(()),
        Ok(Ok(status)) => {
            Err(PauseReason::new(Cause::Veto, format!("the address of `throttle.veto` answers {}", status.as_u16())))
        }
        Ok(Err(_)) | Err(_) => Err(unread()),
    }
}
