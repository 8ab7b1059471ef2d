//! Which API version is spoken: the closed facts about versions, and the pure rules of finding one. The requests that
//! finding takes are made by the client.

use std::sync::Mutex;

use crate::config::ApiVersionChoice;

/// A version of the API, as it stands in the media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion {
    /// Before the dot.
    pub major: u16,
    /// After the dot.
    pub minor: u16,
}

impl ApiVersion {
    /// The newest that is known; a newer primary is spoken to in this one.
    pub const NEWEST: ApiVersion = ApiVersion::new(14, 0);
    /// The oldest whose job list pages by cursor.
    pub const OLDEST: ApiVersion = ApiVersion::new(9, 0);

    /// A version.
    #[must_use]
    pub const fn new(major: u16, minor: u16) -> ApiVersion {
        ApiVersion { major, minor }
    }

    /// Reads `14.0`, also `14`; anything else is `None`.
    #[must_use]
    pub fn parse(text: &str) -> Option<ApiVersion> {
        let number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten();
        match text.trim().split_once('.') {
            Some((major, minor)) => Some(ApiVersion { major: number(major)?, minor: number(minor)? }),
            None => Some(ApiVersion { major: number(text.trim())?, minor: 0 }),
        }
    }
}

impl std::fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Tried from the top where `/ping` does not say a version.
const LADDER: [ApiVersion; 5] = [
    ApiVersion::new(14, 0),
    ApiVersion::new(13, 0),
    ApiVersion::new(12, 0),
    ApiVersion::new(11, 0),
    ApiVersion::new(10, 0),
];

/// What is known about the version to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Nothing yet, or what was known proved wrong.
    Nothing,
    /// The configuration fixes it.
    Fixed(ApiVersion),
    /// The primary said so.
    Said(ApiVersion),
    /// A rung of the ladder; `settled` once the primary took it.
    Rung { version: ApiVersion, settled: bool },
}

/// What to do about a 406.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterRefusal {
    /// Send again with this version, which was found meanwhile or is the next rung.
    Send(ApiVersion),
    /// Ask `/ping` again; it may say otherwise now.
    AskAgain,
    /// Nothing is left to try.
    GiveUp,
}

/// The version that one site is spoken to in. A lock that is never held across a wait.
#[derive(Debug)]
pub(crate) struct Negotiation(Mutex<State>);

#[derive(Debug)]
struct State {
    known: Known,
    /// The version that some endpoint took last: a refusal of it is about an endpoint, not about the primary.
    taken: Option<ApiVersion>,
}

impl Negotiation {
    pub(crate) fn new(choice: ApiVersionChoice) -> Negotiation {
        let known = match choice {
            ApiVersionChoice::Auto => Known::Nothing,
            ApiVersionChoice::Fixed(major, minor) => Known::Fixed(ApiVersion::new(major, minor)),
        };
        Negotiation(Mutex::new(State { known, taken: None }))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn with<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        change(&mut self.state().known)
    }

    /// The version to send, once there is one.
    pub(crate) fn current(&self) -> Option<ApiVersion> {
        self.with(|known| match *known {
            Known::Nothing => None,
            Known::Fixed(version) | Known::Said(version) | Known::Rung { version, .. } => Some(version),
        })
    }

    /// `/ping` named the primary's version. `false`: it is too old to be spoken to, and what was known is forgotten,
    /// so that an upgrade is noticed.
    pub(crate) fn said(&self, primary: ApiVersion) -> bool {
        let suits = self.suits(primary);
        self.with(|known| {
            if !matches!(known, Known::Fixed(_)) {
                *known = if suits { Known::Said(primary.min(ApiVersion::NEWEST)) } else { Known::Nothing };
            }
        });
        suits
    }

    /// Whether there is a version that both sides speak.
    pub(crate) fn suits(&self, primary: ApiVersion) -> bool {
        self.with(|known| match *known {
            Known::Fixed(version) => version <= primary,
            _ => primary >= ApiVersion::OLDEST,
        })
    }

    /// `/ping` answered without naming a version: the ladder's top, unless a version is known already.
    pub(crate) fn said_nothing(&self) {
        self.with(|known| {
            if let (Known::Nothing, [top, ..]) = (*known, LADDER) {
                *known = Known::Rung { version: top, settled: false };
            }
        });
    }

    /// The primary took `version`: no rung below it is tried any more.
    pub(crate) fn accepted(&self, version: ApiVersion) {
        let mut state = self.state();
        state.taken = Some(version);
        if let Known::Rung { version: rung, settled } = &mut state.known
            && *rung == version
        {
            *settled = true;
        }
    }

    /// Whether some endpoint took `version`, so that a refusal elsewhere says nothing about the primary as a whole.
    pub(crate) fn is_taken(&self, version: ApiVersion) -> bool {
        self.state().taken == Some(version)
    }

