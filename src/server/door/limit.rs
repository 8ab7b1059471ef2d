//! `rate_limit`: a bucket of requests that fills by one each interval.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::config::RateLimit;

/// Requests that may still come.
pub(super) struct Bucket {
    pub(super) limit: RateLimit,
    /// When the bucket is full again; each request moves it on by an interval.
    full_at: Mutex<Instant>,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn new(limit: RateLimit) -> Bucket {
        Bucket { limit, full_at: Mutex::new(Instant::now()) }
    }

    /// Takes a request out; false when there is none.
    pub(super) fn take(&self) -> bool {
        let now = Instant::now();
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let next = (*full_at).max(now).checked_add(self.limit.interval);
        let most = self.limit.interval.checked_mul(self.limit.burst).and_then(|span| now.checked_add(span));
        let room = next.zip(most).is_none_or(|(next, most)| next <= most);
        if let (true, Some(next)) = (room, next) {
            *full_at = next;
        }
        room
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_then_one_each_interval() {
        let bucket = Bucket::new(RateLimit { interval: Duration::from_secs(1), burst: 3 });
        let take = |n: usize| (0..n).filter(|_| bucket.take()).count();
        assert_eq!(take(5), 3);
        tokio::time::advance(Duration::from_millis(1_100)).await;
        assert_eq!(take(5), 1);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(take(5), 3, "it holds no more than the burst");
    }
}
