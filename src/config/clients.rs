//! `[clients]` checked: which clients are told of one by one, and how many.

use std::sync::Arc;

use regex_lite::{Regex, RegexBuilder};

use super::error::Mistakes;
use super::raw::RawClients;
use super::reader::{Field, Typed};

/// `[clients]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clients {
    /// How many clients are told of one by one.
    pub max: usize,
    include: Arc<[Pattern]>,
    exclude: Arc<[Pattern]>,
}

/// A pattern of whole names, whatever their case.
#[derive(Debug, Clone)]
struct Pattern {
    /// As it was typed.
    text: String,
    regex: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl Default for Clients {
    fn default() -> Clients {
        Clients { max: 5_000, include: Arc::default(), exclude: Arc::default() }
    }
}

impl Clients {
    /// The patterns as they would be typed.
    ///
    /// # Errors
    /// Why one of them is no pattern.
    pub fn new(max: usize, include: &[&str], exclude: &[&str]) -> Result<Clients, String> {
        let list = |texts: &[&str]| texts.iter().map(|text| Pattern::new(text)).collect::<Result<Arc<[_]>, _>>();
        Ok(Clients { max, include: list(include)?, exclude: list(exclude)? })
    }

    /// Whether a client of this name is wanted.
    #[must_use]
    pub fn wants(&self, client: &str) -> bool {
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.regex.is_match(client));
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }

    /// Tells one choice of clients from another. Not 0.
    #[must_use]
    pub fn fingerprint(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.max.to_le_bytes());
        for (mark, patterns) in [(b"+", &self.include), (b"-", &self.exclude)] {
            for pattern in patterns.iter() {
                hasher.update(mark);
                hasher.update(pattern.text.as_bytes());
                hasher.update(&[0]);
            }
        }
        hasher.finalize().max(1)
    }
}

impl Pattern {
    fn new(text: &str) -> Result<Pattern, String> {
        const EXPECTED: &str =
            "expected a regular expression that matches the whole name of a client, such as \"web.*\"";
        if text.is_empty() {
            return Err(format!("{EXPECTED}; an empty one matches none"));
        }
        let build = |text: &str| RegexBuilder::new(text).case_insensitive(true).dot_matches_new_line(true).build();
        // By itself first: brackets that are missing must not be taken from around it.
        let whole = build(text).and_then(|_| build(&format!("^(?:{text})$")));
        // The message of the parser may quote the value.
        let regex =
            whole.map_err(|_| format!("{EXPECTED}; a backslash is written twice, or the text in single quotes"))?;
        Ok(Pattern { text: text.to_owned(), regex })
    }
}

/// What `[clients]` means.
pub(super) fn resolve(raw: &RawClients, mistakes: &mut Mistakes) -> Clients {
    let default = Clients::default();
    let mut patterns = |field: &Field<Vec<Typed<String>>>| -> Arc<[Pattern]> {
        let typed = field.given().map(|typed| typed.value.as_slice()).unwrap_or_default();
        let read = |typed: &Typed<String>| {
            Pattern::new(&typed.value).map_err(|message| mistakes.error(&typed.spot, message)).ok()
        };
        typed.iter().filter_map(read).collect()
    };
    let (include, exclude) = (patterns(&raw.include), patterns(&raw.exclude));
    Clients { max: raw.max.or(default.max), include, exclude }
}

/// Keys that are there though no site has the collector on.
pub(super) fn warn_about_unused(raw: &RawClients, mistakes: &mut Mistakes) {
    let lists = [&raw.include, &raw.exclude].map(|field| field.given().map(|typed| &typed.spot));
    let max = raw.max.given().map(|typed| &typed.spot);
    for spot in std::iter::once(max).chain(lists).flatten() {
        mistakes.warn(spot, "has no effect: the collector clients is off; switch it on in [collectors]");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names_whatever_the_case_and_exclude_wins() {
        let clients = |include: &[&str], exclude: &[&str]| Clients::new(5, include, exclude).unwrap();
        let all = clients(&[], &[]);
        assert!(all.wants("any") && all.wants(""));
        let some = clients(&["web.*", r"db\d+"], &[".*-test"]);
        for (name, wanted) in [
            ("web", true),
            ("WEB-1.example.com", true),
            ("my-web", false),
            ("db7", true),
            ("db7x", false),
            ("db", false),
            ("web-test", false),
            ("Web-TEST", false),
            ("web-test-2", true),
        ] {
            assert_eq!(some.wants(name), wanted, "{name}");
        }
        assert!(!clients(&["a|b"], &[]).wants("ab") && clients(&["a|b"], &[]).wants("b"));
        assert!(!clients(&["a"], &[]).wants("a\n"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", "(", "a)|(b", "[a", "*", r"\p{Greek}x("] {
            assert!(Clients::new(5, &[text], &[]).is_err(), "{text}");
        }
    }

    #[test]
    fn one_choice_is_told_from_another() {
        let print =
            |max, include: &[&str], exclude: &[&str]| Clients::new(max, include, exclude).unwrap().fingerprint();
        let prints = [
            print(5, &[], &[]),
            print(6, &[], &[]),
            print(5, &["a"], &[]),
            print(5, &[], &["a"]),
            print(5, &["a", "b"], &[]),
            print(5, &["ab"], &[]),
        ];
        for (at, one) in prints.iter().enumerate() {
            assert!(*one != 0 && !prints.iter().skip(at + 1).any(|other| other == one), "{prints:?}");
        }
    }
}
