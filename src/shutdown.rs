//! The only home of signals.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Turns true when the process is asked to end (TERM or INT). A second signal ends it at once by the default action
/// of the shell's user: nothing is lost then either, because a batch is one transaction.
pub fn listen() -> std::io::Result<watch::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (asked, receiver) = watch::channel(false);
    tokio::spawn(async move {
        let mut times = 0_u8;
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            times += 1;
            if times > 1 || asked.send(true).is_err() {
                std::process::exit(130);
            }
        }
    });
    Ok(receiver)
}
