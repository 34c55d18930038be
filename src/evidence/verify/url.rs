//! A log behind a web server, read with plain GET requests of its C2SP paths.

use std::time::Duration;

use async_trait::async_trait;
use forgetd_connector::Cause;

use crate::evidence::EvidenceFault;
use crate::evidence::log::tile::BUNDLE_BYTES_MAX;
use crate::evidence::store::Files;

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A log at `http://` or `https://`.
#[derive(Clone, Debug)]
pub struct Url {
    prefix: String,
    agent: ureq::Agent,
}

// === impl Url ===

impl Url {
    /// The log at `prefix`; nothing is asked yet. Absent if it is no web address.
    pub fn new(prefix: &str) -> Option<Self> {
        if !prefix.starts_with("https://") && !prefix.starts_with("http://") {
            return None;
        }
        let config = ureq::Agent::config_builder().timeout_global(Some(REQUEST_TIMEOUT)).http_status_as_error(false);
        Some(Self { prefix: prefix.trim_end_matches('/').into(), agent: config.build().new_agent() })
    }
}

#[async_trait]
impl Files for Url {
    fn place(&self) -> String {
        self.prefix.clone()
    }

    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, EvidenceFault> {
        let address = format!("{}/{path}", self.prefix);
        let fault = |found: String| EvidenceFault::new(Cause::Unreachable, address.clone(), found);
        let (agent, target) = (self.agent.clone(), address.clone());
        let answer = tokio::task::spawn_blocking(move || {
            let mut response = agent.get(&target).call()?;
            let status = response.status().as_u16();
            let limit = u64::try_from(BUNDLE_BYTES_MAX).unwrap_or(u64::MAX);
            let body = response.body_mut().with_config().limit(limit).read_to_vec()?;
            Ok::<_, ureq::Error>((status, body))
        })
        .await
        .map_err(|_| fault("the request ended early".into()))?;
        match answer {
            Ok((200, body)) => Ok(Some(body)),
            // Object stores without a list permission say 403 for what is not there.
            Ok((403 | 404 | 410, _)) => Ok(None),
            Ok((status, _)) => Err(fault(format!("the server answered {status}"))),
            Err(error) => Err(fault(error.to_string())),
        }
    }
}
