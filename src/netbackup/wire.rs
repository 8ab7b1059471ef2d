//! How a list is read: one walk over the text, nothing copied that need not be, and nothing in a record that can spoil
//! the page. Values are taken as the text they are (`Attr`) and read afterwards.

use std::borrow::Cow;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use serde_json::error::Category;

use super::attr::Attr;
use super::record::{Entry, Readable};

/// Far more rows than a page has. A row of two bytes would take hundreds of memory, so the size of the body bounds nothing.
const MOST_ROWS: usize = 20_000;

/// An object of which some fields are used. A field that comes twice counts as it came last.
pub(crate) trait Record<'de>: Default {
    /// Takes the field `key`. It must read exactly one value from `map`, [`IgnoredAny`] for what is not used.
    fn field<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error>;
}

/// What should be an object; `None` for anything else.
pub(crate) struct Object<T>(pub(crate) Option<T>);

impl<'de, T: Record<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Lenient(PhantomData)).map(Object)
    }
}

/// What should be an array of objects; `None` for anything else, and for an element that is no object.
struct Objects<T>(Option<Vec<Option<T>>>);

impl<'de, T: Record<'de>> Deserialize<'de> for Objects<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LenientArray(PhantomData)).map(Objects)
    }
}

struct Lenient<T>(PhantomData<T>);
struct LenientArray<T>(PhantomData<T>);

/// The visits that mean "something else"; they are the same for both visitors.
macro_rules! scalars_are_none {
    () => {
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("any value")
        }
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    };
}

impl<'de, T: Record<'de>> Visitor<'de> for Lenient<T> {
    type Value = Option<T>;
    scalars_are_none!();

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut record = T::default();
        while let Some(Key(key)) = map.next_key()? {
            record.field(&key, &mut map)?;
        }
        Ok(Some(record))
    }
}

impl<'de, T: Record<'de>> Visitor<'de> for LenientArray<T> {
    type Value = Option<Vec<Option<T>>>;
    scalars_are_none!();

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(Object(element)) = seq.next_element()? {
            if elements.len() >= MOST_ROWS {
                return Err(serde::de::Error::custom("too many rows"));
            }
            elements.push(element);
        }
        Ok(Some(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

/// A key, borrowed unless it holds escapes (a plain `Cow` would always be copied).
struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }
            fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

/// One element of `data`: its attributes, and what else is used.
pub(crate) struct Item<'a, A> {
    pub(crate) attributes: Option<A>,
    pub(crate) relationships: Option<Attr<'a>>,
}

impl<A> Default for Item<'_, A> {
    fn default() -> Self {
        Item { attributes: None, relationships: None }
    }
}

impl<'de, A: Record<'de>> Record<'de> for Item<'de, A> {
    fn field<M: MapAccess<'de>>(&mut self, key: &str, map: &mut M) -> Result<(), M::Error> {
        match key {
            "attributes" => self.attributes = map.next_value::<Object<A>>()?.0,
            "relationships" => self.relationships = Some(map.next_value()?),
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

/// A row that is made of an element of `data`.
pub(crate) trait Row<'a>: Sized {
    type Attributes: Record<'a>;

    /// The row, or why it is left out: words without any content of the row.
    fn from_item(item: Item<'a, Self::Attributes>) -> Result<Self, &'static str>;
}

/// One page of a list as a visitor sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<R> {
    /// The rows that could be read, in the order of the answer.
    pub rows: Vec<R>,
    /// How many rows were left out.
    pub rejected: u64,
    /// Why the first one was: words, never its content.
    pub first_rejection: Option<String>,
}

impl<R> Page<R> {
    /// How many rows it has, those that were left out among them.
    pub(crate) fn total(&self) -> usize {
        self.rows.len().saturating_add(usize::try_from(self.rejected).unwrap_or(usize::MAX))
    }

    /// How many rows it has, and how many were left out.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (u64::try_from(self.rows.len()).unwrap_or(u64::MAX), self.rejected)
    }
}

/// `meta.pagination`, as far as paging needs it.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Pagination<'a> {
    pub(crate) next: Option<Attr<'a>>,
    /// Of the whole list; cursors say none.
    pub(crate) count: Option<Attr<'a>>,
}

impl<'a> Pagination<'a> {
    /// Where the next page starts; on the last one it may be missing, null or empty.
    pub(crate) fn way_on(&self) -> Option<Attr<'a>> {
        self.next.filter(|next| !next.is_null() && next.text().is_none_or(|text| !text.is_empty()))
    }
}

impl<'de> Record<'de> for Pagination<'de> {
    fn field<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "next" => self.next = Some(map.next_value()?),
            "count" => self.count = Some(map.next_value()?),
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

#[derive(Default)]
struct Meta<'a>(Option<Attr<'a>>);

impl<'de> Record<'de> for Meta<'de> {
    fn field<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "pagination" => self.0 = Some(map.next_value()?),
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

/// The body of a list whose elements are read as `T`.
struct ListBody<'a, T> {
    data: Option<Vec<Option<T>>>,
    meta: Option<Attr<'a>>,
}

impl<T> Default for ListBody<'_, T> {
    fn default() -> Self {
        ListBody { data: None, meta: None }
    }
}

