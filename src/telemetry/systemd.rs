//! What the service manager is told (`Type=notify`, `WatchdogSec=`). Without one, nothing happens.

use std::time::Duration;

use sd_notify::NotifyState;

/// The exporter listens.
pub fn ready() {
    tell(&NotifyState::Ready);
}

/// The exporter stops.
pub fn stopping() {
    tell(&NotifyState::Stopping);
}

/// One line for `systemctl status`. Must not hold anything secret.
pub fn status(line: &str) {
    // A newline would begin another assignment of the protocol.
    tell(&NotifyState::Status(&line.replace(['\n', '\r'], " ")));
}

/// Feeds the watchdog at half of the interval that the service manager asks for, as long as `healthy` says so, and
/// never ends; ends at once where no watchdog is asked for.
pub async fn watchdog(healthy: impl Fn() -> bool) {
    if let Some(interval) = sd_notify::watchdog_enabled() {
        feed(interval / 2, healthy, || tell(&NotifyState::Watchdog)).await;
    }
}

async fn feed(every: Duration, healthy: impl Fn() -> bool, food: impl Fn()) {
    // An interval of zero would spin; a watchdog that short cannot be meant.
    let mut ticks = tokio::time::interval(every.max(Duration::from_millis(1)));
    let mut fed = true;
    loop {
        ticks.tick().await;
        let well = healthy();
        if well {
            food();
        }
        if fed != well {
            fed = well;
            match well {
                true => tracing::info!("every task lives again: feeding the watchdog of the service manager"),
                false => tracing::error!(
                    "a task hangs: not feeding the watchdog, the service manager will restart this process"
                ),
            }
        }
    }
}

fn tell(state: &NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(std::slice::from_ref(state)) {
        tracing::debug!(%error, "telling the service manager failed");
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_is_fed_only_while_healthy() {
        let (well, meals) = (Cell::new(true), Cell::new(0));
        let feeding = feed(Duration::from_secs(15), || well.get(), || meals.set(meals.get() + 1));
        let watching = async {
            tokio::time::sleep(Duration::from_secs(31)).await;
            assert_eq!(meals.get(), 3, "at 0, 15 and 30 s");
            well.set(false);
            tokio::time::sleep(Duration::from_secs(60)).await;
            assert_eq!(meals.get(), 3);
            well.set(true);
            tokio::time::sleep(Duration::from_secs(15)).await;
            assert_eq!(meals.get(), 4);
        };
        tokio::select! {
            () = feeding => panic!("ended"),
            () = watching => {}
        }
    }
}
