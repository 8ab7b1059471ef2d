//! What time it is at the primary. One wrong reading must not move a window of a day: a step of the clock is believed
//! only when further readings agree with it.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock::unix_ms;

/// A reading that differs by no more than this from what was expected is taken at once.
const SMALL_STEP_MS: i64 = 10 * 60 * 1000;
/// Readings of a step agree when they differ by no more than this.
const AGREEMENT_MS: i64 = 60 * 1000;
/// A step is believed when this many readings in a row agree on it.
const WITNESSES: u32 = 3;
/// A first reading further off than this from the exporter's own clock and from the newest row is not believed.
const PLAUSIBLE_MS: i64 = 24 * 3600 * 1000;

/// The primary's clock as the feed believes it.
#[derive(Debug, Default)]
pub struct ServerClock {
    /// The last moment that was believed, and when that was.
    anchor: Option<(i64, Instant)>,
    /// A step that is not believed yet.
    doubted: Option<Doubt>,
    /// The anchor is from before a restart: it has been carried on by the exporter's wall clock.
    is_resumed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Doubt {
    step_ms: i64,
    /// How many readings agree.
    witnesses: u32,
    /// The last poll before it.
    since: Instant,
}

/// What the primary's clock says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Unix milliseconds.
    pub ms: i64,
    /// The clock was set back, or may have been: what it said then when the last poll before that began. Whatever has
    /// changed since is stamped later.
    pub back_to_ms: Option<i64>,
    /// That is believed.
    pub set_back: bool,
    /// The earliest that it may be: nothing is forgotten that is not old by this time too.
    pub earliest_ms: i64,
    /// A reading says something else that is not believed yet.
    is_in_doubt: bool,
}

impl Now {
    fn at(ms: i64) -> Now {
        Now { ms, back_to_ms: None, set_back: false, earliest_ms: ms, is_in_doubt: false }
    }
}

impl ServerClock {
    /// The clock after a restart: it was `then_ms` when it was last believed, `elapsed` ago by the exporter's wall clock.
    pub fn resume(then_ms: i64, elapsed: Duration) -> ServerClock {
        let now = Instant::now();
        ServerClock {
            anchor: Some((then_ms, now.checked_sub(elapsed).unwrap_or(now))),
            doubted: None,
            is_resumed: true,
        }
    }

    /// The time, given a reading (`None`: there is none), the exporter's own clock as far as it can stand in, and, before
    /// the first poll is complete, the newest stamp of a row.
    pub fn now(&mut self, reading_ms: Option<i64>, own_ms: i64, newest_ms: Option<i64>) -> Now {
        let Some((anchor_ms, at)) = self.anchor else {
            let ms = reading_ms.filter(|reading| is_plausible(*reading, own_ms, newest_ms)).unwrap_or(own_ms);
            return Now::at(ms);
        };
        let since = |at: Instant| i64::try_from(at.elapsed().as_millis()).unwrap_or(i64::MAX);
        let expected = anchor_ms.saturating_add(since(at));
        let Some(reading) = reading_ms else {
            // A resumed clock in doubt goes on with the earlier of the two, as with a reading.
            let behind = self.doubted.filter(|_| self.is_resumed).map_or(0, |doubt| doubt.step_ms.min(0));
            let ms = expected.saturating_add(behind).max(anchor_ms);
            return Now { is_in_doubt: self.doubted.is_some() || self.is_resumed, ..Now::at(ms) };
        };
        let step_ms = reading.saturating_sub(expected);
        // After a restart it is our own clock that says how much time went by, which is no proof.
        let is_resumed = self.is_resumed;
        let is_back = if is_resumed { reading < anchor_ms } else { step_ms < 0 };
        let back_to = move |at: Instant| reading.saturating_sub(if is_resumed { SMALL_STEP_MS } else { since(at) });
        let set_back = |at: Instant| Now { back_to_ms: Some(back_to(at)), set_back: true, ..Now::at(reading) };
        if step_ms.saturating_abs() <= SMALL_STEP_MS {
            self.doubted = None;
            // A little slower is no step: only time that comes again is.
            return if reading < anchor_ms { set_back(at) } else { Now::at(reading) };
        }
        let doubt = match self.doubted {
            Some(doubt) if doubt.step_ms.saturating_sub(step_ms).saturating_abs() <= AGREEMENT_MS => {
                Doubt { witnesses: doubt.witnesses.saturating_add(1), ..doubt }
            }
            _ => Doubt { step_ms, witnesses: 1, since: at },
        };
        // Kept until a poll is complete: one that fails has not used what it believed.
        self.doubted = Some(doubt);
        if doubt.witnesses < WITNESSES {
            // After a restart either clock may be the wrong one. What is too late would empty the window.
            let ms = if self.is_resumed { expected.min(reading).max(anchor_ms) } else { expected };
            let back_to_ms = is_back.then(|| back_to(doubt.since));
            let earliest_ms = if is_back { reading.min(ms) } else { ms };
            return Now { back_to_ms, earliest_ms, is_in_doubt: true, ..Now::at(ms) };
        }
        if is_back { set_back(doubt.since) } else { Now::at(reading) }
    }

    /// The poll that ran at `now` is complete: later readings are held against it.
    pub fn confirm(&mut self, now: Now, at: Instant) {
        if !now.is_in_doubt {
            (self.anchor, self.doubted, self.is_resumed) = (Some((now.ms, at)), None, false);
        } else if !self.is_resumed {
            // While a resumed clock is in doubt, the steps of its readings are counted from one and the same anchor.
            self.anchor = Some((now.ms, at));
        }
    }
}

