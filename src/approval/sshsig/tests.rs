use super::{KeyError, SignatureError, SshKey, SshSignature, fixed};

/// What `ssh-keygen` made: public keys, and signatures of [`TEXT`].
const MADE: [(&str, &str); 3] = [
    (include_str!("openssh/ed25519.pub"), include_str!("openssh/ed25519.sig")),
    (include_str!("openssh/ecdsa.pub"), include_str!("openssh/ecdsa.sig")),
    (include_str!("openssh/rsa.pub"), include_str!("openssh/rsa.sig")),
];

const TEXT: &[u8] = b"a statement\n";

fn signature(text: &str) -> SshSignature {
    SshSignature::parse(text.as_bytes()).unwrap()
}

#[test]
fn what_openssh_signs_is_verified() {
    for (public, text) in MADE {
        let signature = signature(text);
        assert_eq!(signature.verify(TEXT), Ok(()), "{public}");
        assert_eq!(signature.key(), SshKey::parse(public).unwrap());
        assert_eq!(signature.verify(b"a statement"), Err(SignatureError::Wrong), "{public}");
        let again = SshSignature::from_base64(&signature.base64()).unwrap();
        assert_eq!((&again, again.verify(TEXT)), (&signature, Ok(())), "{public}");
        assert!(!signature.base64().contains(char::is_whitespace));
    }
    let fingerprint = "SHA256:eXTuUv02Eyf/RnnOM0/AXnFV2pZLMVbPCD3X4vZDO4w";
    assert_eq!(SshKey::parse(MADE[0].0).unwrap().fingerprint(), fingerprint);
}

#[test]
fn a_signature_for_something_else_is_none() {
    let other = signature(include_str!("openssh/other_namespace.sig"));
    assert_eq!(other.verify(TEXT), Err(SignatureError::Namespace));
}

#[test]
fn the_comment_of_a_key_does_not_matter() {
    let line = MADE[0].0.trim();
    let key = SshKey::parse(line).unwrap();
    let bare = line.rsplit_once(' ').unwrap().0;
    for text in [bare, &format!("{bare} ben with spaces"), &format!("  {line}\n")] {
        assert_eq!(SshKey::parse(text).as_ref(), Ok(&key), "{text}");
    }
}

#[test]
fn what_is_no_key_is_refused() {
    let line = MADE[0].0.trim();
    let two = format!("{line}\n{line}");
    let private = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END OPENSSH PRIVATE KEY-----";
    for (text, error) in [
        ("", KeyError::NoKey),
        ("ssh-ed25519", KeyError::NoKey),
        ("ssh-ed25519 AAAA", KeyError::NoKey),
        (&line[..60], KeyError::NoKey),
        (&line.replace("ssh-ed25519", "ssh-rsa"), KeyError::NoKey),
        (&two, KeyError::NoKey),
        (private, KeyError::NoKey),
        (&format!("command=\"sh\" {line}"), KeyError::NoKey),
        (include_str!("openssh/p384.pub"), KeyError::Type),
        (include_str!("openssh/rsa1024.pub"), KeyError::Bits),
    ] {
        assert_eq!(SshKey::parse(text), Err(error), "{text}");
    }
}

/// A changed byte anywhere makes it unreadable, another's or wrong, and never a good one.
#[test]
fn a_changed_signature_is_never_good() {
    for (public, text) in MADE {
        let key = SshKey::parse(public).unwrap();
        let lines: Vec<&str> = text.trim().lines().collect();
        let body = lines[1..lines.len() - 1].concat();
        for at in 0..body.len() {
            let other = if body.as_bytes()[at] == b'A' { "B" } else { "A" };
            let changed = format!("{}{other}{}", &body[..at], &body[at + 1..]);
            let Ok(read) = SshSignature::from_base64(&changed) else { continue };
            assert!(read.key() != key || read.verify(TEXT).is_err(), "{at} of {public}");
        }
    }
}

#[test]
fn foreign_bytes_are_no_signature() {
    for bytes in [&b""[..], b"\xff", b"-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----", TEXT] {
        assert_eq!(SshSignature::parse(bytes), Err(SignatureError::Unreadable));
    }
    for text in ["", "AAAA", "\u{e9}", "not base64!"] {
        assert_eq!(SshSignature::from_base64(text), Err(SignatureError::Unreadable), "{text}");
    }
}

#[test]
fn ecdsa_numbers_have_their_fixed_width() {
    let numbers = |r: &[u8], s: &[u8]| {
        let mut bytes = vec![];
        for number in [r, s] {
            bytes.extend(u32::try_from(number.len()).unwrap().to_be_bytes());
            bytes.extend(number);
        }
        bytes
    };
    let short = fixed(&numbers(&[1], &[0, 0xff])).unwrap();
    assert_eq!((short[31], short[63], short.iter().filter(|byte| **byte != 0).count()), (1, 0xff, 2));
    assert!(fixed(&numbers(&[0xff; 32], &[0x7f; 32])).is_some());
    assert!(fixed(&numbers(&[1; 33], &[1])).is_none());
    for bytes in [&b""[..], &[0, 0, 0, 9, 1], &[0xff; 8], &[numbers(&[1], &[1]), vec![0]].concat()] {
        assert!(fixed(bytes).is_none());
    }
}
