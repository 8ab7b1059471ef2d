//! Storage lifecycle policies: which there are, whether they run, and what they still have to copy. Endpoints:
//! `/catalog/slp-images`, every page of the four states of an image that is not done, and `/config/slps`, every page.
//!
//! There is no endpoint that tells the size of the backlog: the images are counted while they are read, and forgotten. So
//! an image that changes its state meanwhile may be missed; those in process are read first, so that one that starts is
//! not counted twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tracing::warn;

use super::About;
use super::series::{Bounded, number, put, seconds};
use super::tally::{add, count};
use super::whole::{Reading, Source};
use crate::config;
use crate::exposition::{Family, Kind, Page};
use crate::netbackup::lists::slp::{SlpImage, SlpImages, Slps};
use crate::netbackup::{Endpoint, Error, Listing};

/// Whether a policy runs.
pub static ACTIVE: Family = Family {
    name: "netbackup_slp_active",
    kind: Kind::Gauge,
    help: "Whether the further operations of the storage lifecycle policy run (1) or are put off (0), at the last poll.",
    labels: &["site", "slp"],
};

/// From when on it runs.
pub static ACTIVATION: Family = Family {
    name: "netbackup_slp_activation_timestamp_seconds",
    kind: Kind::Gauge,
    help: "When the storage lifecycle policy is, or was, activated, as polled, in Unix time.",
    labels: &["site", "slp"],
};

/// Copies that are to be made.
pub static COPIES: Family = Family {
    name: "netbackup_slp_backlog_copies",
    kind: Kind::Gauge,
    help: "Copies of the images of netbackup_slp_backlog_images that still have work to be done at the last poll, by what is to be made and how far it is. Left out are those of which nothing is to be done any more: COPYCOMPLETE, JOBCOMPLETE, IMPORTS_DONE, CANCELLED and NOT_MANAGED.",
    labels: &["site", "slp", "copy_type", "copy_state"],
};

/// Size of the backlog.
pub static SIZE: Family = Family {
    name: "netbackup_slp_backlog_fragment_size",
    kind: Kind::Gauge,
    help: "Size of the images of netbackup_slp_backlog_images at the last poll: fragmentSize, added up over the largest copy of each image. NetBackup does not state its unit: compare one image with its size in the catalog before you read it as bytes or kilobytes.",
    labels: &["site", "slp", "state"],
};

/// Images.
pub static IMAGES: Family = Family {
    name: "netbackup_slp_backlog_images",
    kind: Kind::Gauge,
    help: "Images that the storage lifecycle policy is not done with at the last poll, by slpImageState; INACTIVE: not before the policy is active again. IN_PROCESS and NOT_STARTED of each policy that is defined are 0 where there are none.",
    labels: &["site", "slp", "state"],
};

/// The oldest of them.
pub static OLDEST: Family = Family {
    name: "netbackup_slp_backlog_oldest_backup_timestamp_seconds",
    kind: Kind::Gauge,
    help: "When the oldest of the images of netbackup_slp_backlog_images was backed up, as polled, in Unix time of the primary.",
    labels: &["site", "slp", "state"],
};

/// Images with retries.
pub static RETRIED: Family = Family {
    name: "netbackup_slp_backlog_retried_images",
    kind: Kind::Gauge,
    help: "Those of the images of netbackup_slp_backlog_images at the last poll of which a copy had to be tried again (retryCount above 0).",
    labels: &["site", "slp", "state"],
};

/// What a policy is.
pub static INFO: Family = Family {
    name: "netbackup_slp_info",
    kind: Kind::Gauge,
    help: "1 for each storage lifecycle policy at the last poll; the labels say what it is.",
    labels: &["site", "slp", "version", "data_classification"],
};

/// Policies.
pub static SLPS: Family = Family {
    name: "netbackup_slps",
    kind: Kind::Gauge,
    help: "Storage lifecycle policies that are defined at the last poll.",
    labels: &["site"],
};

