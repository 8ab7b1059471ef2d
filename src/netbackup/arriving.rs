//! JSON that is read value by value while its bytes arrive: what has not come yet is waited for, what was read is dropped.

use bytes::Bytes;
use serde::de::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

/// Far larger than any record.
pub(super) const LARGEST_VALUE: usize = 4 * 1024 * 1024;

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
    /// No further chunk comes.
    has_ended: bool,
    /// The beginning of a character whose rest is to come with the next chunk.
    cut: Vec<u8>,
}

impl Arriving {
    pub(super) fn new(chunks: mpsc::Receiver<Bytes>) -> Arriving {
        Arriving { chunks, buffer: Vec::new(), read: 0, dropped: 0, has_ended: false, cut: Vec::new() }
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
        // A value that was cut off is tried again when twice as much is there, so that each byte is looked at some two
        // times, however small the chunks are.
        let mut tried = 0_usize;
        loop {
            let unread = self.unread();
            if self.has_ended || unread.len() > tried.saturating_mul(2) {
                tried = unread.len();
                match <&RawValue>::deserialize(&mut serde_json::Deserializer::from_slice(unread)) {
                    // The last digit of a number may not be its last.
                    Ok(value) if self.has_ended || value.get().len() < unread.len() => {
                        let (made, length) = (take(value), value.get().len());
                        self.read = self.read.saturating_add(length);
                        return Ok(made);
                    }
                    Ok(_) => {}
                    Err(error) if !error.is_eof() => return Err(Broken::NotJson),
                    Err(_) if self.has_ended => return Err(Broken::CutOff),
                    Err(_) => {}
                }
            }
            if self.unread().len() > LARGEST_VALUE {
                return Err(Broken::TooLarge);
            }
            self.wait()?;
        }
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

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Reads `text`, which comes in pieces of `size` bytes, as an array of values.
    fn read(text: &str, size: usize) -> Result<Vec<String>, Broken> {
        let chunks: Vec<Bytes> = text.as_bytes().chunks(size).map(Bytes::copy_from_slice).collect();
        let (send, receive) = mpsc::channel(chunks.len().max(1));
        chunks.into_iter().for_each(|chunk| send.try_send(chunk).unwrap());
        drop(send);
        let mut text = Arriving::new(receive);
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
    fn each_byte_is_looked_at_some_two_times() {
        // A megabyte in pieces of a hundred bytes: tried at each of them it would take minutes.
        let text = format!("[\"{}\"]", "a".repeat(1_000_000));
        assert_eq!(read(&text, 100).unwrap().len(), 1);
    }
}
