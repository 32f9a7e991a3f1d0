//! Ctrl-C, and SIGTERM, which counts as that.

use std::io;
use std::time::Duration;

use super::exit::Exit;

/// Ends the process with `exit` some time after a signal, where it could not end by itself: writing to a pipe that
/// nobody reads waits for ever, and hears nothing meanwhile. Not while it is `busy` with what must not be dropped.
pub(super) fn end_if_stuck(exit: Exit, busy: impl Fn() -> bool + Send + 'static) {
    tokio::spawn(async move {
        if let Ok(mut signals) = Signals::listen() {
            signals.next().await;
            // A thread: the runtime may be gone or busy by then.
            std::thread::spawn(move || {
                std::thread::sleep(PATIENCE);
                // Once it is busy no more it may take as long to say what became of that.
                if !busy() {
                    std::process::exit(exit.code().into());
                }
                while busy() {
                    std::thread::sleep(PATIENCE);
                }
                std::thread::sleep(PATIENCE);
                std::process::exit(exit.code().into());
            });
        }
    });
}

/// How long a query may take to say that it was stopped.
const PATIENCE: Duration = Duration::from_secs(2);

/// Hears what the process is told; from its creation on nothing else ends it.
#[derive(Debug)]
pub(super) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next one. Nothing is lost if this is dropped before.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