    /// The primary refuses what it took before, and `/ping` names nothing: down the ladder, but not before every endpoint
    /// has had its turn, since one alone may have its own reasons.
    pub(crate) fn step_down(&self, refused: ApiVersion) -> Option<ApiVersion> {
        let mut state = self.state();
        if matches!(state.known, Known::Fixed(_)) || state.taken.take() == Some(refused) {
            return None;
        }
        let next = LADDER.into_iter().find(|rung| *rung < refused);
        state.known = next.map_or(Known::Nothing, |version| Known::Rung { version, settled: false });
        next
    }

    /// The primary answered 406 to `refused`.
    pub(crate) fn refused(&self, refused: ApiVersion) -> AfterRefusal {
        self.with(|known| match *known {
            Known::Nothing => AfterRefusal::AskAgain,
            Known::Fixed(_) => AfterRefusal::GiveUp,
            Known::Said(version) | Known::Rung { version, .. } if version != refused => AfterRefusal::Send(version),
            Known::Said(_) | Known::Rung { settled: true, .. } => AfterRefusal::AskAgain,
            Known::Rung { version, settled: false } => match LADDER.into_iter().find(|rung| *rung < version) {
                Some(next) => {
                    *known = Known::Rung { version: next, settled: false };
                    AfterRefusal::Send(next)
                }
                None => {
                    // The next request starts over: the primary may be in the middle of an upgrade.
                    *known = Known::Nothing;
                    AfterRefusal::GiveUp
                }
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn v(major: u16) -> ApiVersion {
        ApiVersion::new(major, 0)
    }

    #[test]
    fn versions_are_read_leniently_and_nothing_else_is() {
        for (text, expected) in [
            ("14.0", Some(v(14))),
            (" 12.1\r", Some(ApiVersion::new(12, 1))),
            ("9", Some(v(9))),
            ("", None),
            (".", None),
            ("14.", None),
            ("+1.0", None),
            ("1.2.3", None),
            ("99999.0", None),
            ("x", None),
        ] {
            assert_eq!(ApiVersion::parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_newer_primary_is_spoken_to_in_the_newest_known_version() {
        let versions = Negotiation::new(ApiVersionChoice::Auto);
        assert_eq!(versions.current(), None);
        assert!(versions.said(v(16)));
        assert_eq!(versions.current(), Some(v(14)));
        assert!(versions.said(v(12)), "a downgrade is followed");
        assert_eq!(versions.current(), Some(v(12)));
        assert!(!versions.said(v(8)));
        assert_eq!(versions.current(), None);
    }

    #[test]
    fn the_ladder_is_climbed_down_one_rung_per_refusal_and_then_starts_over() {
        let versions = Negotiation::new(ApiVersionChoice::Auto);
        versions.said_nothing();
        for (refused, next) in [(14, 13), (13, 12), (12, 11), (11, 10)] {
            assert_eq!(versions.refused(v(refused)), AfterRefusal::Send(v(next)));
        }
        assert_eq!(versions.refused(v(10)), AfterRefusal::GiveUp);
        assert_eq!(versions.current(), None);
    }

    #[test]
    fn two_requests_that_are_refused_together_step_down_once() {
        let versions = Negotiation::new(ApiVersionChoice::Auto);
        versions.said_nothing();
        assert_eq!(versions.refused(v(14)), AfterRefusal::Send(v(13)));
        assert_eq!(versions.refused(v(14)), AfterRefusal::Send(v(13)));
    }

    #[test]
    fn a_settled_rung_is_not_left_without_a_word_from_ping() {
        let versions = Negotiation::new(ApiVersionChoice::Auto);
        versions.said_nothing();
        versions.accepted(v(13));
        assert_eq!(versions.refused(v(14)), AfterRefusal::Send(v(13)), "another version's acceptance settles nothing");
        versions.accepted(v(13));
        assert_eq!(versions.refused(v(13)), AfterRefusal::AskAgain);
        versions.said_nothing();
        assert_eq!(versions.current(), Some(v(13)));
    }

    #[test]
    fn a_fixed_version_is_kept_whatever_happens() {
        let versions = Negotiation::new(ApiVersionChoice::Fixed(12, 0));
        assert!(versions.said(v(14)));
        assert!(!versions.said(v(11)), "the primary is older than what is fixed");
        versions.said_nothing();
        assert_eq!(versions.refused(v(12)), AfterRefusal::GiveUp);
        assert_eq!(versions.current(), Some(v(12)));
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(major: u16, minor: u16, rubbish in any::<String>()) {
            let version = ApiVersion::new(major, minor);
            prop_assert_eq!(ApiVersion::parse(&version.to_string()), Some(version));
            let _ = ApiVersion::parse(&rubbish);
        }
    }
}
