//! Ctrl-C, and SIGTERM and SIGHUP, which count as that.
//!
//! A terminal that is closed sends SIGHUP, and so does its shell, to the same processes: only where it is the first
//! signal is it heard, or the second would end at once what the first gave time to. Nobody hears it where it was
//! ignored from the beginning: `nohup` wants just that.

use std::io;
#[cfg(all(unix, not(target_os = "linux")))]
use std::io::IsTerminal;
use std::time::Duration;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

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

/// Receives SIGINT, SIGTERM and SIGHUP. While it exists, the signals' default actions are off.
#[derive(Debug)]
pub(super) struct Signals {
    #[cfg(unix)]
    interrupt: Signal,
    #[cfg(unix)]
    terminate: Signal,
    /// None where the process ignores it, or once a signal was heard.
    #[cfg(unix)]
    hangup: Option<Signal>,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        let hangup = if hangup_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())?, hangup })
    }

    /// Waits for the next one. Nothing is lost if this is dropped before.
    pub(super) async fn next(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hangup => {}
        }
        self.hangup = None;
    }
}

/// Whether whoever started this process has it ignore SIGHUP, as `nohup` does.
#[cfg(target_os = "linux")]
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignores_hangup(&status)
}

/// Whether the process of this `/proc/PID/status` does: the first bit of the mask is signal 1, SIGHUP.
#[cfg(target_os = "linux")]
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// Elsewhere it cannot be asked without unsafe code. `nohup` leaves no output on the terminal.
#[cfg(all(unix, not(target_os = "linux")))]
fn hangup_is_ignored() -> bool {
    !io::stdout().is_terminal() && !io::stderr().is_terminal()
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_tells_of_sighup() {
        let status =
            |mask: &str| format!("Name:\toceanflight\nSigBlk:\t0000000000000001\nSigIgn:\t{mask}\nSigCgt:\t1\n");

        assert!(ignores_hangup(&status("0000000000000001")));
        assert!(ignores_hangup(&status("0000000000001005")));
        // SIGPIPE, which every Rust program ignores.
        assert!(!ignores_hangup(&status("0000000000001000")));
        assert!(!ignores_hangup(&status("nonsense")));
        assert!(!ignores_hangup(""));
    }
}
