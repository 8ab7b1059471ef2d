//! The HELP and TYPE lines of data families in both encodings, compressed once for the life of the process.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::exposition::checksum::Checksum;
use crate::exposition::deflate::{Deflater, Piece};
use crate::exposition::family::Family;
use crate::exposition::negotiate::Format;

/// The HELP and TYPE lines of one family in one format.
pub(super) struct Header {
    plain: Vec<u8>,
    deflated: Vec<u8>,
    checksum: Checksum,
}

/// Every header asked for so far: as many as there are data families, in the formats that clients ask for.
#[derive(Default)]
pub(super) struct Headers(ArcSwap<HashMap<(&'static str, Format), Arc<Header>>>);

impl Header {
    fn new(family: &Family, format: Format) -> Header {
        let (mut plain, mut deflated) = (Vec::new(), Vec::new());
        family.write_header(&mut plain, format);
        let mut deflater = Deflater::thorough();
        let checksum = deflater.block(&plain, &mut deflated);
        deflater.put_back();
        Header { plain, deflated, checksum }
    }

    pub(super) fn piece(&self) -> Piece<'_> {
        Piece { plain: &self.plain, deflated: &self.deflated, checksum: self.checksum }
    }
}

impl Headers {
    pub(super) fn get(&self, family: &'static Family, format: Format) -> Arc<Header> {
        let key = (family.name, format);
        if let Some(header) = self.0.load().get(&key) {
            return Arc::clone(header);
        }
        let header = Arc::new(Header::new(family, format));
        self.0.rcu(|headers| {
            let mut headers = HashMap::clone(headers);
            headers.insert(key, Arc::clone(&header));
            headers
        });
        header
    }
}
