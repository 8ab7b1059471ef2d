//! The signals that the exporter hears. Each helper takes its signal over when it is called, not when it is awaited,
//! so that one that comes during the start is neither lost nor deadly.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Completes at the first SIGTERM or SIGINT and names it.
///
/// # Errors
/// The signals cannot be taken over.
pub fn shutdown_signal() -> io::Result<impl Future<Output = &'static str> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}

/// SIGHUPs, each one call of `recv`; from here on none ends the process.
///
/// # Errors
/// The signal cannot be taken over.
pub fn hangups() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// One test, because signals reach the whole process.
    #[tokio::test]
    async fn each_signal_is_heard_and_none_ends_the_process() {
        let send = |name: &str| {
            let id = std::process::id().to_string();
            assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
        };
        let mut hangups = hangups().unwrap();
        for (name, expected) in [("TERM", "SIGTERM"), ("INT", "SIGINT")] {
            let shutdown = shutdown_signal().unwrap();
            send("HUP");
            hangups.recv().await.unwrap();
            send(name);
            assert_eq!(shutdown.await, expected);
        }
    }
}
