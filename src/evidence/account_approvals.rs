//! Keeps account of signed approvals: what is called authenticated has a good signature of a statement that says the same
//! as its entry. Whose key it is, the log alone cannot know.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;

use crate::approval::{SignatureError, SshSignature};

/// Who signed, by name and fingerprint of the key, and how often.
pub(super) type Signers = BTreeMap<(String, String), u64>;

/// What a statement of a rule says, and its entry repeats.
const RULE: &[&str] = &["instance", "rule", "rule_digest", "catalog_digest", "causes", "due", "cutoff", "reason"];

/// What a statement of what was found after a restore says, and its entry repeats.
const RESTORED: &[&str] = &["instance", "found", "reason"];

/// A signature.
#[derive(Debug, Deserialize)]
struct View {
    key: String,
    statement: String,
    signature: String,
}

/// Takes an entry of this type. Returns what is wrong with it.
pub(super) fn enter(signers: &mut Signers, kind: &str, entry: &[u8]) -> Option<String> {
    if !matches!(kind, "approval" | "recovery") {
        return None;
    }
    let entry: Json = serde_json::from_slice(entry).ok()?;
    match kind {
        "approval" => {
            let authenticated = entry.get("authenticated") == Some(&Json::Bool(true));
            let Some(signed) = entry.get("signed") else {
                return authenticated.then(|| "it is called authenticated and has no signature".into());
            };
            let who = entry.get("who").and_then(Json::as_str).unwrap_or_default();
            let found = signature(signers, who, signed, &entry, ("rule", RULE));
            found.or_else(|| (!authenticated).then(|| "it has a signature and is not called authenticated".into()))
        }
        _ => {
            let signed = entry.get("signed").and_then(Json::as_object).into_iter().flatten();
            signed.into_iter().find_map(|(who, signed)| signature(signers, who, signed, &entry, ("restored", RESTORED)))
        }
    }
}

/// Whether it is a good signature of a statement that says what the entry says.
fn signature(
    signers: &mut Signers,
    who: &str,
    signed: &Json,
    entry: &Json,
    (approves, names): (&str, &[&str]),
) -> Option<String> {
    let Ok(View { key, statement, signature }) = View::deserialize(signed) else {
        return Some("its signature lacks what every one has".into());
    };
    let verified = SshSignature::from_base64(&signature)
        .and_then(|signature| signature.verify(statement.as_bytes()).map(|()| signature.key().fingerprint()));
    match verified {
        Err(error @ (SignatureError::Unreadable | SignatureError::Type)) => {
            return Some(format!("its signature cannot be verified: {error}"));
        }
        Err(_) => return Some("its signature is none of its statement".into()),
        Ok(own) if own != key => return Some("its signature is by another key than it says".into()),
        Ok(_) => {}
    }
    let statement: Json = serde_json::from_str(&statement).unwrap_or_default();
    let same = |name: &&str| part(&statement, name) == part(entry, name);
    if part(&statement, "approves") != Some(&Json::from(approves)) || !names.iter().all(same) {
        return Some("it does not say what was signed".into());
    }
    *signers.entry((who.into(), key)).or_default() += 1;
    None
}

/// A part, where it says something.
fn part<'a>(json: &'a Json, name: &str) -> Option<&'a Json> {
    json.get(name).filter(|value| value.as_str() != Some("") && value.as_array().is_none_or(|list| !list.is_empty()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Signers, enter};
    use crate::approval::testing::{sign, statement};
    use crate::approval::{RestoredStatement, Statement};

    fn signed(name: &str, text: &str) -> Value {
        let signature = sign(name, text);
        json!({ "key": signature.key().fingerprint(), "statement": text, "signature": signature.base64() })
    }

    fn approval() -> Value {
        let statement = statement();
        let text = Statement::Rule(statement.clone()).text();
        json!({
            "instance": statement.instance, "rule": statement.rule, "rule_digest": statement.rule_digest,
            "catalog_digest": statement.catalog_digest, "causes": statement.causes, "due": statement.due,
            "cutoff": statement.cutoff, "who": "ann", "authenticated": true, "signed": signed("ann", &text),
        })
    }

    fn found(kind: &str, entry: &Value) -> (Option<String>, Signers) {
        let mut signers = Signers::new();
        let found = enter(&mut signers, kind, &serde_json::to_vec(entry).unwrap());
        (found, signers)
    }

    #[test]
    fn an_approval_says_what_its_approver_signed() {
        let (nothing, signers) = found("approval", &approval());
        assert_eq!((nothing, signers.len()), (None, 1));
        let (who, count) = signers.into_iter().next().unwrap();
        assert_eq!((who.0.as_str(), count), ("ann", 1));
        let unsigned = json!({
            "instance": "i", "rule": "r", "rule_digest": "aa", "catalog_digest": "cc", "authenticated": false,
        });
        assert_eq!(found("approval", &unsigned), (None, Signers::new()));
    }

    #[test]
    fn an_approval_that_was_made_up_is_found() {
        let with = |name: &str, value: Value| {
            let mut entry = approval();
            entry[name] = value;
            found("approval", &entry).0.unwrap_or_default()
        };
        for (name, value) in [
            ("due", json!(201)),
            ("rule", json!("other")),
            ("rule_digest", json!("ab")),
            ("causes", json!([])),
            ("reason", json!("because")),
        ] {
            assert_eq!(with(name, value), "it does not say what was signed", "{name}");
        }
        assert_eq!(with("authenticated", json!(false)), "it has a signature and is not called authenticated");
        assert_eq!(with("signed", Value::Null), "its signature lacks what every one has");
        let mut bare = approval();
        bare.as_object_mut().unwrap().remove("signed");
        assert_eq!(found("approval", &bare).0.unwrap(), "it is called authenticated and has no signature");
        let mut other = approval()["signed"].clone();
        other["key"] = signed("ben", "x")["key"].clone();
        assert_eq!(with("signed", other), "its signature is by another key than it says");
        let mut other = approval()["signed"].clone();
        other["signature"] = signed("ann", "x")["signature"].clone();
        assert_eq!(with("signed", other), "its signature is none of its statement");
        assert_eq!(with("signed", signed("ann", "{}")), "it does not say what was signed");
        let restored = Statement::Rule(statement()).text().replace("\"rule\",\"cat", "\"restored\",\"cat");
        assert_eq!(with("signed", signed("ann", &restored)), "it does not say what was signed");
    }

    #[test]
    fn a_recovery_says_what_its_approvers_signed() {
        let statement = RestoredStatement {
            v: 1,
            instance: "shop-eu".into(),
            origin: "example.com/log".into(),
            found: "crm: older".into(),
            reason: "the dump".into(),
            until: statement().until,
        };
        let text = Statement::Restored(statement).text();
        let signatures = json!({ "ann": signed("ann", &text), "ben": signed("ben", &text) });
        let mut entry =
            json!({ "instance": "shop-eu", "found": "crm: older", "reason": "the dump", "signed": signatures });
        let (nothing, signers) = found("recovery", &entry);
        assert_eq!((nothing, signers.len()), (None, 2));
        entry["found"] = json!("crm: much older");
        assert_eq!(found("recovery", &entry).0.unwrap(), "it does not say what was signed");
    }
}
