//! The keys that make pseudonyms, as they are in memory. One domain is one purpose: its keys make tokens that belong
//! together; nothing links the tokens of two domains, not even where both are given the same key file.
//!
//! Each key is a pair. The token key makes tokens and is destroyed when nobody shall link them to a person any more; the
//! check key only tells that a token is one of ours, and outlives it.

use std::collections::BTreeMap;
use std::fmt;

use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::ZeroizeOnDrop;

use super::evidence_key::{derive, keyed};
use super::file::Fingerprint;

/// Stands in front of what a token is made from.
const TOKEN: &[u8] = b"forgetd token v1\n";

/// Stands in front of what a token's check is made from.
const CHECK: &[u8] = b"forgetd check v1\n";

/// Stands in front of a check key where its fingerprint is made.
const FINGERPRINT: &[u8] = b"forgetd pseudonym fingerprint v1\n";

/// Stands in front of id and fingerprint where an epoch is made.
const EPOCH: &[u8] = b"forgetd epoch v1";

/// The short form of a key that its tokens carry: 15 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u16);

/// One key of one domain. Wiped from memory when dropped; `Debug` shows id and epoch only.
pub struct PseudonymKey {
    id: String,
    fingerprint: [u8; 32],
    epoch: Epoch,
    // Boxed, so that moving the key leaves no copy of it behind.
    token: Option<Box<Hmac<Sha256>>>,
    check: Box<Hmac<Sha256>>,
}

/// The keys of one domain.
#[derive(Debug, Default)]
pub struct DomainKeys {
    keys: Vec<PseudonymKey>,
    active: Option<usize>,
}

/// Every domain's keys.
#[derive(Debug, Default)]
pub struct Keyring(BTreeMap<String, DomainKeys>);

// === impl Epoch ===

impl Epoch {
    /// How many bits it has.
    pub const BITS: u32 = 15;

    /// Of the key with this id and fingerprint: the first 15 bits of SHA-256 over both.
    pub fn of(id: &str, fingerprint: &[u8; 32]) -> Self {
        let digest = Sha256::new().chain_update(EPOCH).chain_update(id).chain_update([0]).chain_update(fingerprint);
        let digest = digest.finalize();
        Self(u16::from_be_bytes([digest[0], digest[1]]) >> 1)
    }

    /// Below 2^15.
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Epoch {
    /// As a token carries it: three characters of lower case base32.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        [10, 5, 0].iter().try_for_each(|shift| write!(f, "{}", char::from(ALPHABET[usize::from(self.0 >> shift & 31)])))
    }
}

// === impl PseudonymKey ===

impl PseudonymKey {
    /// The key of `domain` that is called `id`; without its token key if that is destroyed. What is used are keys derived
    /// from these two and the domain.
    pub fn new(id: &str, domain: &str, token: Option<&[u8; 32]>, check: &[u8; 32]) -> Self {
        let derived = |key: &[u8; 32], what: &str| {
            Box::new(keyed(&derive(key, format!("forgetd pseudonym {what} v1 {domain}").as_bytes())))
        };
        let fingerprint = Self::fingerprint_of(check);
        Self {
            id: id.into(),
            fingerprint,
            epoch: Epoch::of(id, &fingerprint),
            token: token.map(|token| derived(token, "token")),
            check: derived(check, "check"),
        }
    }

    /// What names the key with this check key in evidence; it says nothing about it, and stays the same when the token key
    /// is destroyed.
    pub fn fingerprint_of(check: &[u8; 32]) -> [u8; 32] {
        Sha256::new().chain_update(FINGERPRINT).chain_update(check).finalize().into()
    }

    /// As the policy calls it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// See [`PseudonymKey::fingerprint_of`].
    pub const fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// Its name and the short form of its fingerprint, as evidence says which key made tokens.
    pub fn named(&self) -> String {
        format!("{} {}", self.id, Fingerprint::of(&self.fingerprint))
    }

    /// What its tokens carry.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whether it can still make tokens.
    pub const fn makes_tokens(&self) -> bool {
        self.token.is_some()
    }

    /// What a token of this kind is cut from; none if the token key is destroyed. `kind` holds no line end.
    pub(crate) fn token(&self, kind: &str, value: &[u8]) -> Option<[u8; 32]> {
        self.token.as_deref().map(|key| authenticated(key, TOKEN, kind, value))
    }

    /// What the check of a token of this kind is cut from. `kind` holds no line end.
    pub(crate) fn check(&self, kind: &str, token: &[u8]) -> [u8; 32] {
        authenticated(&self.check, CHECK, kind, token)
    }
}

fn authenticated(key: &Hmac<Sha256>, label: &[u8], kind: &str, value: &[u8]) -> [u8; 32] {
    let mut mac = key.clone();
    mac.update(label);
    mac.update(kind.as_bytes());
    mac.update(b"\n");
    mac.update(value);
    mac.finalize().into_bytes().into()
}

impl fmt::Debug for PseudonymKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PseudonymKey").field("id", &self.id).field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