/// See [`About`].
pub static ABOUT: About = About {
    name: "slp",
    title: "Storage lifecycle policies",
    endpoints: &[Endpoint::SlpImages, Endpoint::Slps],
    releases: "all",
    cardinality: "up to 7 series per policy, 4 per policy and state of images (of four) that has any, and one per kind and state of copies that the policy has to make",
    cost: "a request per 200 images of the backlog, four at least, and one per 100 policies. A backlog of a million images is 5,000 requests: mind slp_ttl",
    families: &[&ACTIVATION, &ACTIVE, &COPIES, &SIZE, &IMAGES, &OLDEST, &RETRIED, &INFO, &SLPS],
};

/// The states of an image that is not done, in the order in which they are read.
const STATES: [&str; 4] = ["IN_PROCESS", "IN_PROCESS|INACTIVE", "NOT_STARTED", "NOT_STARTED|INACTIVE"];
/// Those of them that each policy may have, so that an empty backlog is one of 0 images.
const USUAL: [&str; 2] = ["IN_PROCESS", "NOT_STARTED"];
/// Of a policy that is put off. No release documents that a filter takes the bar in it.
const INACTIVE: &str = "|INACTIVE";
/// The states of a copy that has no work left, or never had any: made, its job or its imports at the end, or given up.
/// `DEFERRED` waits, and `CANT_PROCESS` wants somebody to look.
const DONE: [&str; 5] = ["COPYCOMPLETE", "JOBCOMPLETE", "IMPORTS_DONE", "CANCELLED", "NOT_MANAGED"];
/// More than there are words for states of images or copies, or for types of copies.
const MOST_WORDS: usize = 32;

/// The source.
pub struct Slp {
    site: Arc<str>,
    refusal_logged: AtomicBool,
}

impl Slp {
    /// Of one site.
    #[must_use]
    pub fn new(site: &config::Site) -> Slp {
        Slp { site: Arc::clone(&site.name), refusal_logged: AtomicBool::new(false) }
    }
}

/// The images of a policy in one state.
#[derive(Default)]
struct Waiting {
    images: u64,
    retried: u64,
    size: Option<u64>,
    oldest: Option<i64>,
}

/// Of every policy; none of its images is kept.
struct Backlog {
    waiting: BTreeMap<(String, String), Waiting>,
    copies: BTreeMap<(String, String, String), u64>,
    states: Bounded,
    copy_types: Bounded,
    copy_states: Bounded,
}

impl Backlog {
    fn new() -> Backlog {
        let words = || Bounded::new(MOST_WORDS);
        let (waiting, copies) = (BTreeMap::new(), BTreeMap::new());
        Backlog { waiting, copies, states: words(), copy_types: words(), copy_states: words() }
    }

    /// Takes an image that was asked for by its state.
    fn add(&mut self, image: &SlpImage<'_>, asked: &str) {
        // One that is of another of the states by now is for the request that asks for those.
        if image.state != asked && STATES.contains(&&*image.state) {
            return;
        }
        let state = if image.state.is_empty() { asked } else { &image.state };
        let state = self.states.label(state).to_owned();
        let waiting = self.waiting.entry((image.slp.clone().into_owned(), state)).or_default();
        waiting.images = waiting.images.saturating_add(1);
        waiting.retried = waiting.retried.saturating_add(u64::from(image.is_retried()));
        add(&mut waiting.size, image.size());
        waiting.oldest = [waiting.oldest, image.backup_time].into_iter().flatten().min();
        for copy in image.copies.iter().filter(|copy| !DONE.contains(&&*copy.state)) {
            let copy_type = self.copy_types.label(&copy.copy_type).to_owned();
            let copy_state = self.copy_states.label(&copy.state).to_owned();
            count(&mut self.copies, (image.slp.clone().into_owned(), copy_type, copy_state), 1);
        }
    }

