//! A question to the person at the terminal.

use std::io::{IsTerminal as _, Write as _};

/// Whether the answer is yes. Asked on a terminal only; elsewhere, and where `yes` was given, it is.
#[allow(clippy::print_stderr, reason = "this is the program speaking to its user")]
pub(super) async fn agreed(question: &str, yes: bool) -> bool {
    if yes || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return true;
    }
    eprint!("{question} [y/N] ");
    drop(std::io::stderr().flush());
    // Connections live on while somebody thinks.
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    matches!(answer.await, Ok(Ok(line)) if ["y", "yes"].contains(&line.trim().to_ascii_lowercase().as_str()))
}
