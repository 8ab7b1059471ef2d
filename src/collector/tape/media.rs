//! Media: counted by what they have in common while they are read, so that nothing is kept of a single one.

use std::collections::{BTreeMap, BTreeSet};

use super::families::{CLEANING_MEDIA, CLEANINGS, EXPIRING, MEDIA, MEDIA_BYTES, MEDIA_STATUS, SCRATCH};
use super::{Pools, count, robot_number};
use crate::collector::whole::{Bounded, number};
use crate::exposition::Page;
use crate::netbackup::lists::tape::Medium;

/// Groups that are told apart: a primary cannot make series without end.
const MOST_GROUPS: usize = 2_000;
/// Words of a media status that are told apart; nine are published.
const MOST_FLAGS: usize = 20;
/// Scratch pools that are shown with what they lack; few sites have more than one.
const MOST_SCRATCH: usize = 20;
const DAY_MS: i64 = 86_400_000;
/// Within which times the data of media expire.
const HORIZONS: [(&str, i64); 3] = [("0d", 0), ("7d", 7 * DAY_MS), ("30d", 30 * DAY_MS)];

/// What media are told apart by; a text that NetBackup does not report is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group {
    pub(super) pool: String,
    pub(super) media_type: String,
    pub(super) robot_type: String,
    pub(super) robot_number: String,
}

/// The media of a group.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) media: u64,
    /// Those that hold nothing.
    unassigned: u64,
    /// `None`: no medium says how much was written to it.
    bytes: Option<u64>,
    flags: BTreeMap<String, u64>,
    /// Media whose data expire within each of [`HORIZONS`]; `None`: no medium says when.
    expiring: Option<[u64; HORIZONS.len()]>,
    /// Cleaning media that are not used up.
    cleaning: u64,
    cleanings: Option<u64>,
}

/// Every medium.
#[derive(Debug)]
pub(super) struct Media {
    pub(super) groups: BTreeMap<Group, Tally>,
    flags: Bounded,
    /// The primary's time, Unix milliseconds.
    now: i64,
}

impl Media {
    pub(super) fn new(now: i64) -> Media {
        Media { groups: BTreeMap::new(), flags: Bounded::new(MOST_FLAGS), now }
    }

    pub(super) fn take(&mut self, medium: &Medium<'_>) {
        let robot = medium.robot.as_ref();
        let mut group = Group {
            pool: medium.pool.clone().into_owned(),
            media_type: medium.media_type.clone().into_owned(),
            robot_type: robot.map(|robot| robot.robot_type.clone().into_owned()).unwrap_or_default(),
            robot_number: robot_number(robot.and_then(|robot| robot.number)),
        };
        if self.groups.len() >= MOST_GROUPS && !self.groups.contains_key(&group) {
            group = Group { pool: "other".to_owned(), media_type: "other".to_owned(), ..Group::default() };
        }
        let is_cleaning = group.is_cleaning();
        let tally = self.groups.entry(group).or_default();
        tally.media = tally.media.saturating_add(1);
        if let Some(kilobytes) = medium.kilobytes {
            add(&mut tally.bytes, kilobytes.saturating_mul(1024));
        }
        // A set, though nothing keeps a primary from naming a flag twice.
        let flags: BTreeSet<&str> = medium.flags.split_ascii_whitespace().map(|flag| self.flags.label(flag)).collect();
        for flag in flags {
            match tally.flags.get_mut(flag) {
                Some(media) => *media = media.saturating_add(1),
                None => drop(tally.flags.insert(flag.to_owned(), 1)),
            }
        }
        if is_cleaning {
            // One that does not say is not known to be used up.
            tally.cleaning = tally.cleaning.saturating_add(u64::from(medium.cleanings != Some(0)));
            if let Some(cleanings) = medium.cleanings {
                add(&mut tally.cleanings, cleanings);
            }
        }
        match (medium.assigned, medium.data_expiration) {
            (None, _) => tally.unassigned = tally.unassigned.saturating_add(1),
            (Some(_), None) => {}
            (Some(_), Some(expiration)) => {
                let expiring = tally.expiring.get_or_insert_default();
                for (media, (_, horizon)) in expiring.iter_mut().zip(HORIZONS) {
                    *media = media.saturating_add(u64::from(expiration <= self.now.saturating_add(horizon)));
                }
            }
        }
    }

