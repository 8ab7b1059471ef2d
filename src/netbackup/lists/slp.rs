//! Storage lifecycle policies and what they have to copy as the API writes them.

use crate::netbackup::endpoint::Endpoint;
use crate::netbackup::paging::{Cursor, FullOffset};
use crate::netbackup::record::{Resource, record};
use crate::netbackup::walk::List;

record! {
    /// An image that a storage lifecycle policy manages.
    pub(crate) struct SlpImage {
        /// The policy.
        slp: text = "slpName" or "it has no slpName",
        /// `slpImageState`, such as `IN_PROCESS`.
        state: text = "slpImageState",
        /// When the backup was made, Unix milliseconds.
        backup_time: time = "backupTime",
        /// The copies, made or to be made.
        copies: [SlpCopy] = "copies",
    }
}

record! {
    /// A copy of an image.
    pub(crate) struct SlpCopy {
        /// `copyType`, such as `DUPLICATE`.
        copy_type: text = "copyType",
        /// `copyState`, such as `NOT_STARTED`.
        state: text = "copyState",
        /// How often it was tried again.
        retries: count = "retryCount",
        /// What is written of it.
        fragments: [Fragment] = "fragments",
    }
}

record! {
    /// A fragment of a copy.
    pub(crate) struct Fragment {
        /// `fragmentSize`, in a unit that is not published.
        size: bytes = "fragmentSize",
    }
}

impl SlpImage<'_> {
    /// How large the image is, in the unit of `fragmentSize`: as large as its largest copy. `None`: no copy says.
    pub(crate) fn size(&self) -> Option<u64> {
        self.copies
            .iter()
            .filter_map(|copy| copy.fragments.iter().filter_map(|part| part.size).reduce(u64::saturating_add))
            .max()
    }

    /// Whether a copy was tried again.
    pub(crate) fn is_retried(&self) -> bool {
        self.copies.iter().any(|copy| copy.retries.is_some_and(|retries| retries > 0))
    }
}

/// `/catalog/slp-images`.
pub(crate) enum SlpImages {}

impl List for SlpImages {
    type Shape = Cursor;
    type Row<'a> = Resource<'a, SlpImage<'a>>;
    const ENDPOINT: Endpoint = Endpoint::SlpImages;
    /// The API allows 1,000, but an image brings every fragment of every copy: that many may be more than an answer may hold.
    const LARGEST_PAGE: u16 = 200;
    /// A backlog of ten million images.
    const MOST_PAGES: u64 = 50_000;
}

record! {
    /// The definition of a storage lifecycle policy.
    pub(crate) struct Slp {
        /// Name.
        name: text = "slpName" or "it has no slpName",
        /// Whether its further operations run.
        active: flag = "active",
        /// From when on they run, Unix milliseconds.
        activation: time = "activationTime",
        /// The version in use.
        version: count = "versionNumber",
        /// `dataClassification`.
        data_classification: text = "dataClassification",
    }
}

/// `/config/slps`.
pub(crate) enum Slps {}

impl List for Slps {
    type Shape = FullOffset;
    type Row<'a> = Resource<'a, Slp<'a>>;
    const ENDPOINT: Endpoint = Endpoint::Slps;
    const LARGEST_PAGE: u16 = 100;
    const MOST_PAGES: u64 = 1_000;
}
