//! Who may approve, as the policy names them, and whose signature one is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::sshsig::{SignatureError, SshKey, SshSignature};

/// Somebody who may approve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approver {
    /// The name that evidence shows.
    pub name: String,
    /// The key.
    pub key: SshKey,
}

/// Everybody who may approve. Names and keys are each other's only ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approvers {
    /// They, by name. Empty: whoever can run `forgetd approve`, and nobody makes sure who it is.
    pub named: Vec<Approver>,
    /// How many of them must sign.
    pub required: u32,
}

/// A verified signature, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// The approver's name.
    pub who: String,
    /// The fingerprint of the key.
    pub key: String,
    /// The signature, base64.
    pub signature: String,
}

// === impl Approvers ===

impl Approvers {
    /// Whether nobody is named.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// The names, for people.
    pub fn names(&self) -> String {
        self.named.iter().map(|approver| approver.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The fingerprints of the keys, by name.
    pub fn fingerprints(&self) -> BTreeMap<&str, String> {
        self.named.iter().map(|approver| (approver.name.as_str(), approver.key.fingerprint())).collect()
    }

    /// Whose signature of `statement` this is.
    pub fn judge(&self, statement: &str, signature: &SshSignature) -> Result<Signed, SignatureError> {
        let key = signature.key();
        let Some(approver) = self.named.iter().find(|approver| approver.key == key) else {
            return Err(SignatureError::Stranger { key: key.fingerprint(), names: self.names() });
        };
        signature.verify(statement.as_bytes())?;
        Ok(Signed { who: approver.name.clone(), key: key.fingerprint(), signature: signature.base64() })
    }
}

#[cfg(test)]
mod tests {
    use super::SignatureError;
    use crate::approval::testing::{approvers, sign, sign_for};

    #[test]
    fn a_signature_is_that_of_the_approver_who_has_its_key() {
        let approvers = approvers(&["ann", "ben"], 1);
        let signed = approvers.judge("text\n", &sign("ben", "text\n")).unwrap();
        assert_eq!(signed.who, "ben");
        assert_eq!(signed.key, approvers.fingerprints()["ben"]);
        for (signature, error) in [
            (sign("ann", "text"), SignatureError::Wrong),
            (sign("ann", "Text\n"), SignatureError::Wrong),
            (sign_for("file", "ann", "text\n"), SignatureError::Namespace),
        ] {
            assert_eq!(approvers.judge("text\n", &signature), Err(error));
        }
        let Err(SignatureError::Stranger { names, .. }) = approvers.judge("text\n", &sign("eve", "text\n")) else {
            panic!("eve is no approver")
        };
        assert_eq!(names, "ann, ben");
    }
}
