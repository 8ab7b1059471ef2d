//! The log of requests, bounded, for tests that count and compare them.

use std::collections::{BTreeMap, VecDeque};

use super::endpoint::Endpoint;
use super::release::Release;

const KEPT: usize = 20_000;

/// One request and how it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedRequest {
    /// Such as `GET`.
    pub method: String,
    /// Below the base path, such as `/admin/jobs`; whole where the base path is missing.
    pub path: String,
    /// The query as it was sent.
    pub query: String,
    /// Whether there was an `Authorization` header; never what it held.
    pub authorization: bool,
    /// `Accept`.
    pub accept: Option<String>,
    /// `Accept-Encoding`.
    pub accept_encoding: Option<String>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `User-Agent`.
    pub user_agent: Option<String>,
    /// `X-Client-ID`.
    pub client_id: Option<String>,
    /// The number of its connection, counted from 1.
    pub connection: u64,
    /// The status of the answer; `None`: there is none, or not yet.
    pub status: Option<u16>,
    /// Bytes of the body of the answer, before compression.
    pub body_bytes: usize,
}

/// Finds a request again to note its answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record(u64);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    entries: VecDeque<LoggedRequest>,
    /// The number of the first entry.
    first: u64,
    counts: BTreeMap<&'static str, u64>,
}

impl Journal {
    pub(crate) fn push(&mut self, request: LoggedRequest) -> Record {
        *self.counts.entry(Endpoint::of(&request.path, Release::R11_2).template()).or_default() += 1;
        self.entries.push_back(request);
        if self.entries.len() > KEPT {
            self.entries.pop_front();
            self.first += 1;
        }
        Record(self.first + self.entries.len() as u64 - 1)
    }

    pub(crate) fn answered(&mut self, record: Record, status: u16, body_bytes: usize) {
        let index = record.0.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        if let Some(entry) = index.and_then(|index| self.entries.get_mut(index)) {
            entry.status = Some(status);
            entry.body_bytes = body_bytes;
        }
    }

    pub(crate) fn entries(&self) -> Vec<LoggedRequest> {
        self.entries.iter().cloned().collect()
    }

    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.counts.clone()
    }

    pub(crate) fn clear(&mut self) {
        self.first += self.entries.len() as u64;
        self.entries.clear();
        self.counts.clear();
    }
}
