//! Mistakes of a configuration: all of them at once, each with its place, its key and what was expected.
//!
//! A mistake never repeats the line or the value, not even in part: it may be a key of the primary, and error messages
//! end up in logs.

use std::path::Path;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file as it was named; `environment` or `command line` where there is none.
    pub file: String,
    /// Line, from 1; `None` where the mistake is not at one place.
    pub line: Option<usize>,
    /// Column in characters, from 1.
    pub column: Option<usize>,
    /// The key, such as `site[1].poll.jobs_ttl` (sites are counted from 0), a flag or a variable; empty when unknown.
    pub key: String,
    /// What was expected, and what to do.
    pub message: String,
}

/// At least one mistake, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

/// Where something stands: its key, and the byte offset in the file when there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spot {
    /// The whole key.
    pub(super) key: String,
    /// Byte offset into the text.
    pub(super) offset: Option<usize>,
}

/// Collects mistakes and warnings of one file.
pub(super) struct Mistakes {
    file: String,
    line_starts: Vec<usize>,
    text: zeroize::Zeroizing<String>,
    is_world_readable: bool,
    syntax: Vec<ConfigError>,
    errors: Vec<ConfigError>,
    warnings: Vec<String>,
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}:{}", self.column.unwrap_or(1))?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl ConfigErrors {
    /// What is wrong with what `file` asks for, although it is written well; `messages` are not empty.
    pub fn new(file: &str, messages: impl IntoIterator<Item = String>) -> ConfigErrors {
        let error =
            |message| ConfigError { file: file.to_owned(), line: None, column: None, key: String::new(), message };
        ConfigErrors(messages.into_iter().map(error).collect())
    }

    /// One mistake that is not at a place in a file.
    pub(super) fn one(file: impl Into<String>, key: impl Into<String>, message: impl Into<String>) -> ConfigErrors {
        let (file, key, message) = (file.into(), key.into(), message.into());
        ConfigErrors(vec![ConfigError { file, line: None, column: None, key, message }])
    }

    /// One mistake.
    pub(super) fn of(mistake: ConfigError) -> ConfigErrors {
        ConfigErrors(vec![mistake])
    }

    /// These mistakes and those of another file.
    #[must_use]
    pub fn and(mut self, others: ConfigErrors) -> ConfigErrors {
        self.0.extend(others.0);
        self
    }

    /// The mistakes, in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.0.iter()
    }
}

impl Spot {
    /// A place without a position: a flag or a variable.
    pub(super) fn named(key: impl Into<String>) -> Spot {
        Spot { key: key.into(), offset: None }
    }
}

impl Mistakes {
    /// Collects for `file`, which holds `text`.
    pub(super) fn in_file(file: &Path, text: &str) -> Mistakes {
        Mistakes::new(file.display().to_string(), text)
    }

    /// Collects for something that is not a file.
    pub(super) fn in_place(name: &str) -> Mistakes {
        Mistakes::new(name.to_owned(), "")
    }

