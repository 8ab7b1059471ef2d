//! How well something is: a word, a sign and a class for each level, so that no meaning hangs on a colour alone.

/// From well to not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Nothing to do.
    Good,
    /// Nothing is known yet, or there is nothing to know.
    Waiting,
    /// Somebody should look.
    Warn,
    /// It does not do its work.
    Bad,
}

impl Level {
    /// The class in the style sheet.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Level::Good => "good",
            Level::Waiting => "waiting",
            Level::Warn => "warn",
            Level::Bad => "bad",
        }
    }

    /// A sign that differs in shape.
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Level::Good => "\u{2713}",
            Level::Waiting => "\u{2026}",
            Level::Warn => "!",
            Level::Bad => "\u{2715}",
        }
    }
}
