//! Reads a YAML mapping key by key: types checked, each value with its place, and every key that nobody asked for told.

use std::collections::BTreeSet;

use super::super::error::{Mistakes, Spot};
use super::super::reader::{Typed, nearest};
use super::yaml::{Node, Value};

/// The longest list that can be meant, and the most keys of one table that are told to be wrong: a file that is something
/// else must not take minutes to say so.
const LONGEST_LIST: usize = 1000;
pub(super) const MOST_WRONG: usize = 100;

/// One mapping; an absent one has no keys.
pub(super) struct Table<'n> {
    spot: Spot,
    entries: &'n [(Node, Node)],
    /// Every key that may stand here.
    known: Vec<String>,
}

impl<'n> Table<'n> {
    /// The whole document.
    pub(super) fn root(document: Option<&'n Node>, mistakes: &mut Mistakes) -> Table<'n> {
        let spot = Spot { key: String::new(), offset: document.map(|node| node.offset) };
        Table::of(document, spot, mistakes)
    }

    fn of(node: Option<&'n Node>, spot: Spot, mistakes: &mut Mistakes) -> Table<'n> {
        let entries: &[_] = match node.map(|node| &node.value) {
            Some(Value::Map(entries)) => entries,
            Some(value) if !is_empty(value) => {
                let found = type_name(value);
                mistakes.error(&spot, format!("expected keys with values, one `key: value` a line, found {found}"));
                &[]
            }
            _ => &[],
        };
        Table { spot, entries, known: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn entries(&self) -> &'n [(Node, Node)] {
        self.entries
    }

    /// Where the table stands.
    pub(super) fn spot(&self) -> &Spot {
        &self.spot
    }

    /// Where a key of this table would stand: for mistakes about one that is missing.
    pub(super) fn spot_of(&self, key: &str) -> Spot {
        Spot { key: self.key_of(key), offset: self.spot.offset }
    }

    /// A table below this one.
    pub(super) fn table(&mut self, key: &str, mistakes: &mut Mistakes) -> Table<'n> {
        match self.value(key) {
            Some((node, spot)) => Table::of(Some(node), spot, mistakes),
            None => Table { spot: self.spot_of(key), entries: &[], known: Vec::new() },
        }
    }

    /// Text; an empty one counts as not given, as the format has it.
    pub(super) fn text(&mut self, key: &str, mistakes: &mut Mistakes) -> Option<Typed<&'n str>> {
        let (node, spot) = self.value(key)?;
        text_of(node, spot, mistakes)
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, key: &str, mistakes: &mut Mistakes) -> Option<Typed<Vec<Typed<&'n str>>>> {
        let (node, spot) = self.value(key)?;
        let Value::List(list) = &node.value else {
            let found = type_name(&node.value);
            mistakes.error(&spot, format!("expected a list, one `- value` a line, found {found}"));
            return None;
        };
        if list.len() > LONGEST_LIST {
            mistakes.error(&spot, format!("expected a list of at most {LONGEST_LIST}"));
            return None;
        }
        let texts = list.iter().enumerate().filter_map(|(at, node)| {
            let spot = Spot { key: format!("{}[{at}]", spot.key), offset: Some(node.offset) };
            if is_empty(&node.value) {
                mistakes.error(&spot, "expected a text, found nothing");
                return None;
            }
            text_of(node, spot, mistakes)
        });
        Some(Typed { value: texts.collect(), spot })
    }

    /// `true` or `false`, and the other words that the format takes for them.
    pub(super) fn boolean(&mut self, key: &str, mistakes: &mut Mistakes) -> Option<Typed<bool>> {
        let typed = self.text(key, mistakes)?;
        let value = match typed.value.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" => true,
            "false" | "no" | "off" | "n" => false,
            _ => {
                mistakes.error(&typed.spot, "expected true or false");
                return None;
            }
        };
        Some(Typed { value, spot: typed.spot })
    }

    /// Notes every key that nobody asked for, and every one that stands twice.
    pub(super) fn finish(self, mistakes: &mut Mistakes) {
        let mut seen = BTreeSet::new();
        let mut wrong = 0;
        for (key, _) in self.entries {
            if wrong == MOST_WRONG {
                break;
            }
            wrong += 1;
            let Some(name) = name_of(key) else {
                let spot = Spot { offset: Some(key.offset), ..self.spot.clone() };
                mistakes.error(&spot, "expected a key that is a text");
                continue;
            };
            let is_known = self.known.iter().any(|known| known == name);
            if is_known && seen.insert(name) {
                wrong -= 1;
                continue;
            }
            let nearest = nearest(name, &self.known);
            // Something else may have been pasted where a key should stand: only what must be one is repeated.
            let shown = if is_known || nearest.is_some() { self.key_of(name) } else { self.spot.key.clone() };
            let spot = Spot { key: shown, offset: Some(key.offset) };
            if !is_known {
                let hint = match nearest {
                    Some(known) => format!("did you mean {known}?"),
                    None => format!("known here: {}", self.known.join(", ")),
                };
                mistakes.error(&spot, format!("unknown key; {hint}"));
            } else {
                mistakes.error(&spot, "this is written twice; keep one");
            }
        }
    }

    /// The value of a key that is there and not null.
    fn value(&mut self, key: &str) -> Option<(&'n Node, Spot)> {
        self.known.push(key.to_owned());
        let (_, value) = self.entries.iter().find(|(name, _)| name_of(name) == Some(key))?;
        let spot = Spot { key: self.key_of(key), offset: Some(value.offset) };
        (!is_empty(&value.value)).then_some((value, spot))
    }

    fn key_of(&self, key: &str) -> String {
        if self.spot.key.is_empty() { key.to_owned() } else { format!("{}.{key}", self.spot.key) }
    }
}

/// A key or a value as text, whatever it looks like.
pub(super) fn name_of(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar { text, .. } => Some(text),
        Value::List(_) | Value::Map(_) => None,
    }
}

fn text_of<'n>(node: &'n Node, spot: Spot, mistakes: &mut Mistakes) -> Option<Typed<&'n str>> {
    match &node.value {
        Value::Scalar { text, .. } => (!text.is_empty()).then(|| Typed { value: text.as_str(), spot }),
        value => {
            mistakes.error(&spot, format!("expected a text, found {}", type_name(value)));
            None
        }
    }
}

/// Whether nothing was typed, or what YAML writes for nothing.
fn is_empty(value: &Value) -> bool {
    matches!(value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Scalar { .. } => "a text",
        Value::List(_) => "a list",
        Value::Map(_) => "keys with values",
    }
}
