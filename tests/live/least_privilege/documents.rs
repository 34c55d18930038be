//! On documents. FerretDB has logins, and none of the roles and privileges that MongoDB has and that are printed: a login that
//! may write may write everything. What can be enforced there is enforced by the PostgreSQL below: the account that FerretDB
//! itself connects as reads everything, and changes what it was granted.

use mongodb::bson::{Document, doc};
use serde_json::json;

use super::{went_on, whole_way};
use crate::harness::{Ferret, Mongo, Policy, Program, Rule};

/// What servers answer to a command that they do not have.
const NO_SUCH_COMMAND: [i32; 2] = [59, 238];

fn fill(documents: &Mongo) {
    let visit = |n: u64| json!({ "_id": n, "seen": { "$date": if n < 600 { "2020-02-02T00:00:00Z" } else { "2099-01-01T00:00:00Z" } } });
    documents.insert("visit", (0..700).map(visit));
    documents.insert("payment", (0..10).map(|n: u64| json!({ "_id": n })));
}

fn policy(url: &str) -> Policy {
    Policy::new(url).rule(&Rule::delete("visits", "visit", "seen").with("when_null: keep"))
}

#[test]
fn the_account_goes_the_whole_way_and_can_change_nothing_else() {
    let (Some(ferret), Some(documents)) = (Ferret::there(), Mongo::database()) else { return };
    fill(&documents);
    let program = Program::new(&policy(&documents.url()));
    let name = documents.name();
    let printed = program.call(&["install", "--print", "--role", "keeper"]).expect(0).stdout;
    let privilege = format!(
        "grantPrivilegesToRole(\"keeper\", [{{ resource: {{ db: {name:?}, collection: \"visit\" }}, \
         actions: [\"find\", \"remove\", \"listIndexes\", \"collStats\"] }}"
    );
    assert!(printed.contains(&privilege), "{printed}");
    program.call(&["install"]).expect(0);
    program.policy(&policy(&documents.url_at(&ferret.reader)));
    ferret.let_write(&documents.control_name());
    ferret.let_remove(name, "visit");

    assert_eq!(whole_way(&program), [("visits".to_owned(), 600)]);

    let account = documents.beside_at(&ferret.reader);
    let nothing = doc! {};
    for beyond in [
        doc! { "insert": "visit", "documents": [doc! { "_id": 1000 }] },
        doc! { "update": "visit", "updates": [doc! { "q": nothing.clone(), "u": { "$set": { "a": 1 } }, "multi": true }] },
        doc! { "delete": "payment", "deletes": [doc! { "q": nothing.clone(), "limit": 0 }] },
        doc! { "insert": "payment", "documents": [doc! { "_id": 1000 }] },
        doc! { "create": "mine" },
        doc! { "drop": "payment" },
    ] {
        assert!(is_refused(&account, name, &beyond), "{beyond}");
    }
    assert_eq!((documents.count("visit", nothing.clone()), documents.count("payment", nothing)), (100, 10));
    assert_eq!(account.count("payment", doc! {}), 10, "it reads everything: the server has nothing smaller");
    went_on("mongodb");
}

fn is_refused(account: &Mongo, database: &str, command: &Document) -> bool {
    account.attempt(database, command.clone()).map_or(true, |reply| reply.contains_key("writeErrors"))
}

#[test]
fn ferretdb_has_none_of_the_roles_that_are_printed() {
    let (Some(_), Some(documents)) = (Ferret::there(), Mongo::database()) else { return };
    let role = doc! { "role": "readWrite", "db": documents.control_name() };
    for command in [
        doc! { "createRole": "keeper", "privileges": [], "roles": [] },
        doc! { "grantPrivilegesToRole": "keeper", "privileges": [] },
        doc! { "grantRolesToUser": "keeper", "roles": [role] },
    ] {
        let code = match documents.attempt("admin", command.clone()) {
            Err(error) => match *error.kind {
                mongodb::error::ErrorKind::Command(ref error) => Some(error.code),
                _ => None,
            },
            Ok(_) => None,
        };
        assert!(code.is_some_and(|code| NO_SUCH_COMMAND.contains(&code)), "{command}: {code:?}");
    }
}
