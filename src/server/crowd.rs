//! How many connections there may be. One too many does not keep a scrape out: the connection whose last request lies
//! farthest back leaves for it. So neither a flood of idle connections nor the limit of open files stops a scrape.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// All open connections.
pub(super) struct Crowd {
    most: usize,
    seats: Mutex<Seats>,
}

#[derive(Default)]
struct Seats {
    next: u64,
    /// By the order of their last sign of life.
    taken: BTreeMap<u64, Arc<Notify>>,
}

/// The place of one connection; dropping it frees it.
pub(super) struct Seat {
    crowd: Arc<Crowd>,
    number: Mutex<u64>,
    leave: Arc<Notify>,
}

impl Crowd {
    pub(super) fn new(most: usize) -> Arc<Crowd> {
        Arc::new(Crowd { most, seats: Mutex::default() })
    }

    /// A seat, if need be that of another connection.
    pub(super) fn enter(self: &Arc<Self>) -> Seat {
        let leave = Arc::new(Notify::new());
        let mut seats = self.seats();
        while seats.taken.len() >= self.most.max(1) {
            seats.free_oldest();
        }
        let number = seats.take(Arc::clone(&leave));
        Seat { crowd: Arc::clone(self), number: Mutex::new(number), leave }
    }

    /// Sends `count` connections away: those whose last sign of life is the oldest.
    pub(super) fn free_oldest(&self, count: usize) {
        let mut seats = self.seats();
        for _ in 0..count {
            seats.free_oldest();
        }
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seats {
    fn take(&mut self, leave: Arc<Notify>) -> u64 {
        self.next += 1;
        self.taken.insert(self.next, leave);
        self.next
    }

    fn free_oldest(&mut self) {
        if let Some((_, leave)) = self.taken.pop_first() {
            leave.notify_one();
        }
    }
}

impl Seat {
    /// A request has come: this connection is now the last to be sent away.
    pub(super) fn renew(&self) {
        let mut number = self.number();
        let mut seats = self.crowd.seats();
        // Not there: it was sent away a moment ago.
        if let Some(leave) = seats.taken.remove(&number) {
            *number = seats.take(leave);
        }
    }

    /// Completes when this connection is sent away.
    pub(super) async fn lost(&self) {
        self.leave.notified().await;
    }

    fn number(&self) -> MutexGuard<'_, u64> {
        self.number.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let number = *self.number();
        self.crowd.seats().taken.remove(&number);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn the_one_whose_last_request_is_oldest_leaves() {
        let crowd = Crowd::new(2);
        let (first, second) = (crowd.enter(), crowd.enter());
        first.renew();
        let third = crowd.enter();
        let gone = |seat: &Seat| seat.lost().now_or_never().is_some();
        assert_eq!((gone(&first), gone(&second), gone(&third)), (false, true, false));
        second.renew();
        drop(third);
        let fourth = crowd.enter();
        assert!(!gone(&first) && !gone(&fourth), "the free seat is enough, and who left stays away");
        crowd.free_oldest(1);
        assert!(gone(&first));
    }
}
