//! Reads a TOML document key by key: each value with its place, wrong types and unknown keys noted, strings interpolated.

use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::Environment;
use super::duration;
use super::error::{Mistakes, Spot};
use super::interpolate::interpolate;

/// Longer than any key that somebody could mistake for one of ours.
const LONGEST_KEY: usize = 40;

/// A value and where it was typed.
#[derive(Clone)]
pub(super) struct Typed<T> {
    pub(super) value: T,
    pub(super) spot: Spot,
}

/// What became of a key. `Bad` has been told already; nothing that follows from it is told again.
#[derive(Clone)]
pub(super) enum Field<T> {
    Absent,
    Bad,
    Given(Typed<T>),
}

/// What all sections share while a document is read.
pub(super) struct Reader<'a> {
    pub(super) environment: &'a Environment,
    pub(super) mistakes: &'a mut Mistakes,
    /// Every key that was asked for, to recognise one on a line that is no TOML.
    pub(super) known: BTreeSet<String>,
}

/// One table of the document; an absent one has only absent fields.
pub(super) struct Section<'d> {
    spot: Spot,
    table: Option<&'d DeTable<'d>>,
    /// Every key that may stand here, offered where another one does.
    known: Vec<String>,
    /// Likely mistakes, which are told of but never offered.
    refused: Vec<String>,
}

impl<T> Field<T> {
    /// The value, when there is a good one.
    pub(super) fn given(&self) -> Option<&Typed<T>> {
        match self {
            Field::Given(typed) => Some(typed),
            Field::Absent | Field::Bad => None,
        }
    }

    /// Whether the key is there, good or bad.
    pub(super) fn is_there(&self) -> bool {
        !matches!(self, Field::Absent)
    }

    /// The same with what `convert` makes of the value.
    pub(super) fn map<U>(self, convert: impl FnOnce(T) -> U) -> Field<U> {
        match self {
            Field::Absent => Field::Absent,
            Field::Bad => Field::Bad,
            Field::Given(Typed { value, spot }) => Field::Given(Typed { value: convert(value), spot }),
        }
    }

    /// The value, or `default`.
    pub(super) fn or(&self, default: T) -> T
    where
        T: Clone,
    {
        self.given().map_or(default, |typed| typed.value.clone())
    }

    /// The first of `fields` that is there.
    pub(super) fn first<const N: usize>(fields: [&Field<T>; N]) -> &Field<T> {
        fields.into_iter().find(|field| field.is_there()).unwrap_or(&Field::Absent)
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(environment: &'a Environment, mistakes: &'a mut Mistakes) -> Reader<'a> {
        Reader { environment, mistakes, known: BTreeSet::new() }
    }

    fn text(&mut self, value: &DeValue<'_>, spot: &Spot) -> Option<String> {
        let Some(text) = value.as_str() else {
            self.mistakes.error(spot, format!("expected a string in quotes, found {}", type_name(value)));
            return None;
        };
        match interpolate(text, self.environment) {
            Ok(text) => Some(text),
            Err(errors) => {
                for error in errors {
                    self.mistakes.error(spot, error);
                }
                None
            }
        }
    }
}

impl Reader<'_> {
    fn texts(&mut self, list: &DeArray<'_>, spot: &Spot) -> Option<Vec<Typed<String>>> {
        let mut texts = Vec::new();
        for (at, element) in list.iter().enumerate() {
            let spot = Spot { key: format!("{}[{at}]", spot.key), offset: Some(element.span().start) };
            let value = self.text(element.get_ref(), &spot);
            texts.push(value.map(|value| Typed { value, spot }));
        }
        texts.into_iter().collect()
    }
}

