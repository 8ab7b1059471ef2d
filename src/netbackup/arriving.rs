//! JSON that is read value by value while its bytes arrive: what has not come yet is waited for, what was read is dropped.

use bytes::Bytes;
use serde::de::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

/// Far larger than any record.
pub(super) const LARGEST_VALUE: usize = 4 * 1024 * 1024;

/// How often a byte may be looked at before the value that it belongs to is complete, on average.
const LOOKS: usize = 4;
/// Bytes that may be looked at in vain whatever has come: a small value is never waited for longer than it takes.
const FREE_LOOKS: usize = 1024 * 1024;

/// Why a text cannot be read further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// It ends where a value should go on.
    CutOff,
    /// It is not UTF-8.
    NotText,
    /// It is not JSON.
    NotJson,
    /// A value is larger than [`LARGEST_VALUE`].
    TooLarge,
    /// What may stand once stands twice.
    Twice,
}

/// The text as it arrives. Blocks where the next byte is not there yet.
pub(super) struct Arriving {
    chunks: mpsc::Receiver<Bytes>,
    buffer: Vec<u8>,
    /// How much of the buffer has been read.
    read: usize,
    /// Bytes that were read and are not in the buffer any more.
    dropped: usize,
    /// Bytes that were looked at before their value was complete, each as often as that happened.
    in_vain: usize,
    /// No further chunk comes.
    has_ended: bool,
    /// The beginning of a character whose rest is to come with the next chunk.
    cut: Vec<u8>,
}

impl Arriving {
    pub(super) fn new(chunks: mpsc::Receiver<Bytes>) -> Arriving {
        Arriving { chunks, buffer: Vec::new(), read: 0, dropped: 0, in_vain: 0, has_ended: false, cut: Vec::new() }
    }

    /// How many bytes have been read.
    pub(super) fn position(&self) -> usize {
        self.dropped.saturating_add(self.read)
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.read..).unwrap_or_default()
    }

    /// The next byte that is no white space; it is not read yet. `None`: the text ends here.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, Broken> {
        let begun = self.position();
        loop {
            let blank = |byte: &u8| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
            if let Some(blanks) = self.unread().iter().position(blank) {
                self.read = self.read.saturating_add(blanks);
                return Ok(self.unread().first().copied());
            }
            self.read = self.buffer.len();
            if self.has_ended {
                return Ok(None);
            }
            if self.position().saturating_sub(begun) > LARGEST_VALUE {
                return Err(Broken::TooLarge);
            }
            self.wait()?;
        }
    }

    /// Reads exactly `byte`.
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Broken> {
        match self.peek()? {
            Some(next) if next == byte => {
                self.read = self.read.saturating_add(1);
                Ok(())
            }
            Some(_) => Err(Broken::NotJson),
            None => Err(Broken::CutOff),
        }
    }

    /// Reads `open`, and `close` where it follows at once: whether it does.
    pub(super) fn opens(&mut self, open: u8, close: u8) -> Result<bool, Broken> {
        self.expect(open)?;
        let is_empty = self.peek()? == Some(close);
        if is_empty {
            self.expect(close)?;
        }
        Ok(is_empty)
    }

    /// Reads the comma before a further value, or `close`: whether a value follows.
    pub(super) fn goes_on(&mut self, close: u8) -> Result<bool, Broken> {
        if self.peek()? == Some(b',') {
            self.expect(b',')?;
            return Ok(true);
        }
        self.expect(close)?;
        Ok(false)
    }

    /// Reads one value and hands it to `take`.
    pub(super) fn value<T>(&mut self, mut take: impl FnMut(&RawValue) -> T) -> Result<T, Broken> {
        if self.peek()?.is_none() {
            return Err(Broken::CutOff);
        }
        loop {
            let unread = self.unread();
            let is_too_large = unread.len() > LARGEST_VALUE;
            if self.has_ended || is_too_large || self.may_be_tried() {
                match <&RawValue>::deserialize(&mut serde_json::Deserializer::from_slice(unread)) {
                    // The last digit of a number may not be its last.
                    Ok(value) if self.has_ended || value.get().len() < unread.len() || !is_number(value) => {
                        let (made, length) = (take(value), value.get().len());
                        self.read = self.read.saturating_add(length);
                        return Ok(made);
                    }
                    Err(error) if error.is_eof() && self.has_ended => return Err(Broken::CutOff),
                    // To the library a number that ends with one of these is wrong, not cut off.
                    Err(error) if !error.is_eof() && (self.has_ended || !is_cut_number(unread)) => {
                        return Err(Broken::NotJson);
                    }
                    Ok(_) | Err(_) if is_too_large => return Err(Broken::TooLarge),
                    Ok(_) | Err(_) => self.in_vain = self.in_vain.saturating_add(unread.len()),
                }
            }
            self.wait()?;
        }
    }

    /// Whether a value that may be cut off is worth a look: however small the chunks are, no byte is looked at in vain
    /// more than [`LOOKS`] times on average, in the long run.
    fn may_be_tried(&self) -> bool {
        let received = self.dropped.saturating_add(self.buffer.len());
        self.in_vain.saturating_add(self.unread().len()) <= received.saturating_mul(LOOKS).saturating_add(FREE_LOOKS)
    }

    /// Waits for the next chunk.
    fn wait(&mut self) -> Result<(), Broken> {
        let Some(chunk) = self.chunks.blocking_recv() else {
            self.has_ended = true;
            return if self.cut.is_empty() { Ok(()) } else { Err(Broken::CutOff) };
        };
        if !self.is_text(&chunk) {
            return Err(Broken::NotText);
        }
        self.dropped = self.position();
        self.buffer.drain(..self.read.min(self.buffer.len()));
        self.read = 0;
        self.buffer.extend_from_slice(&chunk);
        Ok(())
    }

    /// Whether the text goes on as UTF-8. The decoder looks only at what it keeps.
    fn is_text(&mut self, mut chunk: &[u8]) -> bool {
        while !self.cut.is_empty() {
            let Some((next, rest)) = chunk.split_first() else { return true };
            self.cut.push(*next);
            chunk = rest;
            match std::str::from_utf8(&self.cut) {
                Ok(_) => self.cut.clear(),
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return false,
            }
        }
        match std::str::from_utf8(chunk) {
            Ok(_) => true,
            Err(error) => {
                self.cut.extend_from_slice(chunk.get(error.valid_up_to()..).unwrap_or_default());
                error.error_len().is_none()
            }
        }
    }
}

