//! Which failures of a request may pass by themselves, and how long to wait before it is sent again. Pure.

use std::time::Duration;

use super::error::Error;
use crate::reason::Reason;

/// How often a request is sent again at most.
pub(crate) const MOST: u32 = 2;
/// The pause before the first repetition; the next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// A longer `Retry-After` is for the poll loop to wait out.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What may be spent on one request.
#[derive(Debug)]
pub(crate) struct Budget {
    /// The longest that all of it may take from now on.
    pub(crate) time: Duration,
    /// How often it has been sent again so far, whichever way.
    pub(crate) repeated: u32,
    /// Its failures count against the site; those of a health probe do not, which has too little time to tell.
    pub(crate) of_poll: bool,
}

impl Budget {
    /// For a request beside the polls, which is not sent again.
    pub(crate) fn once(time: Duration) -> Budget {
        Budget { time, repeated: 0, of_poll: false }
    }
}

/// How long to wait before the request is sent once more; `None`: it is not. `took` is how long the failed attempt
/// lasted: as much must be `left` after the pause. `jitter` lies between 0 and 1.
pub(crate) fn pause(error: &Error, repeated: u32, took: Duration, left: Duration, jitter: f64) -> Option<Duration> {
    if repeated >= MOST {
        return None;
    }
    let usual = FIRST_PAUSE.saturating_mul(1 << repeated).mul_f64(0.75 + 0.5 * jitter);
    let pause = match (error.reason(), error.status(), error.retry_after()) {
        // Never earlier than asked for, and not everybody at once.
        (Reason::Throttled, _, Some(asked)) if asked <= LONGEST_PAUSE => asked.saturating_add(usual / 4),
        (Reason::Throttled, _, Some(_)) => return None,
        (Reason::Throttled | Reason::Connect, ..) | (Reason::Http, Some(502..=504), _) => usual,
        _ => return None,
    };
    (pause.saturating_add(took) <= left).then_some(pause)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::netbackup::endpoint::Endpoint;

    const LEFT: Duration = Duration::from_secs(30);
    const TOOK: Duration = Duration::from_millis(10);

    fn error(reason: Reason, status: Option<u16>, asked: Option<u64>) -> Error {
        let error = Error::new(&Arc::from("paris"), Endpoint::Jobs, reason, "as the test says");
        let error = error.with_answer(asked.map(Duration::from_secs), None);
        match status {
            Some(status) => error.with_status(status),
            None => error,
        }
    }

    #[test]
    fn only_what_may_pass_is_sent_again() {
        for reason in Reason::ALL {
            let may_pass = matches!(reason, Reason::Connect | Reason::Throttled);
            assert_eq!(pause(&error(reason, None, None), 0, TOOK, LEFT, 0.5).is_some(), may_pass, "{reason}");
        }
        for status in 300..600 {
            let may_pass = (502..=504).contains(&status);
            let pause = pause(&error(Reason::Http, Some(status), None), 0, TOOK, LEFT, 0.5);
            assert_eq!(pause.is_some(), may_pass, "{status}");
        }
    }

    #[test]
    fn twice_at_most_with_a_longer_pause_each_time() {
        let busy = error(Reason::Http, Some(503), None);
        let pauses = |jitter| [0, 1, 2].map(|repeated| pause(&busy, repeated, TOOK, LEFT, jitter));
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(pauses(0.0), [ms(375), ms(750), None]);
        assert_eq!(pauses(1.0), [ms(625), ms(1250), None]);
    }

    #[test]
    fn a_short_wait_that_is_asked_for_is_waited_and_a_long_one_is_not() {
        let asked = |seconds| pause(&error(Reason::Throttled, Some(429), Some(seconds)), 0, TOOK, LEFT, 1.0);
        for seconds in [0, 1, 5] {
            let waited = asked(seconds).unwrap();
            let asked = Duration::from_secs(seconds);
            assert!(waited >= asked && waited <= asked + Duration::from_millis(200), "{waited:?}");
        }
        assert_eq!((asked(6), asked(3600), asked(u64::MAX)), (None, None, None));
    }

    #[test]
    fn it_must_fit_into_the_time_that_is_left() {
        let reset = error(Reason::Connect, None, None);
        let second = Duration::from_secs(1);
        assert!(pause(&reset, 0, second, second * 2, 0.5).is_some());
        assert!(pause(&reset, 0, second * 2, second * 2, 0.5).is_none(), "another attempt would be cut short");
        assert!(pause(&reset, 0, TOOK, Duration::from_millis(300), 0.5).is_none());
    }
}
