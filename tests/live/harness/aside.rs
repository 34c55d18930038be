//! Something asynchronous that goes on beside a test.

use std::sync::mpsc::channel;

use tokio::sync::oneshot;

/// A runtime on a thread of its own. It ends when this is dropped.
pub(crate) struct Aside {
    _ends: oneshot::Sender<()>,
}

// === impl Aside ===

impl Aside {
    /// Starts something there, which may leave tasks behind that go on.
    pub(crate) fn start<T: Send + 'static, F: Future<Output = T>>(
        start: impl FnOnce() -> F + Send + 'static,
    ) -> (T, Self) {
        let (sender, started) = channel();
        let (ends, ended) = oneshot::channel::<()>();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
            runtime.block_on(async {
                drop(sender.send(start().await));
                drop(ended.await);
            });
        });
        (started.recv().expect("it starts"), Self { _ends: ends })
    }
}