fn is_number(value: &RawValue) -> bool {
    value.get().starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

/// Whether `text` may end in the middle of a number, where digits have to follow.
fn is_cut_number(text: &[u8]) -> bool {
    matches!(text.last(), Some(b'-' | b'+' | b'.' | b'e' | b'E'))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// `text`, which comes in pieces of `size` bytes.
    fn arriving(text: &str, size: usize) -> Arriving {
        let chunks: Vec<Bytes> = text.as_bytes().chunks(size).map(Bytes::copy_from_slice).collect();
        let (send, receive) = mpsc::channel(chunks.len().max(1));
        chunks.into_iter().for_each(|chunk| send.try_send(chunk).unwrap());
        Arriving::new(receive)
    }

    /// Reads an array of values.
    fn read(text: &str, size: usize) -> Result<Vec<String>, Broken> {
        let mut text = arriving(text, size);
        let mut values = Vec::new();
        if !text.opens(b'[', b']')? {
            loop {
                values.push(text.value(|value| value.get().to_owned())?);
                if !text.goes_on(b']')? {
                    break;
                }
            }
        }
        if text.peek()?.is_some() { Err(Broken::NotJson) } else { Ok(values) }
    }

    proptest! {
        #[test]
        fn it_reads_what_the_library_reads_however_the_bytes_arrive(
            tokens in vec(
                prop_oneof![
                    Just("["), Just("]"), Just("{"), Just("}"), Just(","), Just(":"), Just(" "), Just("\n"), Just("\"a\""),
                    Just("\"]\\\" é🗄\""), Just("\""), Just("12"), Just("-0.5e3"), Just("true"), Just("null"), Just("[1,{\"b\":[]}]"),
                ],
                0..12,
            ),
            is_closed in any::<bool>(),
            size in 1_usize..9,
        ) {
            let text = if is_closed { format!("[{}]", tokens.join(",")) } else { format!("[{}", tokens.concat()) };
            let expected: Option<Vec<Box<RawValue>>> = serde_json::from_str(&text).ok();
            let expected = expected.map(|values| values.iter().map(|value| value.get().to_owned()).collect::<Vec<_>>());
            prop_assert_eq!(read(&text, size).ok(), expected, "{}", text);
        }
    }

    #[test]
    fn a_number_is_read_wherever_it_is_cut() {
        for text in ["[-12.5e+30]", "[[-12.5E-3], 0]"] {
            for size in 1..text.len() {
                assert!(read(text, size).is_ok(), "{text} in pieces of {size} bytes");
            }
        }
        for text in ["[-]", "[1.]", "[1e", "[1e+]", "[.5]"] {
            assert!(read(text, 1).is_err() && read(text, 9).is_err(), "{text}");
        }
    }

    #[test]
    fn a_value_is_handed_over_when_its_last_byte_is_there() {
        for value in ["{\"a\": 1}", "[]", "\"a\"", "true", "null"] {
            for size in [1, 3, 100] {
                let (send, receive) = mpsc::channel(value.len());
                for chunk in value.as_bytes().chunks(size) {
                    send.try_send(Bytes::copy_from_slice(chunk)).unwrap();
                }
                // Nothing follows, and the text has not ended: to wait for more would be to wait for ever.
                let mut text = Arriving::new(receive);
                assert_eq!(text.value(|read| read.get().to_owned()), Ok(value.to_owned()));
                drop(send);
            }
        }
    }

    #[test]
    fn small_chunks_do_not_make_it_look_again_and_again() {
        let value = format!("\"{}\"", "a".repeat(1_000_000));
        let mut text = arriving(&value, 100);
        assert_eq!(text.value(|value| value.get().len()), Ok(value.len()));
        assert!(
            text.in_vain <= value.len() * LOOKS + FREE_LOOKS,
            "looked at {} bytes of {}",
            text.in_vain,
            value.len()
        );
    }

    #[test]
    fn the_limit_is_the_same_however_the_bytes_arrive() {
        let with = |length: usize| format!("[1,\"{}\",2]", "a".repeat(length));
        let (good, bad) = (with(LARGEST_VALUE - 2), with(LARGEST_VALUE + 1_000_000));
        for size in [16_384, 65_537, 1_000_000] {
            assert_eq!(read(&good, size).map(|values| values.len()), Ok(3), "pieces of {size} bytes");
            assert_eq!(read(&bad, size), Err(Broken::TooLarge), "pieces of {size} bytes");
        }
        assert_eq!(read(&format!("[{}1]", " ".repeat(LARGEST_VALUE * 2)), 65_536), Err(Broken::TooLarge));
    }
}
