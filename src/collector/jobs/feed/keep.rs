//! What of the feed survives a restart. It is kept before the snapshot it belongs to is published, so that a counter
//! which was ever served is on disk; and as it was after a complete poll, so that the next one reads everything again
//! that is not in it.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Feed, Watermark};
use crate::clock::{from_unix_ms, unix_ms};
use crate::collector::jobs::clients::keep::KeptLedger;
use crate::collector::jobs::clock::ServerClock;
use crate::collector::jobs::lateness::Lateness;
use crate::collector::jobs::primary::Identity;
use crate::collector::jobs::window::keep::Kept;

/// Raised when [`KeptFeed`] changes its meaning.
pub const VERSION: u32 = 1;

/// The feed, or what has changed of it, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFeed {
    /// The exporter's clock when the last answer had arrived, in Unix milliseconds.
    received_ms: u64,
    /// Where the primary was asked.
    address: String,
    identity: Option<Identity>,
    watermark: Option<Watermark>,
    lateness: Lateness,
    gap_ms: u64,
    created_ms: u64,
    window: Kept,
}

impl KeptFeed {
    /// As a frame.
    ///
    /// # Errors
    /// None that is known of.
    pub fn to_bytes(&self) -> postcard::Result<Vec<u8>> {
        let bytes = postcard::to_allocvec(self)?;
        match &self.window.clients {
            Some(clients) => clients.write_behind(bytes),
            None => Ok(bytes),
        }
    }

    /// Out of a frame.
    ///
    /// # Errors
    /// It is none.
    pub fn from_bytes(frame: &[u8]) -> postcard::Result<KeptFeed> {
        let (mut kept, rest): (KeptFeed, &[u8]) = postcard::take_from_bytes(frame)?;
        kept.window.clients = KeptLedger::read(rest)?;
        Ok(kept)
    }
}

impl Feed {
    /// Whether anything has changed that must be kept.
    pub fn has_changed(&self) -> bool {
        self.has_changed || self.window.has_changed()
    }

    /// Whether [`Feed::changes`] would not say it all.
    pub fn has_changed_as_a_whole(&self) -> bool {
        self.window.has_changed_as_a_whole()
    }

    /// Whether what was restored was read at another address, and it is not known yet whether the primary is the same.
    pub fn has_moved(&self) -> bool {
        self.has_moved
    }

    /// What has changed since it was last kept. The poll whose last answer came at `received` is complete.
    pub fn changes(&mut self, received: SystemTime) -> KeptFeed {
        self.has_changed = false;
        let window = self.window.changes();
        self.kept(received, window)
    }

    /// The whole feed, in parts of bounded size.
    ///
    /// # Errors
    /// What `take` says.
    pub fn everything<E>(
        &mut self,
        received: SystemTime,
        mut take: impl FnMut(&KeptFeed) -> Result<(), E>,
    ) -> Result<(), E> {
        self.has_changed = false;
        let head = self.kept(received, Kept::default());
        self.window.everything(|window| take(&KeptFeed { window, ..head.clone() }))
    }

    /// Takes in what was kept, in the order in which it was; [`Feed::restored`] ends it.
    pub fn restore(&mut self, kept: KeptFeed) {
        self.restored_ms = kept.received_ms;
        self.has_moved = kept.address != self.settings.address;
        self.identity = kept.identity;
        self.watermark = kept.watermark;
        self.lateness = kept.lateness;
        (self.gap_ms, self.created_ms) = (kept.gap_ms, kept.created_ms);
        self.window.restore(kept.window);
    }

    /// Everything that was kept has been taken in. `confirmed`: a later poll found nothing new and was complete then.
    /// Returns when the last answer had arrived; `None`: nothing was kept.
    pub fn restored(&mut self, confirmed: Option<SystemTime>) -> Option<SystemTime> {
        let watermark = self.watermark.as_mut()?;
        self.missing_before_ms = self.window.restored();
        let kept = from_unix_ms(self.restored_ms)?;
        let received = confirmed.map_or(kept, |confirmed| confirmed.max(kept));
        let then_ms = watermark.walked_at_ms;
        // Polls that found nothing new moved the walk on, and wrote nothing.
        let quiet = received.duration_since(kept).unwrap_or_default();
        let quiet_ms = i64::try_from(quiet.as_millis()).unwrap_or(0);
        watermark.walked_at_ms = then_ms.saturating_add(quiet_ms);
        // From what the primary's clock said: ours may have been set since, also while this polled.
        let elapsed = SystemTime::now().duration_since(kept).unwrap_or_default();
        self.clock = ServerClock::resume(then_ms, elapsed);
        self.is_continuous = false;
        Some(received)
    }

    fn kept(&self, received: SystemTime, window: Kept) -> KeptFeed {
        KeptFeed {
            received_ms: unix_ms(received),
            address: self.settings.address.clone(),
            identity: self.identity.clone(),
            watermark: self.watermark,
            lateness: self.lateness.clone(),
            gap_ms: self.gap_ms,
            created_ms: self.created_ms,
            window,
        }
    }
}
