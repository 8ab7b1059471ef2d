//! How the attributes of a record are declared: one line each, with the kind of value that the API documents. What is
//! missing, of another type or absurd is absent, and never spoils the rest.

use std::borrow::Cow;
use std::ops::Deref;

use super::attr::Attr;
use super::wire::{Fields, RawItem};

/// Something that is made of some fields of an object.
pub(crate) trait Readable<'a>: Sized {
    /// Their keys.
    const KEYS: &'static [&'static str];

    /// The record, or why it is left out: words without any content of it. `fields` are in the order of the keys.
    fn read(fields: Fields<'a>) -> Result<Self, &'static str>;

    /// The record that an object is; what is no object is none.
    fn of(object: Attr<'a>) -> Result<Self, &'static str> {
        object.fields(Self::KEYS).ok_or("it is no object").and_then(Self::read)
    }
}

/// Something that is made of an element of `data`.
pub(crate) trait Entry<'a>: Sized {
    /// The entry, or why it is left out: words without any content of it.
    fn of(item: RawItem<'a>) -> Result<Self, &'static str>;
}

/// An element of `data`: what it is called, and its attributes.
#[derive(Debug, Clone)]
pub(crate) struct Resource<'a, T> {
    /// Its id; empty when missing.
    pub(crate) id: Cow<'a, str>,
    /// `relationships`, read on demand.
    pub(crate) relationships: Option<Attr<'a>>,
    attributes: T,
}

impl<T> Deref for Resource<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.attributes
    }
}