    fn new(file: String, text: &str) -> Mistakes {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let text = zeroize::Zeroizing::new(text.to_owned());
        let is_world_readable = false;
        Mistakes {
            file,
            line_starts,
            text,
            is_world_readable,
            syntax: Vec::new(),
            errors: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Notes who may read the file.
    pub(super) fn readable_by_all(&mut self, is_world_readable: bool) {
        self.is_world_readable = is_world_readable;
    }

    /// Notes a mistake.
    pub(super) fn error(&mut self, spot: &Spot, message: impl Into<String>) {
        self.errors.push(self.place(spot, message.into()));
    }

    /// Notes a mistake of syntax; what else is wrong on that line only follows from it.
    pub(super) fn syntax(&mut self, spot: &Spot, message: impl Into<String>) {
        self.syntax.push(self.place(spot, message.into()));
    }

    /// Notes what is accepted but should be looked at.
    pub(super) fn warn(&mut self, spot: &Spot, message: impl Into<String>) {
        let warning = self.place(spot, message.into()).to_string();
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Whether the text is not even TOML, so that what is missing may just not have been understood.
    pub(super) fn has_syntax_errors(&self) -> bool {
        !self.syntax.is_empty()
    }

    /// Whether every user of this machine may read the file.
    pub(super) fn is_file_world_readable(&self) -> bool {
        self.is_world_readable
    }

    /// The text of the line before `offset`.
    pub(super) fn line_before(&self, offset: usize) -> &str {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or_default();
        self.text.get(start..offset).unwrap_or_default()
    }

    /// One mistake that leaves nothing else to be found.
    pub(super) fn only(self, spot: &Spot, message: impl Into<String>) -> ConfigErrors {
        ConfigErrors(vec![self.place(spot, message.into())])
    }

    /// The warnings when nothing is wrong, else every mistake.
    pub(super) fn finish(self) -> Result<Vec<String>, ConfigErrors> {
        let Mistakes { mut syntax, mut errors, warnings, .. } = self;
        syntax.sort_by_key(|error| (error.line, error.column));
        syntax.dedup_by_key(|error| error.line);
        errors.retain(|error| error.line.is_none() || !syntax.iter().any(|broken| broken.line == error.line));
        errors.append(&mut syntax);
        if errors.is_empty() {
            return Ok(warnings);
        }
        errors.sort_by(|a, b| (a.line, a.column, &a.key, &a.message).cmp(&(b.line, b.column, &b.key, &b.message)));
        // What all sites share is judged once per site: the same mistake is told once.
        errors.dedup();
        Err(ConfigErrors(errors))
    }

    /// A mistake at its place, not noted.
    pub(super) fn place(&self, spot: &Spot, message: String) -> ConfigError {
        let (line, column) = spot.offset.map(|offset| self.position(offset)).unzip();
        ConfigError { file: self.file.clone(), line, column, key: spot.key.clone(), message }
    }

    /// Line and column of a byte offset, both from 1; columns count characters.
    fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= offset).max(1);
        (line, self.line_before(offset).chars().count() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: usize) -> Spot {
        Spot { key: "k".into(), offset: Some(offset) }
    }

    #[test]
    fn positions_count_characters_from_one() {
        let mistakes = Mistakes::in_file(Path::new("c.toml"), "é = 1\nab = 2\n");
        assert_eq!(mistakes.position(0), (1, 1));
        assert_eq!(mistakes.position(2), (1, 2));
        assert_eq!(mistakes.position(7), (2, 1));
        assert_eq!(mistakes.position(12), (2, 6));
        assert_eq!(mistakes.position(14), (3, 1));
        assert_eq!(Mistakes::in_place("environment").position(0), (1, 1));
    }

    #[test]
    fn mistakes_are_sorted_told_once_and_end_in_one_text() {
        let mut mistakes = Mistakes::in_file(Path::new("c.toml"), "a\nb\n");
        mistakes.error(&at(2), "second");
        mistakes.error(&at(0), "first");
        mistakes.error(&at(0), "first");
        mistakes.error(&Spot::named("--flag"), "no place");
        let errors = mistakes.finish().unwrap_err();
        assert_eq!(errors.to_string(), "c.toml: --flag: no place\nc.toml:1:1: k: first\nc.toml:2:1: k: second");
        assert_eq!(errors.iter().count(), 3);
    }

    #[test]
    fn what_follows_from_a_syntax_error_on_the_same_line_is_not_told() {
        let mut mistakes = Mistakes::in_file(Path::new("c.toml"), "abc\nd\n");
        mistakes.syntax(&at(1), "not TOML");
        mistakes.error(&at(2), "expected a string");
        mistakes.error(&at(4), "unknown");
        assert_eq!(mistakes.finish().unwrap_err().to_string(), "c.toml:1:2: k: not TOML\nc.toml:2:1: k: unknown");
    }

    #[test]
    fn warnings_alone_are_no_mistake() {
        let mut mistakes = Mistakes::in_file(Path::new("c.toml"), "a");
        mistakes.warn(&at(0), "look");
        assert_eq!(mistakes.finish().unwrap(), ["c.toml:1:1: k: look"]);
    }
}
