//! Approvers whose keys are made of their names, and their signatures.

use ed25519_dalek::{Signer as _, SigningKey};
use forgetd_connector::Cause;
use sha2::{Digest as _, Sha256};
use ssh_key::public::{Ed25519PublicKey, KeyData};
use ssh_key::{Algorithm, HashAlg, LineEnding, PublicKey, Signature, SshSig};

use super::{Approver, Approvers, NAMESPACE, RuleStatement, SshKey, SshSignature, VERSION};

/// Approvers of these names.
pub(crate) fn approvers(names: &[&str], required: u32) -> Approvers {
    let approver = |name: &&str| Approver { name: (*name).into(), key: SshKey::parse(&public(name)).unwrap() };
    Approvers { named: names.iter().map(approver).collect(), required }
}

/// The line of somebody's .pub file.
pub(crate) fn public(name: &str) -> String {
    PublicKey::new(data(name), "a comment").to_openssh().unwrap()
}

/// Somebody's signature of a text.
pub(crate) fn sign(name: &str, text: &str) -> SshSignature {
    sign_for(NAMESPACE, name, text)
}

/// The same, made for something else.
pub(crate) fn sign_for(namespace: &str, name: &str, text: &str) -> SshSignature {
    let signed = SshSig::signed_data(namespace, HashAlg::Sha512, text.as_bytes()).unwrap();
    let signature = secret(name).sign(&signed).to_bytes();
    let signature = Signature::new(Algorithm::Ed25519, signature.to_vec()).unwrap();
    let signature = SshSig::new(data(name), namespace, HashAlg::Sha512, signature).unwrap();
    SshSignature::parse(signature.to_pem(LineEnding::LF).unwrap().as_bytes()).unwrap()
}

/// What was shown of a rule at 10:00 on the first of June 2026.
pub(crate) fn statement() -> RuleStatement {
    RuleStatement {
        v: VERSION,
        instance: "shop-eu".into(),
        rule: "web-sessions".into(),
        rule_digest: "aa".into(),
        causes: vec![Cause::CoolOff],
        catalog_digest: "cc".into(),
        due: 200,
        cutoff: "2026-05-02T10:00:00Z".parse().unwrap(),
        policy_digest: "bb".into(),
        reason: String::new(),
        until: "2026-06-01T11:00:00Z".parse().unwrap(),
    }
}

fn secret(name: &str) -> SigningKey {
    SigningKey::from_bytes(&Sha256::digest(name).into())
}

fn data(name: &str) -> KeyData {
    KeyData::Ed25519(Ed25519PublicKey(secret(name).verifying_key().to_bytes()))
}