fn is_plausible(reading_ms: i64, own_ms: i64, newest_ms: Option<i64>) -> bool {
    let is_near = |other: i64| reading_ms.saturating_sub(other).saturating_abs() <= PLAUSIBLE_MS;
    // Without a row there is nothing to hold it against: a wrong one is found out by the next readings.
    is_near(own_ms) || newest_ms.is_none_or(is_near)
}

/// The exporter's own clock in the primary's time, where the difference is known.
pub fn own_ms(wall: std::time::SystemTime, offset_seconds: Option<f64>) -> i64 {
    let own_ms = i64::try_from(unix_ms(wall)).unwrap_or(i64::MAX);
    let offset = offset_seconds.unwrap_or(0.0);
    let offset_ms = Duration::try_from_secs_f64(offset.abs()).map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(0));
    if offset < 0.0 { own_ms.saturating_sub(offset_ms) } else { own_ms.saturating_add(offset_ms) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: i64 = 1_790_000_000_000;
    const HOUR: i64 = 3_600_000;

    fn settled() -> ServerClock {
        let mut clock = ServerClock::default();
        let now = clock.now(Some(T), T, None);
        clock.confirm(now, Instant::now());
        clock
    }

    #[tokio::test(start_paused = true)]
    async fn one_wrong_reading_is_not_believed_and_a_lasting_step_is() {
        let mut clock = settled();
        for (reading, believed) in [(T + 48 * HOUR, T), (T, T), (T + 48 * HOUR, T), (T + 48 * HOUR, T)] {
            let now = clock.now(Some(reading), T, None);
            assert_eq!((now.ms, now.set_back), (believed, false));
            clock.confirm(now, Instant::now());
        }
        let now = clock.now(Some(T + 48 * HOUR), T, None);
        assert_eq!((now.ms, now.set_back), (T + 48 * HOUR, false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_back_is_said_once_it_is_believed() {
        let mut clock = settled();
        for _ in 0..2 {
            assert!(!clock.now(Some(T - HOUR), T, None).set_back);
        }
        let now = clock.now(Some(T - HOUR), T, None);
        assert_eq!((now.ms, now.set_back), (T - HOUR, true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_set_back_tells_from_when_on_time_comes_again() {
        let mut clock = settled();
        tokio::time::advance(Duration::from_secs(60)).await;
        let now = clock.now(Some(T - 240_000), T, None);
        assert_eq!((now.ms, now.set_back, now.back_to_ms), (T - 240_000, true, Some(T - 300_000)), "a small step");
        let slow = settled().now(Some(T + 1), T, None);
        assert_eq!((slow.set_back, slow.back_to_ms), (false, None), "a little slower is no step");
        let mut clock = settled();
        for minute in 1..=3 {
            tokio::time::advance(Duration::from_secs(60)).await;
            let now = clock.now(Some(T - HOUR + minute * 60_000), T, None);
            assert_eq!((now.set_back, now.back_to_ms), (minute == 3, Some(T - HOUR)), "the same, doubted or believed");
            clock.confirm(now, Instant::now());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_reading_time_goes_on_from_the_last_one() {
        let mut clock = settled();
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(clock.now(None, T + 99 * HOUR, None).ms, T + 60_000);
        assert_eq!(clock.now(Some(T + 61_500), T, None).ms, T + 61_500, "small corrections are taken at once");
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_restart_the_earlier_of_two_clocks_is_believed_until_it_is_clear() {
        let minute = Duration::from_secs(60);
        let mut clock = ServerClock::resume(T, minute);
        assert_eq!(clock.now(Some(T + 61_000), 0, None).ms, T + 61_000);
        // Our own clock was set forward by a year while nobody ran.
        let mut clock = ServerClock::resume(T, minute * 60 * 24 * 365);
        for _ in 0..2 {
            let now = clock.now(Some(T + 60_000), 0, None);
            assert_eq!((now.ms, now.set_back), (T + 60_000, false));
            clock.confirm(now, Instant::now());
        }
        let now = clock.now(Some(T + 60_000), 0, None);
        assert_eq!((now.ms, now.set_back), (T + 60_000, false), "ours was the wrong one");
        // One reading is missing meanwhile.
        let mut clock = ServerClock::resume(T, minute * 60 * 24 * 365);
        for (reading, believed) in [(Some(T + 60_000), T + 60_000), (None, T + 60_000), (Some(T + 60_000), T + 60_000)]
        {
            assert_eq!(clock.now(reading, 0, None).ms, believed);
        }
        // The primary says nonsense once.
        let mut clock = ServerClock::resume(T, minute);
        assert_eq!(clock.now(Some(T + 48 * HOUR), 0, None).ms, T + 60_000);
        assert_eq!(clock.now(Some(T + 60_000), 0, None).ms, T + 60_000);
    }

    #[test]
    fn a_first_reading_is_held_against_the_own_clock_and_the_newest_row() {
        let first = |reading, own, newest| ServerClock::default().now(reading, own, newest).ms;
        assert_eq!(first(Some(T), T + HOUR, None), T);
        assert_eq!(first(Some(T), T + 9000 * HOUR, Some(T - HOUR)), T, "ours is wrong");
        assert_eq!(first(Some(T + 9000 * HOUR), T, Some(T - HOUR)), T, "theirs is wrong");
        assert_eq!(first(Some(T), T + 9000 * HOUR, None), T, "nobody knows, and the stamps to come will be theirs");
        assert_eq!(first(None, T, Some(T)), T);
    }

    #[test]
    fn the_own_clock_is_corrected_by_the_known_difference() {
        let wall = std::time::UNIX_EPOCH + Duration::from_millis(5_000);
        assert_eq!([own_ms(wall, None), own_ms(wall, Some(1.5)), own_ms(wall, Some(-1.5))], [5_000, 6_500, 3_500]);
    }
}
