//! How far the members of a set are behind: what a majority of them has of what was written last, by the primary's own answer
//! to everybody. What single members have takes a privilege to see, and readers of old data are not told from others.

use std::time::Duration;

use forgetd_connector::{Fault, Replicas, Strain};
use mongodb::bson::{Bson, Document};

use crate::connector::Shared;
use crate::facts;
use crate::flavour;

/// Looks at the server.
pub(crate) async fn look(shared: &Shared) -> Result<Strain, Fault> {
    if !flavour::replicates(&shared.facts) {
        return Ok(Strain::default());
    }
    if flavour::is_sharded(&shared.facts) {
        // A router answers for no set.
        return Ok(Strain { replicas: Replicas::Unknown, ..Strain::default() });
    }
    let hello = facts::hello(&shared.link).await?;
    Ok(Strain { replicas: replicas(&hello), ..Strain::default() })
}

/// `lastWrite` holds when the primary wrote last, and when it wrote what a majority has; both to the second.
fn replicas(hello: &Document) -> Replicas {
    let written = hello.get_document("lastWrite").ok();
    let at = |name: &str| match written?.get(name)? {
        Bson::DateTime(at) => Some(at.timestamp_millis()),
        _ => None,
    };
    match (at("lastWriteDate"), at("majorityWriteDate")) {
        (Some(last), Some(majority)) => {
            Replicas::Behind(Duration::from_millis(u64::try_from(last.saturating_sub(majority)).unwrap_or(0)))
        }
        _ => Replicas::Hidden,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use forgetd_connector::Replicas;
    use mongodb::bson::{DateTime, doc};

    use super::replicas;

    #[test]
    fn a_set_is_as_far_behind_as_its_majority() {
        let wrote = |last, majority| {
            let at = DateTime::from_millis;
            doc! { "lastWrite": { "lastWriteDate": at(last), "majorityWriteDate": at(majority) } }
        };
        assert_eq!(replicas(&wrote(9_000, 2_000)), Replicas::Behind(Duration::from_secs(7)));
        for together in [wrote(9_000, 9_000), wrote(2_000, 9_000)] {
            assert_eq!(replicas(&together), Replicas::Behind(Duration::ZERO));
        }
    }

    #[test]
    fn what_a_set_does_not_say_is_hidden_and_not_none() {
        let half = doc! { "lastWrite": { "lastWriteDate": DateTime::from_millis(1) } };
        for silent in [doc! {}, half, doc! { "lastWrite": 1 }] {
            assert_eq!(replicas(&silent), Replicas::Hidden, "{silent}");
        }
    }
}
