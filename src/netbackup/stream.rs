//! Lists that come whole in one answer, however long: read record by record while the bytes arrive. What is kept is what
//! the caller makes of the records, never the answer.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use reqwest::Response;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::arriving::{Arriving, Broken};
use super::attr::Attr;
use super::client::{Ask, Client, Lane};
use super::endpoint::Endpoint;
use super::error::Error;
use super::exchange::Exchange;
use super::fault::classify;
use super::query::Target;
use super::record::Readable;
use crate::reason::Reason;

/// A body that is not kept. A host is a few kilobytes, and a domain has ten thousands of them at most.
const LARGEST_STREAM: u64 = 1024 * 1024 * 1024;
/// Pieces of such a body that wait to be decoded: what arrives faster waits at the primary.
const PIECES: usize = 8;

/// A list that is no `data` array: its records stand bare in an array under a key of their own.
pub(crate) trait FlatList: 'static {
    type Row<'a>: Readable<'a>;
    const ENDPOINT: Endpoint;
    /// The key of the array.
    const ROOT: &'static str;
}

/// What became of the records of an answer.
#[derive(Debug, Default)]
pub(crate) struct Folded<A> {
    /// What the caller made of them.
    pub(crate) made: A,
    /// How many were taken.
    pub(crate) rows: u64,
    /// How many were left out.
    pub(crate) rejected: u64,
    /// Why the first one was: words, never its content.
    pub(crate) first_rejection: Option<String>,
}

impl<A> Folded<A> {
    /// Records that were read, those left out included.
    pub(crate) fn total(&self) -> u64 {
        self.rows.saturating_add(self.rejected)
    }
}

/// Reads one body while it arrives, on a thread that may block.
pub(crate) trait Decode: Send + Sync + 'static {
    /// Reads to the end, or as far as it wants to. An answer that was cut off ends early too.
    fn decode(&self, chunks: mpsc::Receiver<Bytes>) -> Result<(), (Reason, String)>;
}

impl Client {
    /// Reads a flat list and folds each record into an `A`, on a thread that may block.
    ///
    /// # Errors
    /// When there was no whole, readable answer.
    pub(crate) async fn fold_flat<L: FlatList, A: Default + Send + 'static>(
        &self,
        fold: impl Fn(&mut A, L::Row<'_>) + Send + Sync + 'static,
    ) -> Result<Folded<A>, Error> {
        self.fold_some::<L, A>(fold, u64::MAX).await
    }

