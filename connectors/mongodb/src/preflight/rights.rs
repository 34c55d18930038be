//! Whether the login may do what the step needs, by the server's own account.

use forgetd_connector::{Cause, Fault, Finding, Step};
use mongodb::bson::{Bson, Document, doc};

use super::unless_refused;
use crate::codec::Fields as _;
use crate::connect::Link;

pub(super) async fn check(link: &Link, step: &Step, place: &str) -> Result<Vec<Finding>, Fault> {
    let admin = link.client.database("admin");
    let command = admin.run_command(doc! { "connectionStatus": 1, "showPrivileges": true });
    let Some(status) = unless_refused(link.call("preflight", place, command).await)? else { return Ok(vec![]) };
    let Ok(info) = status.get_document("authInfo") else { return Ok(vec![]) };
    let users = info.get_array("authenticatedUsers").map_or(0, Vec::len);
    let Ok(privileges) = info.get_array("authenticatedUserPrivileges") else { return Ok(vec![]) };
    // Without access control there is nobody, and everything is allowed.
    if users == 0 {
        return Ok(vec![]);
    }
    let database = step.table.name.schema.clone().unwrap_or_else(|| link.target.schema.clone());
    let change = if step.rewrite().is_some() { "update" } else { "remove" };
    let granted = granted(privileges, &database, &step.table.name.name);
    let missing: Vec<&str> = ["find", change].into_iter().filter(|action| !granted.contains(action)).collect();
    if missing.is_empty() {
        return Ok(vec![]);
    }
    let message = format!("the login lacks {} on the collection", missing.join(" and "));
    Ok(vec![Finding::blocks(Cause::Privilege, place, message)])
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
