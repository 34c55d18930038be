//! Where a database's URL comes from: a secret like others, or a program that makes one for each connection.

use std::fmt;
use std::process::Stdio;
use std::time::Duration;

use secrecy::SecretString;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{Problem, Secret};

/// A program that takes longer is ended: somebody waits for the connection, and others for their turn.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// No URL is longer than this, whatever token is in it.
const BYTES_MAX: usize = 64 * 1024;

/// Where a URL comes from. It is asked anew for each connection.
#[derive(Clone, PartialEq, Eq)]
pub enum UrlSource {
    /// A file, a variable, or the configuration itself.
    Secret(Secret),
    /// What this program prints, with its arguments behind it: logins whose password lives for minutes. No shell reads it.
    Command(Vec<String>),
}

// === impl UrlSource ===

impl UrlSource {
    /// Reads it. What a program prints, be it to standard error, stands in no message.
    pub async fn read(&self) -> Result<SecretString, Problem> {
        match self {
            Self::Secret(secret) => secret.read(),
            Self::Command(line) => {
                let place = format!("{self:?}");
                let text = match timeout(ENDS_WITHIN, printed(line)).await {
                    Ok(printed) => printed.map_err(|(what, fix)| Problem::new(place.clone(), what, fix))?,
                    Err(_) => {
                        let what = format!("did not end within {} s, and was ended", ENDS_WITHIN.as_secs());
                        return Err(Problem::new(place, what, "run it by hand as this user to see what it waits for"));
                    }
                };
                let trimmed = text.trim_end_matches(['\r', '\n']);
                if trimmed.is_empty() {
                    return Err(Problem::new(place, "printed nothing", "let it print the URL, and nothing else"));
                }
                Ok(SecretString::from(trimmed))
            }
        }
    }

    /// Whether a program makes it: that can fail now and work later.
    pub const fn is_command(&self) -> bool {
        matches!(self, Self::Command(_))
    }
}

/// What a program prints, wiped when it is dropped; or what is wrong, and what to do. Dropped before its end, the program
/// is killed, and nobody waits for it to be gone.
async fn printed(line: &[String]) -> Result<Zeroizing<String>, (String, &'static str)> {
    let by_hand = "run it by hand as this user to see why";
    let [program, arguments @ ..] = line else { return Err(("names no program".into(), "name one")) };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut running = command.spawn().map_err(|error| {
        let fix = "check that the program exists and that this user may run it";
        (format!("cannot be started: {}", error.kind()), fix)
    })?;
    let unread = |error: std::io::Error| (format!("cannot be read: {}", error.kind()), by_hand);
    // As large as it may become: no half of it stays behind in memory that was given back.
    let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES_MAX + 1));
    if let Some(stdout) = running.stdout.take() {
        stdout.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes).await.map_err(unread)?;
    }
    if bytes.len() > BYTES_MAX {
        return Err((format!("prints more than {BYTES_MAX} bytes"), "let it print the URL, and nothing else"));
    }
    let status = running.wait().await.map_err(unread)?;
    if !status.success() {
        let how = status.code().map_or_else(|| "a signal".into(), |code| format!("exit code {code}"));
        return Err((format!("ended with {how}"), by_hand));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(("prints something that is not text in UTF-8".into(), "let it print the URL, and nothing else")),
    }
}

impl From<Secret> for UrlSource {
    fn from(secret: Secret) -> Self {
        Self::Secret(secret)
    }
}

impl fmt::Debug for UrlSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(secret) => secret.fmt(f),
            // An argument may be secret.
            Self::Command(line) => write!(f, "command {}", line.first().map_or("", String::as_str)),
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::{BYTES_MAX, UrlSource};

    /// A program that is none of a shell's: its arguments reach it as they are.
    fn command(line: &[&str]) -> UrlSource {
        UrlSource::Command(line.iter().map(|part| (*part).to_owned()).collect())
    }

    async fn problem(line: &[&str]) -> String {
        command(line).read().await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn what_a_program_prints_is_the_url() {
        let url = "postgres://app:a%20b$HOME`id`@db/crm";
        assert_eq!(command(&["printf", "%s\n", url]).read().await.unwrap().expose_secret(), url);
        assert_eq!(format!("{:?}", command(&["get-url", "--secret", "x"])), "command get-url");
    }

    #[tokio::test]
    async fn what_goes_wrong_is_said_without_what_was_printed() {
        let said = problem(&["sh", "-c", "echo marker; echo marker >&2; exit 3"]).await;
        assert_eq!(said, "command sh: ended with exit code 3; run it by hand as this user to see why");
        assert!(problem(&["/nonexistent/get-url"]).await.contains("cannot be started"));
        assert!(problem(&["true"]).await.contains("printed nothing"));
        assert!(problem(&["printf", "\\377"]).await.contains("not text"));
        let large = problem(&["head", "-c", &(BYTES_MAX + 1).to_string(), "/dev/zero"]).await;
        assert!(large.contains("prints more than"), "{large}");
        assert!(problem(&["sh", "-c", "kill -9 $$"]).await.contains("ended with a signal"));
    }

    /// Who asked for it goes away before it has ended: neither it nor what the system remembers of it stays.
    #[tokio::test]
    async fn a_program_that_nobody_waits_for_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("echo $$ > {}; exec sleep 1000", file.display());
        let hangs = command(&["sh", "-c", &script]);
        let pid = tokio::select! {
            read = hangs.read() => panic!("it ended: {:?}", read.err()),
            pid = found(|| std::fs::read_to_string(&file).ok().filter(|text| text.ends_with('\n'))) => pid,
        };
        let process = std::path::PathBuf::from(format!("/proc/{}", pid.trim()));
        found(|| (!process.exists()).then_some(())).await;
    }

    /// What is found before long.
    async fn found<T>(look: impl Fn() -> Option<T>) -> T {
        let looks = async {
            loop {
                match look() {
                    Some(found) => return found,
                    None => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), looks).await.expect("it is found")
    }

    /// It is not waited for in earnest: the clock runs ahead where nothing else is to be done.
    #[tokio::test(start_paused = true)]
    async fn a_program_that_hangs_is_ended() {
        let said = problem(&["sleep", "1000"]).await;
        assert!(said.contains("did not end within 10 s, and was ended"), "{said}");
    }
}
