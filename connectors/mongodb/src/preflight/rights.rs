//! Whether the login may do what the step needs, by the server's own account; where it gives none, by a statement that
//! means no document.

use forgetd_connector::{Cause, Fault, FaultClass, Finding, Step};
use mongodb::bson::{Bson, Document, doc};

use super::unless_refused;
use crate::codec::Fields as _;
use crate::connect::Link;
use crate::error::class;
use crate::reply::Written;

pub(super) async fn check(link: &Link, step: &Step, place: &str) -> Result<Vec<Finding>, Fault> {
    let admin = link.client.database("admin");
    let command = admin.run_command(doc! { "connectionStatus": 1, "showPrivileges": true });
    let status = unless_refused(link.call("preflight", place, command).await)?;
    let info = status.as_ref().and_then(|status| status.get_document("authInfo").ok());
    let change = if step.rewrite().is_some() { "update" } else { "remove" };
    let missing: Vec<&str> =
        match info.and_then(|info| Some((info, info.get_array("authenticatedUserPrivileges").ok()?))) {
            Some((info, privileges)) => {
                // Without access control there is nobody, and everything is allowed.
                if info.get_array("authenticatedUsers").is_ok_and(Vec::is_empty) {
                    return Ok(vec![]);
                }
                let database = step.table.name.schema.clone().unwrap_or_else(|| link.target.schema.clone());
                let granted = granted(privileges, &database, &step.table.name.name);
                ["find", change].into_iter().filter(|action| !granted.contains(action)).collect()
            }
            None if refused(link, step, place).await => vec![change],
            None => vec![],
        };
    if missing.is_empty() {
        return Ok(vec![]);
    }
    let message = format!("the login lacks {} on the collection", missing.join(" and "));
    Ok(vec![Finding::blocks(Cause::Privilege, place, message)])
}

/// The longest that the server may look for no document, in milliseconds.
const PATIENCE_MS: i32 = 1_000;

/// Whether the server refuses a change of no document for want of a privilege. What else it says tells nothing of that.
async fn refused(link: &Link, step: &Step, place: &str) -> bool {
    let sent = link.call("preflight", place, link.database_of(&step.table.name).run_command(of_nothing(step))).await;
    let class = match &sent {
        Ok(reply) => Written::read(reply).and_then(|written| written.worst()).map(class),
        Err(failure) => Some(failure.fault.class),
    };
    class == Some(FaultClass::Blocked(Cause::Privilege))
}

/// The step's kind of change, of what no document is.
fn of_nothing(step: &Step) -> Document {
    let (name, nothing) = (&step.table.name.name, doc! { "_id": { "$in": [] } });
    if step.rewrite().is_some() {
        let statement = doc! { "q": nothing, "u": { "$set": { "forgetd": 1 } }, "multi": false };
        doc! { "update": name, "updates": [statement], "maxTimeMS": PATIENCE_MS }
    } else {
        doc! { "delete": name, "deletes": [{ "q": nothing, "limit": 0 }], "maxTimeMS": PATIENCE_MS }
    }
}

/// The actions on one collection.
fn granted<'a>(privileges: &'a [Bson], database: &str, collection: &str) -> Vec<&'a str> {
    let names = |resource: &Document| {
        let part =
            |name: &str, wanted: &str| resource.get_str(name).is_ok_and(|part| part == wanted || part.is_empty());
        resource.is_true("anyResource") || (part("db", database) && part("collection", collection))
    };
    let documents = privileges.iter().filter_map(Bson::as_document);
    let of_it = documents.filter(|privilege| privilege.get_document("resource").is_ok_and(names));
    of_it.flat_map(|privilege| privilege.get_array("actions").into_iter().flatten()).filter_map(Bson::as_str).collect()
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{Bson, doc};

    use super::granted;

    #[test]
    fn actions_are_those_of_the_collection_its_database_and_everything() {
        let privileges: Vec<Bson> = [
            doc! { "resource": { "db": "shop", "collection": "lead" }, "actions": ["find"] },
            doc! { "resource": { "db": "shop", "collection": "" }, "actions": ["update"] },
            doc! { "resource": { "db": "other", "collection": "" }, "actions": ["remove"] },
            doc! { "resource": { "cluster": true }, "actions": ["serverStatus"] },
        ]
        .into_iter()
        .map(Bson::Document)
        .collect();
        assert_eq!(granted(&privileges, "shop", "lead"), ["find", "update"]);
        assert_eq!(granted(&privileges, "other", "lead"), ["remove"]);
    }
}
