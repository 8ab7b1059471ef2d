//! What the series of collectors are made of: state sets, labels that are bounded, numbers, and rows that count once.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use crate::exposition::{Family, Number, Page};

/// The series of a state set: 1 for the true one, 0 for the others. A state that is not known stands beside them. The
/// state is the last label.
pub(super) fn state_set(page: &mut Page, family: &'static Family, labels: &[&str], known: &[&str], is: &str) {
    let mut all: Vec<&str> = known.to_vec();
    if !is.is_empty() && !known.contains(&is) {
        all.push(is);
    }
    let mut values = labels.to_vec();
    for state in all {
        values.push(state);
        page.gauge(family, &values, f64::from(state == is));
        values.pop();
    }
}

/// Texts that become labels, as many as make sense: a primary cannot make series without end.
#[derive(Debug)]
pub(super) struct Bounded {
    most: usize,
    seen: std::collections::BTreeSet<String>,
}

impl Bounded {
    /// `most`: how many different texts are told apart.
    pub(super) fn new(most: usize) -> Bounded {
        Bounded { most, seen: std::collections::BTreeSet::new() }
    }

    /// The text itself, or `other` once there are too many.
    pub(super) fn label<'t>(&mut self, text: &'t str) -> &'t str {
        if self.seen.contains(text) {
            return text;
        }
        if self.seen.len() >= self.most {
            return "other";
        }
        self.seen.insert(text.to_owned());
        text
    }
}

/// Adds a sample where there is a value.
pub(super) fn put(page: &mut Page, family: &'static Family, labels: &[&str], value: Option<impl Into<Number>>) {
    if let Some(value) = value {
        page.gauge(family, labels, value);
    }
}

/// A yes or no as a label; empty where nothing is said.
pub(super) fn flag(value: Option<bool>) -> &'static str {
    match value {
        Some(true) => "true",
        Some(false) => "false",
        None => "",
    }
}

/// Tells the rows of a list apart by their ids: one that moves between two pages while they are read counts once. Of an
/// id only a hash is kept, since a list may be millions of rows long.
#[derive(Debug, Default)]
pub(super) struct Once {
    hasher: RandomState,
    seen: HashSet<u64>,
    /// Rows without an id, to be [left out](Reading::reject).
    pub(super) nameless: u64,
}

impl Once {
    /// Whether this is a row that has not been there yet.
    pub(super) fn is_new(&mut self, id: &str) -> bool {
        if id.is_empty() {
            self.nameless = self.nameless.saturating_add(1);
            return false;
        }
        self.seen.insert(self.hasher.hash_one(id))
    }

    /// Why rows without an id are left out; `None`: there were none.
    pub(super) fn why(&self) -> Option<String> {
        (self.nameless > 0).then(|| "it has no id".to_owned())
    }
}

/// A number as samples have it: exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "samples are floats: exact up to 2^53")]
pub(super) fn number(value: u64) -> f64 {
    value as f64
}

/// Unix milliseconds as seconds.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of this age of the world fit a float exactly")]
pub(super) fn seconds(unix_ms: i64) -> f64 {
    unix_ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::Kind;

    #[test]
    fn a_state_set_says_one_and_zeros_and_knows_new_words() {
        static STATE: Family =
            Family { name: "netbackup_x_state", kind: Kind::Gauge, help: "x", labels: &["site", "name", "state"] };
        let text = |is| {
            let mut page = Page::new("paris");
            state_set(&mut page, &STATE, &["a"], &["UP", "DOWN"], is);
            page.finish().text().lines().skip(2).map(|line| line[40..].to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(text("UP").len(), 2);
        assert!(text("UP").iter().any(|line| line.contains("UP") && line.ends_with(" 1")));
        assert!(text("ODD").iter().any(|line| line.contains("ODD") && line.ends_with(" 1")) && text("ODD").len() == 3);
        assert!(text("").iter().all(|line| line.ends_with(" 0")));
    }

    #[test]
    fn a_row_counts_once_and_one_without_id_is_left_out() {
        let mut once = Once::default();
        assert_eq!(["a", "b", "a", "", ""].map(|id| once.is_new(id)), [true, true, false, false, false]);
        assert_eq!((once.nameless, once.why().as_deref()), (2, Some("it has no id")));
        assert!(Once::default().why().is_none());
    }

    #[test]
    fn integers_stay_exact() {
        static SIZE: Family = Family { name: "netbackup_x_bytes", kind: Kind::Gauge, help: "x", labels: &["site"] };
        let mut page = Page::new("paris");
        put(&mut page, &SIZE, &[], Some(9_007_199_254_740_993_u64));
        put(&mut page, &SIZE, &[], None::<f64>);
        assert!(page.finish().text().ends_with(" 9007199254740993\n"));
    }

    #[test]
    fn labels_run_out_gently() {
        let mut bounded = Bounded::new(2);
        assert_eq!(["a", "b", "a", "c", "b"].map(|text| bounded.label(text)), ["a", "b", "a", "other", "b"]);
    }
}