impl<'de, T: Record<'de>> Record<'de> for ListBody<'de, T> {
    fn field<M: MapAccess<'de>>(&mut self, key: &str, map: &mut M) -> Result<(), M::Error> {
        match key {
            "data" => self.data = map.next_value::<Objects<T>>()?.0,
            "meta" => self.meta = Some(map.next_value()?),
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

/// The body of one record, which is read as `T`.
struct SingleBody<T>(Option<T>);

impl<T> Default for SingleBody<T> {
    fn default() -> Self {
        SingleBody(None)
    }
}

impl<'de, T: Record<'de>> Record<'de> for SingleBody<T> {
    fn field<M: MapAccess<'de>>(&mut self, key: &str, map: &mut M) -> Result<(), M::Error> {
        match key {
            "data" => self.0 = map.next_value::<Object<T>>()?.0,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

/// Some values of an object, in the order of the keys that were asked for.
pub(crate) type Fields<'a> = Vec<Option<Attr<'a>>>;

/// Reads the fields of an object under these keys; `None`: it is JSON, but no object.
pub(crate) fn fields<'a>(text: &'a str, keys: &'static [&'static str]) -> serde_json::Result<Option<Fields<'a>>> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let fields = deserializer.deserialize_any(FieldsVisitor(keys))?;
    deserializer.end()?;
    Ok(fields)
}

/// One for all records, however many kinds of them there are: each kind of its own would cost as much code again.
struct FieldsVisitor(&'static [&'static str]);

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Option<Fields<'de>>;
    scalars_are_none!();

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = vec![None; self.0.len()];
        while let Some(Key(key)) = map.next_key()? {
            let at = self.0.iter().position(|known| *known == key).and_then(|at| fields.get_mut(at));
            match at {
                Some(field) => *field = Some(map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Some(fields))
    }
}

/// One element of `data`, with attributes that are read by whoever knows what they are.
#[derive(Default)]
pub(crate) struct RawItem<'a> {
    /// A text by schema, a number on some lists.
    pub(crate) id: Option<Attr<'a>>,
    pub(crate) attributes: Option<Attr<'a>>,
    pub(crate) relationships: Option<Attr<'a>>,
}

impl<'de> Record<'de> for RawItem<'de> {
    fn field<M: MapAccess<'de>>(&mut self, key: &str, map: &mut M) -> Result<(), M::Error> {
        match key {
            "id" => self.id = Some(map.next_value()?),
            "attributes" => self.attributes = Some(map.next_value()?),
            "relationships" => self.relationships = Some(map.next_value()?),
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

/// Why a body is not what the endpoint answers: words, with no content of the body.
pub(crate) type Unreadable = String;

fn body<'a, T: Record<'a>>(text: &'a str) -> Result<T, Unreadable> {
    let body = serde_json::from_str::<Object<T>>(text).map_err(|error| explain(text, &error))?;
    body.0.ok_or_else(|| NO_OBJECT.to_owned())
}

const NO_OBJECT: &str = "the body is JSON, but no object";

fn explain(text: &str, error: &serde_json::Error) -> Unreadable {
    if text.trim().is_empty() {
        return "the body is empty".to_owned();
    }
    match error.classify() {
        // Anything else that JSON may hold is taken for absent.
        Category::Data => format!("the page has more than {MOST_ROWS} rows"),
        Category::Eof => format!("the body ends in the middle of JSON, after {} bytes", text.len()),
        _ => format!("the body is not JSON at line {} column {}", error.line(), error.column()),
    }
}

/// A list as it was read: its rows, and what was said about paging (`None`: nothing).
pub(crate) type Listed<'a, R> = (Page<R>, Option<Pagination<'a>>);

/// Reads a list whose rows have a type of their own.
pub(crate) fn list<'a, R: Row<'a>>(text: &'a str) -> Result<Listed<'a, R>, Unreadable> {
    page(body::<ListBody<'a, Item<'a, R::Attributes>>>(text)?, R::from_item)
}

/// Reads any list.
pub(crate) fn entries<'a, R: Entry<'a>>(text: &'a str) -> Result<Listed<'a, R>, Unreadable> {
    page(body::<ListBody<'a, RawItem<'a>>>(text)?, R::of)
}

fn page<'a, T, R>(
    body: ListBody<'a, T>,
    read: impl Fn(T) -> Result<R, &'static str>,
) -> Result<Listed<'a, R>, Unreadable> {
    let data = body.data.ok_or("the body has no data array")?;
    let mut page = Page { rows: Vec::with_capacity(data.len()), rejected: 0, first_rejection: None };
    for (number, item) in data.into_iter().enumerate() {
        match item.ok_or("it is no object").and_then(&read) {
            Ok(row) => page.rows.push(row),
            Err(why) => {
                page.rejected = page.rejected.saturating_add(1);
                page.first_rejection
                    .get_or_insert_with(|| format!("row {} of the page: {why}", number.saturating_add(1)));
            }
        }
    }
    let pagination = body.meta.and_then(Attr::object::<Meta<'a>>).and_then(|meta| meta.0).and_then(Attr::object);
    Ok((page, pagination))
}

const NO_DATA: &str = "the body has no data object";

/// Reads a body whose `data` is one record of a type of its own.
pub(crate) fn single<'a, R: Row<'a>>(text: &'a str) -> Result<R, Unreadable> {
    let item = body::<SingleBody<Item<'a, R::Attributes>>>(text)?.0.ok_or(NO_DATA)?;
    R::from_item(item).map_err(unusable)
}

/// Reads a body whose `data` is one resource.
pub(crate) fn entry<'a, R: Entry<'a>>(text: &'a str) -> Result<R, Unreadable> {
    R::of(body::<SingleBody<RawItem<'a>>>(text)?.0.ok_or(NO_DATA)?).map_err(unusable)
}

/// Reads a body that is one object.
pub(crate) fn flat<'a, R: Readable<'a>>(text: &'a str) -> Result<R, Unreadable> {
    let fields = fields(text, R::KEYS).map_err(|error| explain(text, &error))?;
    R::read(fields.ok_or(NO_OBJECT)?).map_err(unusable)
}

fn unusable(why: &'static str) -> Unreadable {
    format!("the record is unusable: {why}")
}
