//! The media of the last complete reading. 200,000 of them are 2,000 pages, one after the other: a long list is not read at
//! every poll, and one that fails must not keep the drives from being shown.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Pools;
use super::media::Media;
use crate::clock::Stamp;
use crate::collector::whole::Reading;
use crate::netbackup::lists::tape::TapeMedia;
use crate::netbackup::{Endpoint, Error, Listing};

/// So many media, in a hundred pages, are read at every poll.
const SHORT: u64 = 10_000;
/// How many TTLs lie between two readings of more.
const TTLS: u32 = 6;

/// A complete reading.
#[derive(Debug)]
pub(super) struct MediaRead {
    pub(super) media: Media,
    /// When it ended.
    pub(super) at: Stamp,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Arc<MediaRead>>,
    /// Whether the last attempt to read them failed, or was given up.
    has_failed: bool,
}

/// What is remembered between two polls.
#[derive(Debug)]
pub(super) struct KeptMedia {
    short: u64,
    every: Duration,
    state: Mutex<State>,
}

impl KeptMedia {
    /// `ttl`: of the collector.
    pub(super) fn new(ttl: Duration) -> KeptMedia {
        KeptMedia { short: SHORT, every: ttl.saturating_mul(TTLS), state: Mutex::default() }
    }

    #[cfg(test)]
    pub(super) fn of_any_length(every: Duration) -> KeptMedia {
        KeptMedia { short: 0, every, state: Mutex::default() }
    }

    /// The media as they are, or as they were where it is not yet time to read them again. After a reading that failed,
    /// and the poll with it, the next poll does without: it shows what there is beside media, and those of the last
    /// reading unless they are too old; the one after it tries again. `None`: there are none to show.
    pub(super) async fn read(
        &self,
        reading: &mut Reading<'_>,
        pools: Option<&Pools>,
    ) -> Result<Option<Arc<MediaRead>>, Error> {
        if let Some(last) = self.instead(Instant::now()) {
            // What is not known is neither read nor denied.
            return last.map_or(Ok(None), |last| reading.part(Endpoint::TapeMedia, Ok(last)));
        }
        // Before the first request: a poll that is given up ends here as well.
        self.state().has_failed = true;
        let last = read(reading, pools).await?.map(Arc::new);
        *self.state() = State { last: last.clone(), has_failed: false };
        Ok(last)
    }

    /// What this poll shows instead of reading; `None`: it must read.
    fn instead(&self, now: Instant) -> Option<Option<Arc<MediaRead>>> {
        let mut state = self.state();
        let is_older = |last: &MediaRead, age: Duration| last.at.age(now) >= age;
        state.last.take_if(|last| is_older(last, self.every.saturating_mul(2)));
        let has_failed = std::mem::take(&mut state.has_failed);
        let is_due = state.last.as_ref().is_none_or(|last| last.media.len <= self.short || is_older(last, self.every));
        (has_failed || !is_due).then(|| state.last.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `None`: they are denied, or not offered.
async fn read(reading: &mut Reading<'_>, pools: Option<&Pools>) -> Result<Option<MediaRead>, Error> {
    let pools = pools.into_iter().flatten().filter(|(_, pool)| pool.pool_type == "SCRATCH_MEDIA_POOL");
    let mut media = Media::new(reading.client.server_now_ms().await?, pools.map(|(name, _)| name.clone()).collect());
    let mut nameless = 0_u64;
    let listed = reading
        .list::<TapeMedia>(Listing::ALL, |medium| match &*medium.id {
            "" => nameless = nameless.saturating_add(1),
            _ => media.take(&medium),
        })
        .await?;
    reading.reject(nameless, (nameless > 0).then(|| "a medium has no id".to_owned()));
    Ok(listed.map(|()| MediaRead { media, at: Stamp::now() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_are_read_when_they_are_due_and_forgotten_when_they_are_too_old() {
        let hour = Duration::from_secs(3600);
        let at = Stamp::now();
        let kept = |len: u64| {
            let kept = KeptMedia::new(hour / TTLS);
            let mut media = Media::new(0, Default::default());
            media.len = len;
            kept.state().last = Some(Arc::new(MediaRead { media, at }));
            kept
        };
        let after = |part: u32| at.mono + hour * part / 10;
        // By tenths of an hour: whether it reads, and what it shows instead.
        for (len, failed, tenths, expected) in [
            (SHORT, false, 0, None),
            (SHORT + 1, false, 0, Some(true)),
            (SHORT + 1, false, 9, Some(true)),
            (SHORT + 1, false, 10, None),
            (SHORT + 1, true, 10, Some(true)),
            (SHORT, true, 19, Some(true)),
            (SHORT, true, 20, Some(false)),
            (SHORT + 1, false, 20, None),
        ] {
            let kept = kept(len);
            kept.state().has_failed = failed;
            let shown = kept.instead(after(tenths)).map(|last| last.is_some());
            assert_eq!(shown, expected, "{len} media, {tenths}/10 h, failed: {failed}");
            assert!(!kept.state().has_failed, "the next poll tries again");
        }
    }
}