    /// As [`Client::fold_flat`], and reads no further than to the record number `most`.
    ///
    /// # Errors
    /// When the answer was not readable as far as that.
    pub(crate) async fn fold_some<L: FlatList, A: Default + Send + 'static>(
        &self,
        fold: impl Fn(&mut A, L::Row<'_>) + Send + Sync + 'static,
        most: u64,
    ) -> Result<Folded<A>, Error> {
        let folding = Arc::new(Folding::<L, A, _>::new(fold, most));
        let decode: Arc<dyn Decode> = Arc::clone(&folding) as Arc<dyn Decode>;
        let target = Target::new(L::ENDPOINT.template(), &[]);
        let ask = Ask { endpoint: L::ENDPOINT, target: &target, body: None, lane: Lane::Poll, decode: Some(&decode) };
        self.json(&ask).await?;
        Ok(std::mem::take(&mut *folding.folded.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Exchange {
    /// Has the body of a 200 read while it arrives.
    pub(super) async fn stream(
        &self,
        endpoint: Endpoint,
        response: &mut Response,
        decode: &Arc<dyn Decode>,
    ) -> Result<(), Error> {
        let fail = |reason, what: String| self.error(endpoint, reason, what).with_status(200);
        let (chunks, receiver) = mpsc::channel(PIECES);
        let decode = Arc::clone(decode);
        // Ends with the last chunk, and also when this is dropped.
        let decoding = tokio::task::spawn_blocking(move || decode.decode(receiver));
        let mut read = 0_u64;
        loop {
            let chunk = tokio::select! {
                chunk = response.chunk() => chunk,
                // It has read enough, or has given up and says why.
                () = chunks.closed() => break,
            };
            let chunk = chunk.map_err(|error| self.broken(endpoint, classify(&error, true), error).with_status(200))?;
            let Some(chunk) = chunk else { break };
            let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            self.stats.add_received(length);
            read = read.saturating_add(length);
            if read > LARGEST_STREAM {
                return Err(fail(Reason::TooLarge, format!("the body is larger than {LARGEST_STREAM} bytes")));
            }
            if chunks.send(chunk).await.is_err() {
                break;
            }
        }
        drop(chunks);
        match decoding.await {
            Ok(decoded) => decoded.map_err(|(reason, what)| fail(reason, what)),
            Err(_) => Err(fail(Reason::Internal, "a panic while the body was read: please report it".to_owned())),
        }
    }
}

pub(super) struct Folding<L, A, F> {
    fold: F,
    /// Records that are wanted.
    most: u64,
    /// Of the last body that was read to its end.
    folded: Mutex<Folded<A>>,
    list: PhantomData<fn() -> L>,
}

impl<L: FlatList, A: Default, F: Fn(&mut A, L::Row<'_>)> Folding<L, A, F> {
    pub(super) fn new(fold: F, most: u64) -> Folding<L, A, F> {
        Folding { fold, most, folded: Mutex::default(), list: PhantomData }
    }
}

impl<L, A, F> Decode for Folding<L, A, F>
where
    L: FlatList,
    A: Default + Send + 'static,
    F: Fn(&mut A, L::Row<'_>) + Send + Sync + 'static,
{
    fn decode(&self, chunks: mpsc::Receiver<Bytes>) -> Result<(), (Reason, String)> {
        let mut folded = Folded::default();
        let mut text = Arriving::new(chunks);
        let why = match self.read(&mut text, &mut folded) {
            Ok(true) => {
                *self.folded.lock().unwrap_or_else(PoisonError::into_inner) = folded;
                return Ok(());
            }
            Ok(false) => format!("the body is JSON, but has no {} array", L::ROOT),
            Err(Broken::Twice) => format!("the body has more than one {}", L::ROOT),
            Err(Broken::NotText) => "the body is not UTF-8".to_owned(),
            Err(Broken::CutOff) => "the body is empty, or ends in the middle of JSON".to_owned(),
            Err(Broken::NotJson) => {
                format!("the body is not JSON from byte {}, after {} records", text.position(), folded.total())
            }
            Err(Broken::TooLarge) => {
                return Err((Reason::TooLarge, "a record of the body is larger than makes sense".to_owned()));
            }
        };
        Err((Reason::Decode, why))
    }
}

impl<L, A, F> Folding<L, A, F>
where
    L: FlatList,
    F: Fn(&mut A, L::Row<'_>),
{
    /// Reads to the end, or to the last record that is wanted, and says whether there was such an array.
    fn read(&self, text: &mut Arriving, folded: &mut Folded<A>) -> Result<bool, Broken> {
        let (mut seen, mut found) = (false, false);
        if text.peek()? != Some(b'{') {
            match text.value(|_| ()) {
                // Whatever it is, it is no object.
                Err(Broken::TooLarge) => return Ok(false),
                read => read?,
            }
        } else if !text.opens(b'{', b'}')? {
            loop {
                let key = text.value(|key| serde_json::from_str::<String>(key.get()))?.map_err(|_| Broken::NotJson)?;
                text.expect(b':')?;
                if key != L::ROOT {
                    text.value(|_| ())?;
                } else if std::mem::replace(&mut seen, true) {
                    return Err(Broken::Twice);
                } else if text.peek()? != Some(b'[') {
                    text.value(|_| ())?;
                } else {
                    found = true;
                    if !self.records(text, folded)? {
                        // What follows the last record that is wanted is not read.
                        return Ok(true);
                    }
                }
                if !text.goes_on(b'}')? {
                    break;
                }
            }
        }
        if text.peek()?.is_some() { Err(Broken::NotJson) } else { Ok(found) }
    }

    /// Reads the array, and says whether it was read to its end.
    fn records(&self, text: &mut Arriving, folded: &mut Folded<A>) -> Result<bool, Broken> {
        if text.opens(b'[', b']')? {
            return Ok(true);
        }
        loop {
            text.value(|record| self.fold(record, folded))?;
            if folded.total() >= self.most {
                return Ok(false);
            }
            if !text.goes_on(b']')? {
                return Ok(true);
            }
        }
    }

    fn fold(&self, record: &RawValue, folded: &mut Folded<A>) {
        match L::Row::of(Attr::new(record)) {
            Ok(row) => {
                (self.fold)(&mut folded.made, row);
                folded.rows = folded.rows.saturating_add(1);
            }
            Err(why) => {
                let number = folded.total().saturating_add(1);
                folded.rejected = folded.rejected.saturating_add(1);
                folded.first_rejection.get_or_insert_with(|| format!("record {number}: {why}"));
            }
        }
    }
}

/// How many records of `text` are read; `None`: it is no list of this kind.
pub(super) fn read_flat<L: FlatList>(text: &str) -> Option<u64> {
    let folding = Folding::<L, (), _>::new(|(), _| {}, u64::MAX);
    // It comes in two pieces, cut anywhere: also within a character.
    let (first, second) = text.as_bytes().split_at(text.len() / 2);
    let (send, receive) = mpsc::channel(2);
    for piece in [first, second] {
        send.try_send(Bytes::copy_from_slice(piece)).ok()?;
    }
    drop(send);
    folding.decode(receive).ok()?;
    Some(folding.folded.into_inner().unwrap_or_else(PoisonError::into_inner).rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netbackup::arriving::LARGEST_VALUE;
    use crate::netbackup::record::record;

    record! {
        /// A record.
        pub(crate) struct Thing {
            name: text = "name" or "it has no name",
        }
    }

    enum Things {}
    impl FlatList for Things {
        type Row<'a> = Thing<'a>;
        const ENDPOINT: Endpoint = Endpoint::Hosts;
        const ROOT: &'static str = "things";
    }

    /// Feeds the text in pieces of `size` bytes.
    fn fold(text: impl AsRef<[u8]>, size: usize) -> Result<Folded<Vec<String>>, (Reason, String)> {
        fold_some(text, size, u64::MAX)
    }

    fn fold_some(text: impl AsRef<[u8]>, size: usize, most: u64) -> Result<Folded<Vec<String>>, (Reason, String)> {
        let take = |names: &mut Vec<String>, thing: Thing<'_>| names.push(thing.name.into_owned());
        let folding = Folding::<Things, _, _>::new(take, most);
        let chunks: Vec<Bytes> = text.as_ref().chunks(size).map(Bytes::copy_from_slice).collect();
        let (send, receive) = mpsc::channel(chunks.len().max(1));
        chunks.into_iter().for_each(|chunk| send.try_send(chunk).unwrap());
        drop(send);
        folding.decode(receive)?;
        Ok(folding.folded.into_inner().unwrap())
    }

    #[test]
    fn records_are_read_however_the_bytes_arrive() {
        let text = r#"{"total": [{"name": "no"}], "things": [{"name": "a}]\"", "x": {"y": [1]}}, {"name": ""}, 5, {"name": "é"}], "z": null} "#;
        for size in [1, 2, 3, 7, 1000] {
            let folded = fold(text, size).unwrap();
            assert_eq!(folded.made, ["a}]\"", "é"]);
            assert_eq!((folded.rows, folded.rejected), (2, 2));
            assert_eq!(folded.first_rejection.as_deref(), Some("record 2: it has no name"));
        }
    }

    #[test]
    fn what_is_no_such_list_is_named() {
        for (text, why) in [
            ("", "is empty, or ends"),
            ("{\"things\": [{\"name\": \"a\"}", "is empty, or ends"),
            ("{\"things\": [{\"name\": \"a\"", "is empty, or ends"),
            ("{}", "has no things array"),
            ("[]", "has no things array"),
            ("{\"things\": 5}", "has no things array"),
            ("{\"things\": [], \"things\": []}", "has more than one things"),
            ("{\"things\": [}", "not JSON from byte"),
            ("{\"things\": 5, \"things\": []}", "has more than one things"),
            ("{\"things\": [{},]}", "not JSON from byte 15, after 1 records"),
            ("{\"things\": [],}", "not JSON from byte"),
            ("{\"things\": [5 6]}", "not JSON from byte"),
            ("{\"things\": [[}]]}", "not JSON from byte"),
            ("{\"things\" []}", "not JSON from byte"),
            ("{5: []}", "not JSON from byte"),
            ("{\"things\": []} x", "not JSON from byte"),
            ("<html>", "not JSON from byte"),
        ] {
            let (reason, error) = fold(text, 3).unwrap_err();
            assert!(reason == Reason::Decode && error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_record_without_end_is_given_up() {
        let text = format!("{{\"things\": [{{\"name\": \"{}\"}}]}}", "a".repeat(LARGEST_VALUE + 100_000));
        let (reason, error) = fold(&text, 65_536).unwrap_err();
        assert_eq!((reason, error.as_str()), (Reason::TooLarge, "a record of the body is larger than makes sense"));
        let many = format!("{{\"things\": [{}{{\"name\": \"b\"}}]}}", "{\"name\": \"a\"},".repeat(500_000));
        assert_eq!(fold(&many, 65_536).unwrap().rows, 500_001);
    }

    #[test]
    fn bytes_that_are_no_text_are_a_bad_answer_wherever_they_stand() {
        let good = r#"{"x": "é🗄", "things": [{"name": "a", "x": "é"}], "z": "🗄é"}"#.as_bytes();
        for size in 1..=good.len() {
            assert_eq!(fold(good, size).unwrap().made, ["a"], "pieces of {size} bytes");
        }
        for bad in [&b"\xff"[..], b"\xc3", b"\xf0\x9f\x97", b"\xa9"] {
            for (before, after) in [
                ("{\"x\": \"", "\", \"things\": []}"),
                ("{\"things\": [{\"name\": \"a", "\"}]}"),
                ("{\"things\": [], \"z\": {\"y\": \"", "\"}}"),
            ] {
                for size in [1, 2, 3, 1000] {
                    let text = [before.as_bytes(), bad, after.as_bytes()].concat();
                    let (reason, error) = fold(&text, size).unwrap_err();
                    assert_eq!((reason, error.as_str()), (Reason::Decode, "the body is not UTF-8"), "{text:?}");
                }
            }
        }
    }

    #[test]
    fn a_glance_reads_no_further_than_it_must() {
        let one = |text: &str| fold_some(text, 1000, 1).map(|folded| (folded.rows, folded.rejected));
        // What follows the record is not looked at.
        assert_eq!(one(r#"{"things": [{"name": "a"}, no JSON"#), Ok((1, 0)));
        assert_eq!(one(r#"{"things": [5, no JSON"#), Ok((0, 1)));
        assert_eq!(one(r#"{"things": []}"#), Ok((0, 0)));
        assert_eq!(one(r#"{"things": [{"name": "a"}]}"#), Ok((1, 0)));
        assert!(one(r#"{"things": [{"name": "a""#).is_err() && one(r#"{"things": ["#).is_err() && one("{}").is_err());
    }
}