    /// A policy that is defined has a backlog, be it an empty one.
    fn expect(&mut self, slp: &str) {
        for state in USUAL {
            self.waiting.entry((slp.to_owned(), state.to_owned())).or_default();
        }
    }

    fn write(&self, page: &mut Page) {
        for ((slp, state), waiting) in &self.waiting {
            let labels = [slp.as_str(), state];
            page.gauge(&IMAGES, &labels, number(waiting.images));
            page.gauge(&RETRIED, &labels, number(waiting.retried));
            put(page, &SIZE, &labels, waiting.size.map(number));
            put(page, &OLDEST, &labels, waiting.oldest.map(seconds));
        }
        for ((slp, copy_type, copy_state), copies) in &self.copies {
            page.gauge(&COPIES, &[slp, copy_type, copy_state], number(*copies));
        }
    }
}

impl Source for Slp {
    const ABOUT: &'static About = &ABOUT;

    fn read<'a>(&'a self, reading: &'a mut Reading<'_>) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            let mut backlog = self.backlog(reading).await?;
            let policies = policies(reading).await?;
            if let Some(backlog) = &mut backlog {
                policies.iter().flat_map(BTreeMap::keys).for_each(|slp| backlog.expect(slp));
                backlog.write(&mut reading.page);
            }
            if let Some(policies) = policies {
                write_policies(&policies, &mut reading.page);
            }
            Ok(())
        }
        .boxed()
    }

    fn is_bounded(&self) -> bool {
        false
    }
}

impl Slp {
    /// `None`: it is denied, or not offered.
    async fn backlog(&self, reading: &mut Reading<'_>) -> Result<Option<Backlog>, Error> {
        let mut backlog = Backlog::new();
        for state in STATES {
            let filter = format!("slpImageState eq '{state}'");
            let listing = Listing { filter: Some(&filter), ..Listing::ALL };
            match reading.list::<SlpImages>(listing, |image| backlog.add(&image, state)).await {
                Ok(Some(())) => {}
                Ok(None) => return Ok(None),
                Err(error) if error.status() == Some(400) && state.ends_with(INACTIVE) => self.log_refusal(state),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(backlog))
    }

    fn log_refusal(&self, state: &str) {
        if !self.refusal_logged.swap(true, Ordering::Relaxed) {
            let site = &*self.site;
            let what = "the primary refuses (400) to list images of this state: those of policies that are put off are missing from the backlog";
            warn!(site, collector = ABOUT.name, state, "{what}");
        }
    }
}

/// What is kept of a policy's definition.
struct Policy {
    active: Option<bool>,
    activation: Option<i64>,
    version: Option<u64>,
    data_classification: String,
}

/// By name, so that a policy that moves between two pages while they are read is there once.
type Policies = BTreeMap<String, Policy>;

/// `None`: they are denied, or not offered.
async fn policies(reading: &mut Reading<'_>) -> Result<Option<Policies>, Error> {
    let mut policies = Policies::new();
    let listed = reading
        .list::<Slps>(Listing::ALL, |slp| {
            let (active, activation, version) = (slp.active, slp.activation, slp.version);
            let data_classification = slp.data_classification.clone().into_owned();
            policies.insert(slp.name.clone().into_owned(), Policy { active, activation, version, data_classification });
        })
        .await?;
    Ok(listed.map(|()| policies))
}

fn write_policies(policies: &Policies, page: &mut Page) {
    page.gauge(&SLPS, &[], number(u64::try_from(policies.len()).unwrap_or(u64::MAX)));
    for (name, policy) in policies {
        let version = policy.version.map(|version| version.to_string()).unwrap_or_default();
        page.gauge(&INFO, &[name, &version, &policy.data_classification], 1.0);
        put(page, &ACTIVE, &[name], policy.active.map(f64::from));
        put(page, &ACTIVATION, &[name], policy.activation.map(seconds));
    }
}

#[cfg(test)]
mod tests;
