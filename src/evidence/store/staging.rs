//! A step of a folder's log that is written down before its head is committed, so that a crash in between loses
//! nothing: one file with every object, and a digest so that a torn one is recognised.

use sha2::{Digest as _, Sha256};

/// The objects of one step and the paths it makes superfluous.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Staged {
    pub(super) objects: Vec<(String, Vec<u8>)>,
    pub(super) superseded: Vec<String>,
}

// === impl Staged ===

impl Staged {
    /// SHA-256 of what follows; then both lists, every part with its length in front.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let mut push = |bytes: &[u8]| {
            body.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
            body.extend_from_slice(bytes);
        };
        push(&(self.objects.len() as u64).to_be_bytes());
        for (path, bytes) in &self.objects {
            push(path.as_bytes());
            push(bytes);
        }
        for path in &self.superseded {
            push(path.as_bytes());
        }
        let mut out = Sha256::digest(&body).to_vec();
        out.extend_from_slice(&body);
        out
    }

    /// What [`Staged::encode`] wrote; nothing if it was torn.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (digest, body) = bytes.split_first_chunk::<32>()?;
        if Sha256::digest(body).as_slice() != digest {
            return None;
        }
        let mut parts = Parts(body);
        let count = u64::from_be_bytes(parts.next()?.try_into().ok()?);
        let mut staged = Self::default();
        for _ in 0..count {
            let path = String::from_utf8(parts.next()?.to_vec()).ok()?;
            staged.objects.push((path, parts.next()?.to_vec()));
        }
        for path in parts {
            staged.superseded.push(String::from_utf8(path.to_vec()).ok()?);
        }
        Some(staged)
    }
}

struct Parts<'a>(&'a [u8]);

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<8>()?;
        let (part, rest) = rest.split_at_checked(usize::try_from(u64::from_be_bytes(*length)).ok()?)?;
        self.0 = rest;
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::Staged;

    #[test]
    fn a_step_reads_back_and_a_torn_one_does_not() {
        let staged = Staged {
            objects: vec![("tile/0/000".into(), vec![1, 2, 3]), ("tile/entries/000".into(), Vec::new())],
            superseded: vec!["tile/0/000.p/1".into()],
        };
        let bytes = staged.encode();
        assert_eq!(Staged::decode(&bytes), Some(staged));
        for length in 0..bytes.len() {
            assert_eq!(Staged::decode(&bytes[..length]), None);
        }
    }
}