    /// The series of all media; `None`: the volume pools could not be read.
    pub(super) fn write(&self, pools: Option<&Pools>, page: &mut Page) {
        let mut bytes: BTreeMap<&str, u64> = BTreeMap::new();
        let mut expiring: BTreeMap<(&str, usize), u64> = BTreeMap::new();
        let mut flags: BTreeMap<[&str; 4], u64> = BTreeMap::new();
        let mut cleaning: BTreeMap<[&str; 3], u64> = BTreeMap::new();
        let mut cleanings: BTreeMap<[&str; 3], u64> = BTreeMap::new();
        for (group, tally) in &self.groups {
            let Group { pool, robot_type, robot_number, .. } = group;
            let [media_type, ..] = group.kind();
            page.gauge(&MEDIA, &[pool, media_type, robot_type, robot_number], number(tally.media));
            if let Some(written) = tally.bytes {
                count(&mut bytes, pool, written);
            }
            for (horizon, media) in tally.expiring.iter().flatten().enumerate() {
                count(&mut expiring, (pool, horizon), *media);
            }
            for (flag, media) in &tally.flags {
                count(&mut flags, [pool, robot_type, robot_number, flag], *media);
            }
            if group.is_cleaning() {
                count(&mut cleaning, group.kind(), tally.cleaning);
            }
            if let Some(left) = tally.cleanings {
                count(&mut cleanings, group.kind(), left);
            }
        }
        for (pool, written) in bytes {
            page.gauge(&MEDIA_BYTES, &[pool], written);
        }
        for ((pool, horizon), media) in expiring {
            if let Some((within, _)) = HORIZONS.get(horizon) {
                page.gauge(&EXPIRING, &[pool, within], number(media));
            }
        }
        for (labels, media) in flags {
            page.gauge(&MEDIA_STATUS, &labels, number(media));
        }
        for (labels, media) in cleaning {
            page.gauge(&CLEANING_MEDIA, &labels, number(media));
        }
        for (labels, left) in cleanings {
            page.gauge(&CLEANINGS, &labels, number(left));
        }
        for ([pool, media_type, robot_type, robot_number], media) in self.scratch(pools) {
            page.gauge(&SCRATCH, &[pool, media_type, robot_type, robot_number], number(media));
        }
    }

    /// Scratch media by pool, type and robot. What a robot has in other pools it may want from a scratch pool: there none
    /// is 0, so that an alert can tell.
    fn scratch<'m>(&'m self, pools: Option<&'m Pools>) -> BTreeMap<[&'m str; 4], u64> {
        let kinds: BTreeSet<[&str; 3]> =
            self.groups.keys().filter(|group| !group.is_cleaning()).map(Group::kind).collect();
        let scratch: BTreeSet<&str> = pools
            .into_iter()
            .flatten()
            .filter(|(_, pool)| pool.pool_type == "SCRATCH_MEDIA_POOL")
            .map(|(name, _)| name.as_str())
            .collect();
        let mut left = BTreeMap::new();
        for pool in scratch.iter().take(MOST_SCRATCH) {
            left.extend(kinds.iter().map(|[media_type, robot, number]| ([*pool, *media_type, *robot, *number], 0)));
        }
        for (group, tally) in self.groups.iter().filter(|(group, _)| !group.is_cleaning()) {
            let [media_type, robot, number] = group.kind();
            if scratch.contains(group.pool.as_str()) {
                left.insert([&group.pool, media_type, robot, number], tally.unassigned);
            }
        }
        left
    }
}

impl Group {
    /// Type and robot.
    fn kind(&self) -> [&str; 3] {
        [&self.media_type, &self.robot_type, &self.robot_number]
    }

    /// Whether its media clean drives.
    fn is_cleaning(&self) -> bool {
        self.media_type.contains("_CLN")
    }
}

fn add(sum: &mut Option<u64>, value: u64) {
    *sum = Some(sum.unwrap_or(0).saturating_add(value));
}