impl<'a, T: Readable<'a>> Entry<'a> for Resource<'a, T> {
    fn of(item: RawItem<'a>) -> Result<Self, &'static str> {
        let attributes = item.attributes.filter(|attributes| attributes.is_object());
        let attributes = T::of(attributes.ok_or("it has no attributes")?)?;
        let id = item.id.and_then(Attr::identifier).unwrap_or_default();
        Ok(Resource { id, relationships: item.relationships, attributes })
    }
}

/// Declares a record: `field: kind = "key"`, and `or "why"` where a record without it is left out.
///
/// | kind | type | read of |
/// |---|---|---|
/// | `text` | `Cow<'a, str>`, empty when missing | a string |
/// | `count` | `Option<u64>` | an integer of at least 0 |
/// | `bytes` | `Option<u64>` | the same; the largest 64-bit number means that there is none |
/// | `integer` | `Option<i64>` | an integer |
/// | `float` | `Option<f64>` | a number |
/// | `flag` | `Option<bool>` | `true` or `false` |
/// | `time` | `Option<i64>`, Unix milliseconds | RFC 3339 |
/// | `epoch` | `Option<i64>`, Unix milliseconds | a number of milliseconds |
/// | `any_time` | `Option<i64>`, Unix milliseconds | RFC 3339, or seconds or milliseconds, where the API says nothing |
/// | `texts` | `Vec<Cow<'a, str>>` | an array of strings |
/// | `value` | `Option<Attr<'a>>` | anything, to be read on demand |
/// | `{T}` | `Option<T<'a>>` | an object |
/// | `[T]` | `Vec<T<'a>>` | an array of objects |
macro_rules! record {
    (
        $(#[$meta:meta])*
        $vis:vis struct $Record:ident {
            $( $(#[$field_meta:meta])* $field:ident: $kind:tt = $key:literal $(or $why:literal)? ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        $vis struct $Record<'a> {
            $( $(#[$field_meta])* pub(crate) $field: $crate::netbackup::record::field_type!($kind), )*
            /// Every record borrows from the text it was read of, also one of numbers alone.
            pub(crate) borrowed: std::marker::PhantomData<&'a str>,
        }

        impl<'a> $crate::netbackup::record::Readable<'a> for $Record<'a> {
            const KEYS: &'static [&'static str] = &[$( $key ),*];

            #[allow(unused_mut, unused_variables, reason = "a record may have no field")]
            fn read(fields: $crate::netbackup::wire::Fields<'a>) -> Result<Self, &'static str> {
                // In the order of the keys.
                let mut fields = fields.into_iter();
                Ok($Record {
                    $(
                        $field: {
                            let field = fields.next().flatten();
                            $crate::netbackup::record::read_field!(field, $kind $(, $why)?)
                        },
                    )*
                    borrowed: std::marker::PhantomData,
                })
            }
        }
    };
}

macro_rules! field_type {
    (text) => { std::borrow::Cow<'a, str> };
    (count) => { Option<u64> };
    (bytes) => { Option<u64> };
    (integer) => { Option<i64> };
    (float) => { Option<f64> };
    (flag) => { Option<bool> };
    (time) => { Option<i64> };
    (epoch) => { Option<i64> };
    (any_time) => { Option<i64> };
    (texts) => { Vec<std::borrow::Cow<'a, str>> };
    (value) => { Option<$crate::netbackup::attr::Attr<'a>> };
    ([$Record:ident]) => { Vec<$Record<'a>> };
    ({$Record:ident}) => { Option<$Record<'a>> };
}

macro_rules! read_field {
    ($raw:expr, text, $why:literal) => {
        $raw.and_then($crate::netbackup::attr::Attr::text).filter(|text| !text.is_empty()).ok_or($why)?
    };
    ($raw:expr, text) => {
        $raw.and_then($crate::netbackup::attr::Attr::text).unwrap_or_default()
    };
    ($raw:expr, count) => {
        $raw.and_then($crate::netbackup::attr::Attr::count)
    };
    ($raw:expr, bytes) => {
        $raw.and_then($crate::netbackup::attr::Attr::bytes)
    };
    ($raw:expr, integer) => {
        $raw.and_then($crate::netbackup::attr::Attr::integer)
    };
    ($raw:expr, float) => {
        $raw.and_then($crate::netbackup::attr::Attr::float)
    };
    ($raw:expr, flag) => {
        $raw.and_then($crate::netbackup::attr::Attr::flag)
    };
    ($raw:expr, time) => {
        $raw.and_then($crate::netbackup::attr::Attr::time_ms)
    };
    ($raw:expr, epoch) => {
        $raw.and_then($crate::netbackup::attr::Attr::epoch_ms)
    };
    ($raw:expr, any_time) => {
        $raw.and_then($crate::netbackup::attr::Attr::any_time_ms)
    };
    ($raw:expr, texts) => {
        $raw.map($crate::netbackup::attr::Attr::texts).unwrap_or_default()
    };
    ($raw:expr, value) => {
        $raw
    };
    ($raw:expr, [$Record:ident]) => {
        $raw.map($crate::netbackup::attr::Attr::records::<$Record<'a>>).unwrap_or_default()
    };
    ($raw:expr, {$Record:ident}) => {
        $raw.and_then($crate::netbackup::attr::Attr::record::<$Record<'a>>)
    };
}

pub(crate) use {field_type, read_field, record};

#[cfg(test)]
mod tests {
    use super::super::wire;
    use super::*;

    record! {
        /// Of every kind.
        struct Sample {
            name: text = "name" or "it has no name",
            kind: text = "kind",
            size: bytes = "size",
            ratio: float = "ratio",
            on: flag = "on",
            made: time = "made",
            stamp: epoch = "stamp",
            words: texts = "words",
            parts: [Part] = "parts",
            inner: {Part} = "inner",
            left: integer = "left",
            number: count = "number",
            any: value = "any",
        }
    }
    record! {
        /// Nested.
        struct Part {
            name: text = "name" or "it has no name",
            at: count = "at",
        }
    }

    type Page<'a> = wire::Page<Resource<'a, Sample<'a>>>;

    fn read(text: &str) -> Page<'_> {
        wire::entries(text).unwrap().0
    }

    #[test]
    fn every_kind_is_read_as_declared() {
        let page = read(
            r#"{"data": [{"id": 7, "attributes": {"name": "a\n", "size": 12345678901, "ratio": 1.5, "on": true,
                "made": "2025-11-26T22:00:04.000Z", "stamp": 1764194404000, "words": ["x", 3, "y"], "left": -3, "number": 4,
                "parts": [{"name": "p", "at": 1}, {"at": 2}, 5, {"name": "q"}], "inner": {"name": "i"}, "any": [1]}}]}"#,
        );
        let row = &page.rows[0];
        assert_eq!((&*row.id, &*row.name, &*row.kind), ("7", "a\n", ""));
        assert_eq!((row.size, row.ratio, row.on), (Some(12_345_678_901), Some(1.5), Some(true)));
        assert_eq!((row.made, row.stamp), (Some(1_764_194_404_000), Some(1_764_194_404_000)));
        assert_eq!(
            (row.words.as_slice(), row.left, row.number),
            (["x".into(), "y".into()].as_slice(), Some(-3), Some(4))
        );
        let parts: Vec<_> = row.parts.iter().map(|part| (&*part.name, part.at)).collect();
        assert_eq!(parts, [("p", Some(1)), ("q", None)]);
        assert_eq!(row.inner.as_ref().map(|part| &*part.name), Some("i"));
        assert_eq!(row.any.map(Attr::texts), Some(Vec::new()));
    }

    #[test]
    fn a_wrong_attribute_is_absent_and_a_record_without_its_name_is_left_out() {
        let page = read(
            r#"{"data": [{"id": "x", "attributes": {"name": "a", "size": 9223372036854775807, "ratio": "1", "on": 1, "made": 5,
                "stamp": 0, "words": "w", "left": 1.5, "number": -1, "parts": {}, "inner": []}},
                {"id": "y", "attributes": {"name": ""}}, {"id": "z"}, {"attributes": {"name": 5}}]}"#,
        );
        let row = &page.rows[0];
        assert_eq!((row.size, row.ratio, row.on, row.made, row.stamp), (None, None, None, None, None));
        assert!(row.words.is_empty() && row.parts.is_empty() && row.inner.is_none());
        assert_eq!((row.left, row.number, row.any.is_none()), (None, None, true));
        assert_eq!((page.rows.len(), page.rejected), (1, 3));
        assert_eq!(page.first_rejection.as_deref(), Some("row 2 of the page: it has no name"));
    }
}
