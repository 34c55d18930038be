//! People with SSH keys, who sign with the real `ssh-keygen`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A folder of keys, one of each person.
pub(crate) struct Ssh {
    folder: tempfile::TempDir,
}

// === impl Ssh ===

impl Ssh {
    /// Nobody has a key yet.
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("tempdir") }
    }

    /// Makes somebody's key of this kind, as `ssh-keygen -t` names it, and returns the line of the .pub file.
    pub(crate) fn key(&self, who: &str, kind: &str) -> String {
        let file = self.path(who);
        let file = file.to_str().expect("text");
        done(keygen().args(["-q", "-t", kind, "-N", "", "-C", "somebody else", "-f", file]));
        let public = std::fs::read_to_string(format!("{file}.pub")).expect("a public key");
        public.trim().to_owned()
    }

    /// Somebody's signature of a file, made for `namespace`: the file it lies in.
    pub(crate) fn sign(&self, who: &str, namespace: &str, file: &Path) -> PathBuf {
        let copy = self.path(&format!("{who}.{namespace}.signed"));
        std::fs::copy(file, &copy).expect("copy");
        let signature = PathBuf::from(format!("{}.sig", copy.display()));
        drop(std::fs::remove_file(&signature));
        done(keygen().args(["-q", "-Y", "sign", "-n", namespace, "-f"]).arg(self.path(who)).arg(&copy));
        signature
    }

    /// Whether `ssh-keygen` takes this signature for somebody's own of a text.
    pub(crate) fn verifies(&self, who: &str, text: &str, signature: &str) -> bool {
        let (allowed, file, input) = (self.path("allowed"), self.path("verified.sig"), self.path("verified"));
        let public = std::fs::read_to_string(self.public(who)).expect("a public key");
        std::fs::write(&allowed, format!("{who} {public}")).expect("write");
        std::fs::write(&input, text).expect("write");
        let lines: Vec<&str> = signature.as_bytes().chunks(70).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let armoured = format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", lines.join("\n"));
        std::fs::write(&file, armoured).expect("write");
        let mut verify = keygen();
        verify.args(["-Y", "verify", "-n", "forgetd", "-I", who, "-f"]).arg(allowed).arg("-s").arg(file);
        verify.stdin(std::fs::File::open(input).expect("open"));
        run(&mut verify).status.success()
    }

    /// Where somebody's public key is.
    pub(crate) fn public(&self, who: &str) -> PathBuf {
        self.path(&format!("{who}.pub"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn keygen() -> Command {
    let mut command = Command::new("ssh-keygen");
    command.stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> Output {
    command.output().expect("ssh-keygen: install Debian's package openssh-client; ./test does")
}

fn done(command: &mut Command) {
    let output = run(command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
