//! SIGINT (Ctrl-C), SIGTERM and SIGHUP. All three stop a command.
//!
//! ```text
//!            first signal                             then
//!   serve    no new connections, running queries      a second signal: ends the streams now, but not a POST
//!            get a grace period
//!   query    stops reading rows, waits for POSTs      after 2 s: exits if it is stuck (`end_if_stuck`)
//! ```
//!
//! SIGHUP counts only if it is the first signal. When a terminal is closed, both the terminal and its shell send SIGHUP
//! to the same processes, and the second one must not shorten the grace period that the first one started. A process
//! that was started with SIGHUP ignored keeps ignoring it: `nohup` relies on that.
//!
//! Do not change without thinking: a process must not exit while a POST runs, because its outcome would be unknown.
//! That includes the thread that ends a stuck process.

use std::io;
#[cfg(all(unix, not(target_os = "linux")))]
use std::io::IsTerminal;
use std::time::Duration;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::exit::Exit;

/// Ends the process with `exit` some time after a signal, if it does not end by itself: a write to a pipe whose reader
/// is stuck blocks forever, and blocks the task that would handle the signal. While `busy` returns true (a POST runs),
/// the process is not ended.
pub(super) fn end_if_stuck(exit: Exit, busy: impl Fn() -> bool + Send + 'static) {
    tokio::spawn(async move {
        if let Ok(mut signals) = Signals::listen() {
            signals.next().await;
            // A thread, not a task: the runtime's threads may be blocked or gone by then.
            std::thread::spawn(move || exit_when_idle(exit, busy));
        }
    });
}

/// Exits after [`PATIENCE`], or, if a POST runs then, as long after its end: its outcome has to be printed.
fn exit_when_idle(exit: Exit, busy: impl Fn() -> bool) -> ! {
    std::thread::sleep(PATIENCE);
    if busy() {
        while busy() {
            std::thread::sleep(PATIENCE);
        }
        std::thread::sleep(PATIENCE);
    }
    std::process::exit(exit.code().into())
}

/// The time that a stopped query has to print its error.
const PATIENCE: Duration = Duration::from_secs(2);

/// Receives SIGINT, SIGTERM and SIGHUP. Once it has been created, the signals' default actions are off.
#[derive(Debug)]
pub(super) struct Signals {
    #[cfg(unix)]
    interrupt: Signal,
    #[cfg(unix)]
    terminate: Signal,
    /// None if the process ignores SIGHUP, or after the first signal.
    #[cfg(unix)]
    hangup: Option<Signal>,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        let hangup = if hangup_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())?, hangup })
    }

    /// Waits for the next signal. Cancel-safe: a signal is not lost if the future is dropped.
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

/// Whether this process was started with SIGHUP ignored, as `nohup` does.
#[cfg(target_os = "linux")]
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignores_hangup(&status)
}

/// Whether a `/proc/PID/status` has SIGHUP among the ignored signals: SIGHUP is signal 1, the lowest bit of the mask.
#[cfg(target_os = "linux")]
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// Guesses whether SIGHUP is ignored: only unsafe code could find out. Under `nohup` neither output is a terminal.
#[cfg(all(unix, not(target_os = "linux")))]
fn hangup_is_ignored() -> bool {
    !io::stdout().is_terminal() && !io::stderr().is_terminal()
}

#[cfg(not(unix))]
impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Waits for the next signal.
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
    fn sighup_is_found_in_the_mask_of_ignored_signals() {
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
