//! One consistent look at every slot, and the bytes made from it.
//!
//! The state of each slot is loaded once, and both parts of every answer are made from what was loaded. So data never
//! stand beside the freshness lines of other data, whatever is published meanwhile; what changes between two answers
//! from one view is the clock and what the API clients count.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use tokio::time::Instant;

use crate::cache::{Slot, State};
use crate::exposition::answer::{Answer, OwnMetrics, SiteView};
use crate::exposition::checksum::Checksum;
use crate::exposition::deflate::{Deflater, GZIP_HEADER};
use crate::exposition::headers::Headers;
use crate::exposition::live::{self, Reading};
use crate::exposition::negotiate::{Encoding, Format};
use crate::exposition::rendered::Rendered;
use crate::exposition::{own, series};

/// How long the live part is used before it is made again.
const LIVE_FOR: Duration = Duration::from_secs(1);

/// What all slots held at one moment. Valid until something is published, the sites change, or served data expire.
pub(super) struct View {
    /// The count before the first state was loaded: a publish during the loading makes the view outdated, never wrong.
    generation: u64,
    sites: Arc<Vec<Arc<SiteView>>>,
    /// States of the slots of each site.
    states: Vec<Vec<Arc<State<Rendered>>>>,
    /// The snapshots that are served, in the order of sites and slots.
    served: Vec<Arc<Rendered>>,
    /// When the first of them must be withdrawn.
    expires: Option<Instant>,
    /// Whether OpenMetrics answers hold `_created` samples, and since when the exporter's own families count.
    created: Option<SystemTime>,
    data: PerVariant<OnceLock<Data>>,
    live: PerVariant<ArcSwapOption<Live>>,
}

/// The data part of an answer.
struct Data {
    bytes: Bytes,
    /// Of the plain bytes; not computed for the identity encoding, which has no use for it.
    checksum: Checksum,
}

/// The live part of an answer.
struct Live {
    bytes: Bytes,
    made: Instant,
}

/// One of a thing for each combination of format and encoding.
#[derive(Default)]
struct PerVariant<T>([T; 4]);

impl<T> PerVariant<T> {
    fn get(&self, format: Format, encoding: Encoding) -> &T {
        let [text, text_gzip, open, open_gzip] = &self.0;
        match (format, encoding) {
            (Format::Text, Encoding::Identity) => text,
            (Format::Text, Encoding::Gzip) => text_gzip,
            (Format::OpenMetrics, Encoding::Identity) => open,
            (Format::OpenMetrics, Encoding::Gzip) => open_gzip,
        }
    }
}

impl View {
    pub(super) fn new(
        generation: u64,
        sites: Arc<Vec<Arc<SiteView>>>,
        created: Option<SystemTime>,
        now: Instant,
    ) -> View {
        let load = |slot: &Arc<Slot<Rendered>>| Arc::clone(&slot.load());
        let states: Vec<Vec<_>> = sites.iter().map(|site| site.slots.iter().map(load).collect()).collect();
        let (mut served, mut expires) = (Vec::new(), None::<Instant>);
        let slots = sites.iter().flat_map(|site| &site.slots);
        for (slot, state) in slots.zip(states.iter().flatten()) {
            let Some(snapshot) = &state.snapshot else { continue };
            if slot.freshness(state, now).serves_data() {
                served.push(Arc::clone(&snapshot.payload));
                // A moment too far ahead for the clock never comes.
                let until = snapshot.received.mono.checked_add(slot.limits.expire_after);
                expires = expires.into_iter().chain(until).min();
            }
        }
        let (data, live) = (PerVariant::default(), PerVariant::default());
        View { generation, sites, states, served, expires, created, data, live }
    }

    /// Text 0.0.4 knows no `_created` samples.
    fn created(&self, format: Format) -> Option<SystemTime> {
        self.created.filter(|_| format == Format::OpenMetrics)
    }