// Both states wipe themselves; nothing else in it is secret.
impl ZeroizeOnDrop for PseudonymKey {}

// === impl DomainKeys ===

impl DomainKeys {
    /// These keys; `active` is the place of the one that makes new tokens.
    pub fn new(keys: Vec<PseudonymKey>, active: Option<usize>) -> Self {
        Self { keys, active }
    }

    /// The key that makes new tokens; none if there is none, or its token key is destroyed.
    pub fn active(&self) -> Option<&PseudonymKey> {
        self.active.and_then(|at| self.keys.get(at)).filter(|key| key.makes_tokens())
    }

    /// All of them, the destroyed ones too.
    pub fn keys(&self) -> &[PseudonymKey] {
        &self.keys
    }

    /// Those whose tokens carry this epoch: hardly ever more than one.
    pub(crate) fn of_epoch(&self, epoch: u16) -> impl Iterator<Item = &PseudonymKey> {
        self.keys.iter().filter(move |key| key.epoch.number() == epoch)
    }
}

// === impl Keyring ===

impl Keyring {
    /// With these domains.
    pub fn new(domains: impl IntoIterator<Item = (String, DomainKeys)>) -> Self {
        Self(domains.into_iter().collect())
    }

    /// The keys of a domain.
    pub fn domain(&self, name: &str) -> Option<&DomainKeys> {
        self.0.get(name)
    }

    /// The domains, by name.
    pub fn domains(&self) -> impl Iterator<Item = (&str, &DomainKeys)> {
        self.0.iter().map(|(name, keys)| (name.as_str(), keys))
    }
}

#[cfg(test)]
mod tests {
    use hmac::block_api::HmacCore;
    use sha2::Sha256;
    use sha2::digest::block_api::{Buffer, CoreProxy};
    use zeroize::{Zeroize as _, ZeroizeOnDrop, Zeroizing};

    use super::{DomainKeys, Epoch, Keyring, PseudonymKey};

    fn key(id: &str, domain: &str) -> PseudonymKey {
        PseudonymKey::new(id, domain, Some(&[7; 32]), &[9; 32])
    }

    #[test]
    fn debug_shows_id_and_epoch_only() {
        let key = key("k1", "people");
        let number = key.epoch().number();
        let shown = format!("PseudonymKey {{ id: \"k1\", epoch: Epoch({number}), .. }}");
        assert_eq!(format!("{key:?}"), shown);
        let domain = DomainKeys::new(vec![key], Some(0));
        let ring = Keyring::new([("people".to_owned(), domain)]);
        assert_eq!(
            format!("{ring:?}"),
            format!("Keyring({{\"people\": DomainKeys {{ keys: [{shown}], active: Some(0) }}}})")
        );
    }

    #[test]
    fn secrets_are_wiped() {
        // Compiles only if what a MAC's state is made of wipes itself when it is dropped.
        const fn wipes<T: ZeroizeOnDrop>() {}
        wipes::<PseudonymKey>();
        wipes::<Zeroizing<[u8; 32]>>();
        wipes::<<Sha256 as CoreProxy>::Core>();
        wipes::<Buffer<HmacCore<Sha256>>>();
        let mut secret = Zeroizing::new([7_u8; 32]);
        secret.zeroize();
        assert_eq!(*secret, [0; 32]);
    }

    #[test]
    fn domains_share_nothing_even_with_one_file() {
        let (people, leads) = (key("k1", "people"), key("k1", "leads"));
        assert_ne!(people.token("text", b"anna"), leads.token("text", b"anna"));
        assert_ne!(people.check("text", b"anna"), leads.check("text", b"anna"));
    }

    #[test]
    fn kinds_and_purposes_are_apart() {
        let key = PseudonymKey::new("k1", "people", Some(&[7; 32]), &[7; 32]);
        assert_ne!(key.token("text", b"anna"), key.token("email", b"anna"));
        assert_ne!(key.token("text", b"anna"), Some(key.check("text", b"anna")));
    }

    #[test]
    fn a_destroyed_key_recognises_and_makes_nothing() {
        let whole = key("k1", "people");
        let destroyed = PseudonymKey::new("k1", "people", None, &[9; 32]);
        assert_eq!((whole.epoch(), whole.fingerprint()), (destroyed.epoch(), destroyed.fingerprint()));
        assert_eq!(whole.check("text", b"body"), destroyed.check("text", b"body"));
        assert_eq!(destroyed.token("text", b"anna"), None);
        let domain = DomainKeys::new(vec![destroyed], Some(0));
        assert!(domain.active().is_none());
        assert_eq!(domain.of_epoch(whole.epoch().number()).count(), 1);
    }

    #[test]
    fn epochs_depend_on_id_and_fingerprint() {
        let base = Epoch::of("k1", &[1; 32]);
        assert!(base.number() < 1 << Epoch::BITS);
        assert_ne!(base, Epoch::of("k2", &[1; 32]));
        assert_ne!(base, Epoch::of("k1", &[2; 32]));
    }
}
