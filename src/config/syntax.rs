//! What is not even TOML: its place and its key in our own words, since the parser's messages quote the line.

use super::error::{Mistakes, Spot};
use super::raw;

/// A file with more broken lines is no configuration; the first ones tell enough.
const MOST: usize = 50;

const QUOTES: &str = "not TOML: a string or a duration stands in quotes";
const CLOSING_QUOTE: &str = "not TOML: the closing quote is missing, or a character of the string must be escaped";
const BACKSLASH: &str = "not TOML: double a backslash in double quotes, or put the string in single quotes";

/// How the parser's reasons start, and what is said instead.
const WORDS: [(&str, &str); 14] = [
    ("duplicate key", "this is written twice; keep one"),
    ("cannot extend", "this is already a value, no section can be made of it"),
    ("string values must be quoted", QUOTES),
    ("invalid integer number", QUOTES),
    ("invalid float", QUOTES),
    ("invalid date-time", QUOTES),
    ("missing opening quote", "not TOML: the opening quote is missing"),
    ("invalid basic string", CLOSING_QUOTE),
    ("invalid literal string", CLOSING_QUOTE),
    ("invalid multi-line", CLOSING_QUOTE),
    ("missing escaped value", BACKSLASH),
    ("key with no value", "not TOML: expected key = value"),
    ("missing value", "not TOML: the value is missing"),
    ("unclosed", "not TOML: a closing bracket is missing"),
];

/// Notes the parser's errors; `end` is the place of those that have none.
pub(super) fn note(errors: &[toml::de::Error], end: usize, mistakes: &mut Mistakes) {
    if errors.is_empty() {
        return;
    }
    let known = raw::known_keys();
    for error in errors.iter().take(MOST) {
        let offset = error.span().map_or(end, |span| span.start);
        let key = mistakes.line_before(offset).split_once('=').map_or("", |(key, _)| key.trim());
        let key = known.get(key).cloned().unwrap_or_default();
        mistakes.syntax(&Spot { key, offset: Some(offset) }, words(error.message()));
    }
}

fn words(message: &str) -> &'static str {
    let known = WORDS.iter().find(|(start, _)| message.starts_with(start));
    known.map_or("not TOML: something else was expected here", |(_, words)| words)
}
