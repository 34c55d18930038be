//! A log in hostile hands: every flipped byte, missing file and truncation is noticed.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;

use super::{World, exported};
use crate::evidence::EvidenceFault;
use crate::evidence::store::{Files, Folder};
use crate::evidence::verify::{KeyFrom, Knowledge, LogVerdict, Verification, verify};

/// A log in memory.
struct Bytes(Mutex<BTreeMap<String, Vec<u8>>>);

#[async_trait]
impl Files for Bytes {
    fn place(&self) -> String {
        "memory".into()
    }

    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, EvidenceFault> {
        Ok(self.0.lock().unwrap().get(path).cloned())
    }
}

async fn log(batches: u64) -> BTreeMap<String, Vec<u8>> {
    let world = World::in_database(&["crm"]);
    world.run("crm", "r1", batches).await;
    world.relay().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    exported(&world, folder.path()).await;
    let folder = Folder::new(folder.path());
    let mut files = BTreeMap::new();
    for path in folder.paths().await.unwrap() {
        files.insert(path.clone(), folder.read(&path).await.unwrap().unwrap());
    }
    files
}

async fn look(files: BTreeMap<String, Vec<u8>>) -> Verification {
    verify(&Bytes(Mutex::new(files)), &Knowledge::default()).await.unwrap()
}

#[tokio::test]
async fn every_flipped_byte_is_noticed() {
    let files = log(4).await;
    for (path, bytes) in &files {
        for at in 0..bytes.len() {
            let mut spoiled = files.clone();
            spoiled.get_mut(path).unwrap()[at] ^= 0x01;
            let found = look(spoiled).await;
            // The last newline of the key file says nothing.
            let harmless = path == "log.vkey" && at == bytes.len() - 1;
            assert!(found.verdict != LogVerdict::Ok || harmless, "{path} byte {at}");
        }
    }
}

#[tokio::test]
async fn every_missing_and_every_shortened_file_is_noticed() {
    let files = log(600).await;
    assert_eq!(look(files.clone()).await.verdict, LogVerdict::Ok);
    for path in files.keys() {
        let mut spoiled = files.clone();
        spoiled.remove(path);
        let found = look(spoiled).await;
        let expected = if path == "log.vkey" { LogVerdict::Unanchored } else { LogVerdict::Incomplete };
        assert_eq!(found.verdict, expected, "{path}");
        let mut spoiled = files.clone();
        spoiled.get_mut(path).unwrap().pop();
        let found = look(spoiled).await;
        assert!(found.verdict == LogVerdict::Tampered || path == "log.vkey", "{path}: {:?}", found.verdict);
        let mut spoiled = files.clone();
        spoiled.get_mut(path).unwrap().extend([0; 64]);
        let found = look(spoiled).await;
        assert_eq!(found.verdict, LogVerdict::Tampered, "{path}");
    }
}

#[tokio::test]
async fn a_log_signed_anew_by_another_key_fails_against_the_key_one_has() {
    let files = log(4).await;
    let other = crate::keys::EvidenceKey::from_seed(&[8; 32]);
    let (checkpoint, _) = crate::evidence::log::checkpoint::parse(&files["checkpoint"]).unwrap();
    let mut forged = files.clone();
    let vkey = crate::evidence::log::VerifierKey::of(&other, &checkpoint.origin).unwrap();
    forged.insert("checkpoint".into(), checkpoint.sign(&other).into_bytes());
    forged.insert("log.vkey".into(), vkey.to_string().into_bytes());
    let found = look(forged.clone()).await;
    assert_eq!((found.verdict, found.key_from), (LogVerdict::Ok, KeyFrom::Log));
    let ours = crate::evidence::log::VerifierKey::of(&super::key(), &checkpoint.origin).unwrap();
    let knowledge = Knowledge { key: Some(ours), ..Knowledge::default() };
    let found = verify(&Bytes(Mutex::new(forged)), &knowledge).await.unwrap();
    assert_eq!(found.verdict, LogVerdict::Tampered);
}
