//! Opaque cursors: a place in one order under one filter. The text is base64, so it holds characters that a client
//! must encode.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Value, json};

use super::reply::Problem;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A value that rows are ordered by; missing ones come first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Key {
    Null,
    Int(i64),
    Float(f64),
    Text(String),
}

/// A row's place: what it is ordered by, then its own key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Place {
    pub(crate) keys: Vec<Key>,
    pub(crate) row: i64,
}

/// What a cursor is bound to.
pub(crate) fn binding(sort: &str, filter: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (sort, filter).hash(&mut hasher);
    hasher.finish()
}

impl Place {
    /// The cursor of this place.
    pub(crate) fn encode(&self, binding: u64) -> String {
        let keys = self.keys.iter().map(|key| match key {
            Key::Null => Value::Null,
            Key::Int(number) => json!(number),
            Key::Float(number) => json!(number),
            Key::Text(text) => json!(text),
        });
        base64(json!([binding, self.row, keys.collect::<Vec<_>>()]).to_string().as_bytes())
    }

    /// The place of a cursor that was made for the same order and filter.
    pub(crate) fn decode(text: &str, wanted: u64, keys: usize) -> Result<Place, Problem> {
        let place = unbase64(text)
            .and_then(|bytes| serde_json::from_slice::<(u64, i64, Vec<Value>)>(&bytes).ok())
            .ok_or_else(|| Problem::filter("the cursor is none of this server's"))?;
        let (binding, row, values) = place;
        if binding != wanted || values.len() != keys {
            return Err(Problem::filter("the cursor belongs to another sort or filter"));
        }
        let key = |value: Value| match value {
            Value::Number(number) => match number.as_i64() {
                Some(whole) => Key::Int(whole),
                None => Key::Float(number.as_f64().unwrap_or_default()),
            },
            Value::String(text) => Key::Text(text),
            _ => Key::Null,
        };
        Ok(Place { keys: values.into_iter().map(key).collect(), row })
    }
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = word >> (18 - 6 * place) & 63;
            let letter = ALPHABET.get(digit as usize).copied().unwrap_or(b'=');
            text.push(char::from(if place <= chunk.len() { letter } else { b'=' }));
        }
    }
    text
}

fn unbase64(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(4) {
        return None;
    }
    let body = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(body.len() / 4 * 3);
    for chunk in body.as_bytes().chunks(4) {
        let mut word = 0_u32;
        for letter in chunk {
            word = word << 6 | u32::try_from(ALPHABET.iter().position(|known| known == letter)?).ok()?;
        }
        word <<= 6 * (4 - chunk.len());
        bytes.extend(word.to_be_bytes().get(1..chunk.len())?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_under_its_own_order_only() {
        for keys in [vec![Key::Int(5)], vec![Key::Null], vec![Key::Text("a\"\u{fc}".into()), Key::Float(0.5)]] {
            let place = Place { keys: keys.clone(), row: -3 };
            let bound = binding("jobId", "");
            let text = place.encode(bound);
            assert_eq!(Place::decode(&text, bound, keys.len()), Ok(place));
            assert!(Place::decode(&text, binding("-jobId", ""), keys.len()).is_err());
            assert!(Place::decode(&text, bound, keys.len() + 1).is_err());
            assert!(Place::decode(&text[1..], bound, keys.len()).is_err());
        }
        assert!(Place::decode("", 0, 1).is_err());
        assert!(Place::decode("====", 0, 1).is_err());
    }

    #[test]
    fn base64_is_as_published() {
        for (plain, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(plain.as_bytes()), text);
        }
        assert_eq!(unbase64("Zm9vYg=="), Some(b"foob".to_vec()));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_back_from_base64(bytes: Vec<u8>) {
            let text = base64(&bytes);
            let back = if bytes.is_empty() { None } else { Some(bytes) };
            proptest::prop_assert_eq!(unbase64(&text), back);
        }

        #[test]
        fn any_cursor_is_read_or_refused(text in "[A-Za-z0-9+/=]{0,60}|.{0,20}") {
            let _ = Place::decode(&text, 0, 1);
        }
    }
}
