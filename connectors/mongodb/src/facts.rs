//! What the server is: product, version, shape, identity.

use forgetd_connector::{Capabilities, Cause, Durability, Facts, Fault, FaultClass, Product, RowLock};
use jiff::Timestamp;
use mongodb::bson::{Bson, Document, doc};

use crate::connect::Link;
use crate::error::{Failure, odd};
use crate::flavour::Flavour;
use crate::probe::Probed;

/// The most documents one batch may change: their keys stand in one receipt.
const BATCH_ROWS_MAX: u32 = 5_000;

/// A server that is older than the command's newer name.
const COMMAND_NOT_FOUND: &str = "59";

/// Looks at the server. Nothing is written.
pub(crate) async fn look(link: &Link) -> Result<Facts, Fault> {
    let place = link.context.database.as_str();
    let hello = hello(link).await?;
    let admin = link.client.database("admin");
    let build = link.call("read facts", place, admin.run_command(doc! { "buildInfo": 1 })).await?;
    let hosts: Vec<String> = link.target.options.hosts.iter().map(ToString::to_string).collect();
    let flavour = Flavour::read(&hello, &build, &hosts);
    flavour.known.admit(link.context.unsupported_engine, place)?;
    if let Some(needed) = flavour.too_old() {
        return Err(Fault::new(FaultClass::Blocked(Cause::Unsupported), "read facts", place).with_detail(needed));
    }
    // Who did not log in is answered all the same until here.
    let list = doc! { "listCollections": 1, "nameOnly": true, "authorizedCollections": true };
    let schema = link.client.database(&link.target.schema);
    link.call("read facts", place, schema.run_command(list)).await?;
    Ok(Facts {
        product: flavour.known.name.into(),
        known: flavour.known,
        version: format!("{} ({})", flavour.version, flavour.shape.words()),
        identity: identity(&hello, &hosts),
        durability: Durability::Full,
        read_only: !["isWritablePrimary", "ismaster"].iter().any(|key| hello.get_bool(key).unwrap_or(false)),
        pooler: None,
        tls: Some(link.target.tls.clone()),
        probed: None,
    })
}

/// What the server says of itself.
pub(crate) async fn hello(link: &Link) -> Result<Document, Failure> {
    let place = link.context.database.as_str();
    let admin = link.client.database("admin");
    match link.call("read facts", place, admin.run_command(doc! { "hello": 1 })).await {
        Err(failure) if failure.fault.code.as_deref() == Some(COMMAND_NOT_FOUND) => {
            link.call("read facts", place, admin.run_command(doc! { "isMaster": 1 })).await
        }
        answer => answer,
    }
}

/// The server's clock.
pub(crate) async fn now(link: &Link) -> Result<Timestamp, Fault> {
    let odd = || odd("read clock", &link.context.database);
    let hello = hello(link).await?;
    let Some(Bson::DateTime(at)) = hello.get("localTime") else { return Err(odd()) };
    Timestamp::from_millisecond(at.timestamp_millis()).map_err(|_| odd())
}

/// Whose data these are, as far as the server says it without a privilege: the set's name and its members, or the address.
fn identity(hello: &Document, hosts: &[String]) -> String {
    let members = hello.get_array("hosts").into_iter().flatten().filter_map(Bson::as_str).map(str::to_owned);
    let mut members: Vec<String> = members.collect();
    if members.is_empty() {
        members = hosts.to_vec();
    }
    members.sort();
    match hello.get_str("setName") {
        Ok(set) => format!("{set}/{}", members.join(",")),
        Err(_) => members.join(","),
    }
}

/// The facts with what was probed of the server: one that only pretends to have written to a majority promises nothing.
pub(crate) fn with_probe(mut facts: Facts, probed: Option<&Probed>) -> Facts {
    if probed.is_some_and(|probed| !probed.write_concern_is_real) {
        facts.durability = Durability::Weak;
    }
    facts.probed = Some(probed.map_or_else(|| "not probed".into(), Probed::words));
    facts
}

/// What every server can do, in the way that we work with it.
pub(crate) fn capabilities(known: &Product) -> Capabilities {
    Capabilities {
        atomicity: known.atomicity,
        mixed: false,
        row_lock: RowLock::SkipLocked,
        fence: known.fence,
        effect_counters: false,
        batch_rows_max: BATCH_ROWS_MAX,
        share_beside_others: 0.05,
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;

    use super::identity;

    #[test]
    fn data_have_an_identity() {
        let asked = ["b:1".to_owned(), "a:1".to_owned()];
        let member = doc! { "setName": "rs0", "hosts": ["y:1", "x:1"], "me": "x:1" };
        assert_eq!(identity(&member, &asked), "rs0/x:1,y:1");
        assert_eq!(identity(&doc! {}, &asked), "a:1,b:1");
    }
}
