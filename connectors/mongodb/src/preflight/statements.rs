//! Commands for an administrator, in the words of the server's shell.

use forgetd_connector::{Path, Step, TableRef};

/// What the step needs on the user's collections, and where the server is sharded to know how they lie.
pub(crate) fn grants(step: &Step, role: &str, schema: &str, sharded: bool) -> String {
    let change = if step.rewrite().is_some() { "update" } else { "remove" };
    let database = |table: &TableRef| table.schema.clone().unwrap_or_else(|| schema.to_owned());
    let privilege = |table: &TableRef, actions: &[&str]| {
        format!("{{ resource: {{ db: {:?}, collection: {:?} }}, actions: {actions:?} }}", database(table), table.name)
    };
    let mut privileges = vec![privilege(&step.table.name, &["find", change, "listIndexes", "collStats"])];
    privileges.extend(step.others.iter().map(|other| privilege(&other.name, &["find", "listIndexes"])));
    if sharded {
        privileges.push(r#"{ resource: { db: "config", collection: "collections" }, actions: ["find"] }"#.into());
    }
    format!(
        "db.getSiblingDB(\"admin\").grantPrivilegesToRole({role:?}, [{}, {{ resource: {{ db: {:?}, collection: \"\" }}, \
         actions: [\"listCollections\"] }}]);\n",
        privileges.join(", "),
        database(&step.table.name)
    )
}

/// The command that makes an index while the application works on.
pub(crate) fn index(table: &TableRef, columns: &[String]) -> String {
    let field = |written: &String| {
        let path = Path::parse(written).map_or_else(|_| written.clone(), |path| path.to_string());
        format!("{path:?}: 1")
    };
    let fields: Vec<String> = columns.iter().map(field).collect();
    let collection = format!("getCollection({:?})", table.name);
    let database = table.schema.as_ref().map_or_else(|| "db".into(), |schema| format!("db.getSiblingDB({schema:?})"));
    format!("{database}.{collection}.createIndex({{ {} }});", fields.join(", "))
}