    /// Whether a new look would show nothing else than this one. Of scrapes that come at once, one may have counted
    /// before the view of another was made: that view is newer than asked for, and as good.
    pub(super) fn is_current(&self, generation: u64, sites: &Arc<Vec<Arc<SiteView>>>, now: Instant) -> bool {
        self.generation >= generation
            && Arc::ptr_eq(&self.sites, sites)
            && self.expires.is_none_or(|expires| now <= expires)
    }

    /// The answer as of `now`; nothing is rendered or compressed where that was done before.
    pub(super) fn answer(
        &self,
        headers: &Headers,
        own: Option<&OwnMetrics>,
        format: Format,
        encoding: Encoding,
        now: Instant,
    ) -> Answer {
        // Readers that come at once share one assembly; no writer can hold them up here.
        let data = self.data.get(format, encoding).get_or_init(|| self.assemble(headers, format, encoding));
        let live = self.live.get(format, encoding);
        let bytes = match live.load().as_deref() {
            Some(live) if now.saturating_duration_since(live.made) < LIVE_FOR => live.bytes.clone(),
            _ => {
                let bytes = self.tail(own, data.checksum, format, encoding, now);
                live.store(Some(Arc::new(Live { bytes: bytes.clone(), made: now })));
                bytes
            }
        };
        Answer { format, encoding, parts: [data.bytes.clone(), bytes] }
    }

    /// Strings the ready blocks of every served snapshot together, family by family.
    fn assemble(&self, headers: &Headers, format: Format, encoding: Encoding) -> Data {
        let created = self.created(format).is_some();
        let mut blocks: Vec<_> = self.served.iter().flat_map(|rendered| rendered.pieces(created)).collect();
        blocks.sort_by_key(|(family, _)| family.name); // stable: the order of sites and slots stays
        let by_family: Vec<_> = blocks
            .chunk_by(|(a, _), (b, _)| a.name == b.name)
            .filter_map(|blocks| Some((headers.get(blocks.first()?.0, format), blocks)))
            .collect();
        let pieces = || {
            by_family.iter().flat_map(|(header, blocks)| {
                std::iter::once(header.piece()).chain(blocks.iter().map(|(_, piece)| *piece))
            })
        };
        let start: &[u8] = match encoding {
            Encoding::Identity => &[],
            Encoding::Gzip => &GZIP_HEADER,
        };
        let len = pieces().map(|piece| piece.bytes(encoding).len()).sum::<usize>();
        let mut bytes = Vec::with_capacity(start.len() + len);
        bytes.extend_from_slice(start);
        pieces().for_each(|piece| bytes.extend_from_slice(piece.bytes(encoding)));
        let checksum = match encoding {
            Encoding::Identity => Checksum::EMPTY,
            Encoding::Gzip => pieces().fold(Checksum::EMPTY, |sum, piece| sum.append(piece.checksum)),
        };
        Data { bytes: bytes.into(), checksum }
    }

    /// Renders what depends on the clock, and what ends an answer.
    fn tail(
        &self,
        own: Option<&OwnMetrics>,
        data: Checksum,
        format: Format,
        encoding: Encoding,
        now: Instant,
    ) -> Bytes {
        let mut text = Vec::new();
        let created = self.created(format);
        let readings: Vec<Reading<'_>> =
            self.sites.iter().zip(&self.states).map(|(site, states)| Reading::new(site, states, now)).collect();
        live::write(&mut text, format, created.is_some(), &readings);
        if let Some(own) = own {
            let before: usize = self.served.iter().map(|rendered| rendered.samples(created.is_some())).sum();
            let before = before + series::count(&text);
            own::write(&mut text, format, &own(), before, created);
        }
        if format == Format::OpenMetrics {
            text.extend_from_slice(b"# EOF\n");
        }
        match encoding {
            Encoding::Identity => text.into(),
            Encoding::Gzip => {
                let mut deflated = Vec::new();
                let mut deflater = Deflater::swift();
                deflater.last_block(data, &text, &mut deflated);
                deflater.put_back();
                deflated.into()
            }
        }
    }
}
