//! The releases that can be simulated, and the API version each one speaks.

use std::fmt;
use std::str::FromStr;

/// A NetBackup release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Release {
    /// 10.3, API 10.0.
    R10_3,
    /// 10.4, API 11.0.
    R10_4,
    /// 10.5, API 12.0.
    R10_5,
    /// 11.0, API 13.0.
    R11_0,
    /// 11.1; the published material leaves open which version it speaks: here 13.0.
    R11_1,
    /// 11.2, API 14.0.
    #[default]
    R11_2,
}

impl Release {
    /// Every release, oldest first.
    pub const ALL: [Release; 6] =
        [Release::R10_3, Release::R10_4, Release::R10_5, Release::R11_0, Release::R11_1, Release::R11_2];

    /// As people write it, such as `10.3`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Release::R10_3 => "10.3",
            Release::R10_4 => "10.4",
            Release::R10_5 => "10.5",
            Release::R11_0 => "11.0",
            Release::R11_1 => "11.1",
            Release::R11_2 => "11.2",
        }
    }

    /// The newest API version it speaks, as it stands in media types.
    #[must_use]
    pub fn api_version(self) -> &'static str {
        match self {
            Release::R10_3 => "10.0",
            Release::R10_4 => "11.0",
            Release::R10_5 => "12.0",
            Release::R11_0 | Release::R11_1 => "13.0",
            Release::R11_2 => "14.0",
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A release that the simulator does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no such release to simulate, expected one of 10.3, 10.4, 10.5, 11.0, 11.1, 11.2")]
pub struct UnknownRelease;

impl FromStr for Release {
    type Err = UnknownRelease;

    fn from_str(text: &str) -> Result<Release, UnknownRelease> {
        Release::ALL.into_iter().find(|release| release.name() == text).ok_or(UnknownRelease)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_others_refused() {
        for release in Release::ALL {
            assert_eq!(release.to_string().parse(), Ok(release));
        }
        assert_eq!("9.1".parse::<Release>(), Err(UnknownRelease));
    }
}