impl<'d> Section<'d> {
    /// The whole document.
    pub(super) fn root(table: &'d DeTable<'d>) -> Section<'d> {
        Section::new(Spot { key: String::new(), offset: None }, Some(table))
    }

    /// A table that is not there.
    pub(super) fn absent(spot: Spot) -> Section<'d> {
        Section::new(spot, None)
    }

    fn new(spot: Spot, table: Option<&'d DeTable<'d>>) -> Section<'d> {
        Section { spot, table, known: Vec::new(), refused: Vec::new() }
    }

    /// Where the section starts.
    pub(super) fn spot(&self) -> &Spot {
        &self.spot
    }

    /// Whether the section is there.
    pub(super) fn is_there(&self) -> bool {
        self.table.is_some()
    }

    /// Whether a key is there, whatever its value is.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// Whether the key is a string that takes nothing from the environment.
    pub(super) fn is_literal(&self, key: &str) -> bool {
        let value = self.table.and_then(|table| table.get(key)).and_then(|value| value.get_ref().as_str());
        value.is_some_and(|text| !text.contains("${"))
    }

    /// A string.
    pub(super) fn string(&mut self, reader: &mut Reader<'_>, key: &str) -> Field<String> {
        self.field(reader, key, |reader, value, spot| reader.text(value, spot))
    }

    /// One string or a list of strings.
    pub(super) fn strings(&mut self, reader: &mut Reader<'_>, key: &str) -> Field<Vec<Typed<String>>> {
        self.field(reader, key, |reader, value, spot| {
            let Some(list) = value.as_array() else {
                return reader.text(value, spot).map(|value| vec![Typed { value, spot: spot.clone() }]);
            };
            reader.texts(list, spot)
        })
    }

    /// A list of strings.
    pub(super) fn list(&mut self, reader: &mut Reader<'_>, key: &str) -> Field<Vec<Typed<String>>> {
        self.field(reader, key, |reader, value, spot| match value.as_array() {
            Some(list) => reader.texts(list, spot),
            None => {
                let found = type_name(value);
                reader.mistakes.error(spot, format!("expected a list of strings in [ ], found {found}"));
                None
            }
        })
    }

    pub(super) fn boolean(&mut self, reader: &mut Reader<'_>, key: &str) -> Field<bool> {
        self.field(reader, key, |reader, value, spot| {
            if value.as_bool().is_none() {
                let found = type_name(value);
                reader.mistakes.error(spot, format!("expected true or false without quotes, found {found}"));
            }
            value.as_bool()
        })
    }

    pub(super) fn count(&mut self, reader: &mut Reader<'_>, key: &str, range: RangeInclusive<usize>) -> Field<usize> {
        self.field(reader, key, |reader, value, spot| {
            let number = value.as_integer().and_then(|n| usize::from_str_radix(n.as_str(), n.radix()).ok());
            let number = number.filter(|number| range.contains(number));
            if number.is_none() {
                let (from, to) = (range.start(), range.end());
                reader.mistakes.error(spot, format!("expected a whole number from {from} to {to}, without quotes"));
            }
            number
        })
    }

    /// A number from 0 to 1.
    pub(super) fn ratio(&mut self, reader: &mut Reader<'_>, key: &str) -> Field<f64> {
        self.field(reader, key, |reader, value, spot| {
            let whole = value.as_integer().map(|number| number.as_str());
            let text = value.as_float().map(|number| number.as_str()).or(whole);
            let number = text.and_then(|text| text.parse().ok()).filter(|number| (0.0..=1.0).contains(number));
            if number.is_none() {
                reader.mistakes.error(spot, "expected a number from 0 to 1, without quotes");
            }
            number
        })
    }

    pub(super) fn duration(&mut self, reader: &mut Reader<'_>, key: &str) -> Field<Duration> {
        self.field(reader, key, |reader, value, spot| {
            if value.is_integer() || value.is_float() {
                let message = format!("a number has no unit: write it in quotes with one; {}", duration::EXPECTED);
                reader.mistakes.error(spot, message);
                return None;
            }
            let text = reader.text(value, spot)?;
            match duration::parse(&text) {
                Ok(duration) => {
                    if duration::has_months_by_letter(&text) {
                        reader.mistakes.warn(spot, "the unit M is a month; were minutes meant? Write m for minutes");
                    }
                    Some(duration)
                }
                Err(message) => {
                    reader.mistakes.error(spot, message);
                    None
                }
            }
        })
    }

    /// A table below this one.
    pub(super) fn section(&mut self, reader: &mut Reader<'_>, key: &str) -> Section<'d> {
        let spot = self.spot_of(key, 0..0);
        let Some((value, spot)) = self.value(reader, key) else { return Section::absent(spot) };
        match value.as_table() {
            Some(table) => Section::new(spot, Some(table)),
            None => {
                let message = format!("expected a section, written [{}], found {}", spot.key, type_name(value));
                reader.mistakes.error(&spot, message);
                Section::absent(spot)
            }
        }
    }

    /// The tables of `[[key]]`; `None` when the key is there but is no such list.
    pub(super) fn sections(&mut self, reader: &mut Reader<'_>, key: &str) -> Option<Vec<Section<'d>>> {
        let Some((value, spot)) = self.value(reader, key) else { return Some(Vec::new()) };
        let expected = format!("expected [[{key}]] with two brackets on either side, once for each {key}");
        let Some(list) = value.as_array() else {
            reader.mistakes.error(&spot, expected);
            // A single bracket is the likely slip: what stands below it is still checked.
            let table = value.as_table()?;
            let spot = Spot { key: format!("{key}[0]"), offset: spot.offset };
            return Some(vec![Section::new(spot, Some(table))]);
        };
        let mut sections = Vec::new();
        for (at, element) in list.iter().enumerate() {
            let spot = Spot { key: format!("{}[{at}]", spot.key), offset: Some(element.span().start) };
            match element.get_ref().as_table() {
                Some(table) => sections.push(Section::new(spot, Some(table))),
                None => reader.mistakes.error(&spot, expected.clone()),
            }
        }
        (list.is_empty() || !sections.is_empty()).then_some(sections)
    }

    /// A key that is a likely mistake: an error of its own when it is there.
    pub(super) fn refuse(&mut self, reader: &mut Reader<'_>, key: &str, message: &str) {
        self.refused.push(key.to_owned());
        if let Some((_, spot)) = self.look_up(reader, key) {
            reader.mistakes.error(&spot, message);
        }
    }

    /// Notes every key that nobody asked for.
    pub(super) fn finish(self, reader: &mut Reader<'_>) {
        for (key, _) in self.table.into_iter().flatten() {
            let name: &str = key.get_ref();
            if self.known.iter().chain(&self.refused).any(|known| known == name) {
                continue;
            }
            let nearest = nearest(name, &self.known);
            let spot = self.spot_of(name, key.span());
            // In a broken file a piece of a value can look like a key, and so does a secret that was pasted as a line.
            // No key of ours has capitals or digits, and most secrets have.
            let is_plain = name.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'_' | b'-'));
            let is_sure = is_plain && name.len() <= LONGEST_KEY && !reader.mistakes.has_syntax_errors();
            let spot = if is_sure || nearest.is_some() { spot } else { Spot { key: self.spot.key.clone(), ..spot } };
            let hint = match nearest {
                Some(known) => format!("did you mean {known}?"),
                None => format!("known here: {}", self.known.join(", ")),
            };
            reader.mistakes.error(&spot, format!("unknown key; {hint}"));
        }
    }

    fn field<T>(
        &mut self,
        reader: &mut Reader<'_>,
        key: &str,
        read: impl FnOnce(&mut Reader<'_>, &DeValue<'d>, &Spot) -> Option<T>,
    ) -> Field<T> {
        let Some((value, spot)) = self.value(reader, key) else { return Field::Absent };
        match read(reader, value, &spot) {
            Some(value) => Field::Given(Typed { value, spot }),
            None => Field::Bad,
        }
    }

    fn value(&mut self, reader: &mut Reader<'_>, key: &str) -> Option<(&'d DeValue<'d>, Spot)> {
        self.known.push(key.to_owned());
        self.look_up(reader, key)
    }

    fn look_up(&self, reader: &mut Reader<'_>, key: &str) -> Option<(&'d DeValue<'d>, Spot)> {
        reader.known.insert(key.to_owned());
        let value: &'d Spanned<DeValue<'d>> = self.table?.get(key)?;
        Some((value.get_ref(), self.spot_of(key, value.span())))
    }

    fn spot_of(&self, key: &str, span: Range<usize>) -> Spot {
        let parent = &self.spot.key;
        let key = if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") };
        Spot { key, offset: Some(span.start) }
    }
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}

/// The known key that `name` is a slip of, if one is close enough.
pub(super) fn nearest<'k>(name: &str, known: &'k [String]) -> Option<&'k str> {
    let allowed = (name.chars().count() / 3).clamp(1, 3);
    let distances = known.iter().map(|known| (distance(name, known), known.as_str()));
    distances.filter(|(distance, _)| *distance <= allowed).min().map(|(_, known)| known)
}

/// Letters to add, drop or replace to get from `a` to `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        let mut left = i + 1;
        next.push(left);
        for ((to, above), diagonal) in b.iter().zip(row.iter().skip(1)).zip(&row) {
            left = (left + 1).min(above + 1).min(diagonal + usize::from(from != *to));
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_letters() {
        for (a, b, expected) in
            [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("abc", "abc", 0), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn only_a_close_key_is_suggested() {
        let known = ["jobs_ttl", "timeout", "url"].map(String::from);
        assert_eq!(nearest("job_ttl", &known), Some("jobs_ttl"));
        assert_eq!(nearest("timout", &known), Some("timeout"));
        assert_eq!(nearest("uri", &known), Some("url"));
        assert_eq!(nearest("colour", &known), None);
        assert_eq!(nearest("", &known), None);
    }
}
