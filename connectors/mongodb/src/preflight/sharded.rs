//! Collections that lie in shards: an `_id` is unique in one of them alone, and no statement here names a shard key.

use forgetd_connector::{Cause, Fault, Finding, Step};
use mongodb::bson::{Document, doc};

use super::unless_refused;
use crate::connector::Shared;
use crate::flavour;

pub(super) async fn check(shared: &Shared, step: &Step, place: &str) -> Result<Option<Finding>, Fault> {
    if !flavour::is_sharded(&shared.facts) {
        return Ok(None);
    }
    let (link, table) = (&shared.link, &step.table.name);
    let command = doc! { "collStats": &table.name };
    let said = unless_refused(link.call("preflight", place, link.database_of(table).run_command(command)).await)?;
    Ok(found(said.as_ref(), place))
}

/// What follows from the server's answer, if it gave one.
fn found(said: Option<&Document>, place: &str) -> Option<Finding> {
    let (message, fix) = match said.and_then(|said| said.get_bool("sharded").ok()) {
        Some(false) => return None,
        Some(true) => (
            "the collection is sharded: its keys are unique inside a shard alone, and no statement names the shard key",
            "take it out of the policy; collections that are not sharded can be worked on through the same mongos",
        ),
        None => {
            ("the server is sharded and does not say whether the collection is", "grant `collStats` on the collection")
        }
    };
    Some(Finding::blocks(Cause::Unsupported, place, message).with_fix(fix))
}

#[cfg(test)]
mod tests {
    use forgetd_connector::Cause;
    use mongodb::bson::doc;

    use super::found;

    #[test]
    fn what_is_sharded_or_may_be_is_refused() {
        for (said, word) in [
            (Some(doc! { "sharded": false, "primary": "a" }), None),
            (Some(doc! { "sharded": true, "shards": {} }), Some("is sharded")),
            (Some(doc! {}), Some("does not say")),
            (None, Some("does not say")),
        ] {
            let found = found(said.as_ref(), "crm.item");
            assert_eq!(
                found.as_ref().and_then(forgetd_connector::Finding::blocking_cause),
                word.map(|_| Cause::Unsupported)
            );
            assert!(found.is_none_or(|found| found.message.contains(word.unwrap_or_default())), "{said:?}");
        }
    }
}
