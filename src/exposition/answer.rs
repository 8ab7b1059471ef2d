//! Answers to scrapes: ready bytes where nothing has changed.

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use tokio::time::Instant;

use crate::cache::{Generation, Slot};
use crate::exposition::headers::Headers;
use crate::exposition::negotiate::{Encoding, Format};
use crate::exposition::rendered::Rendered;
use crate::exposition::view::View;
use crate::stats::ApiStats;

/// What the exposition shows of one site.
pub struct SiteView {
    /// The `site` label.
    pub name: Arc<str>,
    /// What the site's API client counts.
    pub stats: Arc<ApiStats>,
    /// The site's collectors, in the order in which they are shown.
    pub slots: Vec<Arc<Slot<Rendered>>>,
    /// Since when the statistics and the slots count: when they were made.
    pub created: SystemTime,
    /// Whether the names of the Go exporter stand beside ours.
    pub go_names: bool,
}

/// Renders the exporter's own families (without a `site` label) as text 0.0.4, in any order.
pub type OwnMetrics = Box<dyn Fn() -> String + Send + Sync>;

/// The body of an answer and what its headers say.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The format of the body.
    pub format: Format,
    /// The encoding of the body.
    pub encoding: Encoding,
    /// The body: the data part, then the live part with the tail.
    pub parts: [Bytes; 2],
}

/// Answers scrapes from the newest states of all slots. Never waits for a writer.
pub struct Exposition {
    generation: Generation,
    own: OwnMetrics,
    created: ArcSwapOption<SystemTime>,
    headers: Headers,
    /// The last look. One at a time, so that bytes of outdated looks are freed whatever their format was.
    view: ArcSwapOption<View>,
}

impl Exposition {
    /// `generation` is the one that all slots advance.
    #[must_use]
    pub fn new(generation: Generation, own: OwnMetrics) -> Exposition {
        Exposition {
            generation,
            own,
            created: ArcSwapOption::empty(),
            headers: Headers::default(),
            view: ArcSwapOption::empty(),
        }
    }

    /// With it, OpenMetrics answers say of each counter and histogram since when it counts (`_created` samples), and
    /// this is the moment for the exporter's own families. What is served already is made anew.
    pub fn set_created(&self, own_since: Option<SystemTime>) {
        self.created.store(own_since.map(Arc::new));
        self.generation.advance();
    }

    fn created(&self) -> Option<SystemTime> {
        self.created.load().as_deref().copied()
    }

    /// Everything: all sites, then the exporter's own families. While nothing is published and no data expire, the data
    /// part is the same bytes again, and so is the live part within a second.
    pub fn answer(&self, sites: &Arc<Vec<Arc<SiteView>>>, format: Format, encoding: Encoding) -> Answer {
        let now = Instant::now();
        self.view(sites, now).answer(&self.headers, Some(&self.own), format, encoding, now)
    }

    /// These sites only, without the exporter's own families. Assembled anew each time.
    pub fn answer_for(&self, sites: &[Arc<SiteView>], format: Format, encoding: Encoding) -> Answer {
        let now = Instant::now();
        let view = View::new(self.generation.current(), Arc::new(sites.to_vec()), self.created(), now);
        view.answer(&self.headers, None, format, encoding, now)
    }

    /// Everything as text 0.0.4.
    #[must_use]
    pub fn text(&self, sites: &Arc<Vec<Arc<SiteView>>>) -> String {
        let answer = self.answer(sites, Format::Text, Encoding::Identity);
        String::from_utf8_lossy(&answer.parts.concat()).into_owned()
    }

    fn view(&self, sites: &Arc<Vec<Arc<SiteView>>>, now: Instant) -> Arc<View> {
        // Read before any state, so that what is published from here on makes the view outdated.
        let generation = self.generation.current();
        let held = self.view.load();
        if let Some(view) = held.as_ref().filter(|view| view.is_current(generation, sites, now)) {
            return Arc::clone(view);
        }
        let fresh = Arc::new(View::new(generation, Arc::clone(sites), self.created(), now));
        // Of scrapes that come at once, one sets its view and the others use it, so that bytes are made once.
        let found = self.view.compare_and_swap(&*held, Some(Arc::clone(&fresh)));
        match found.as_ref() {
            Some(other) if other.is_current(generation, sites, now) => Arc::clone(other),
            _ => fresh,
        }
    }
}
