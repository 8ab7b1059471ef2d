//! Media: counted by what they have in common while they are read, so that nothing is kept of a single one.

use std::collections::{BTreeMap, BTreeSet};

use super::drives::Drives;
use super::families::{CLEANING_MEDIA, CLEANINGS, EXPIRING, FLAGGED, MEDIA, MEDIA_BYTES, SCRATCH};
use super::robot_number;
use crate::collector::series::{Bounded, number};
use crate::collector::tally::{add, count};
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
/// Flags of a medium that takes no further data.
const UNUSABLE: [&str; 2] = ["FROZEN", "SUSPENDED"];

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
    /// `None`: no medium says how much was written to it.
    bytes: Option<u64>,
    flags: BTreeMap<String, u64>,
    /// Media whose data expire within each of [`HORIZONS`]; `None`: no medium says when.
    expiring: Option<[u64; HORIZONS.len()]>,
}

/// Cleaning media of a type in a robot.
#[derive(Debug, Default)]
struct Cleaning {
    /// Those that are not used up.
    media: u64,
    left: Option<u64>,
}

/// Type and robot.
type Kind = [String; 3];

/// Every medium.
#[derive(Debug)]
pub(super) struct Media {
    /// How many there are.
    pub(super) len: u64,
    pub(super) groups: BTreeMap<Group, Tally>,
    /// Free media by scratch pool and kind, and cleaning media by kind: apart from the groups, so that neither is lost
    /// where there are too many of those.
    scratch: BTreeMap<[String; 4], u64>,
    cleaning: BTreeMap<Kind, Cleaning>,
    /// What robots have for data.
    in_robots: BTreeSet<Kind>,
    scratch_pools: BTreeSet<String>,
    flags: Bounded,
    /// The primary's time, Unix milliseconds.
    now: i64,
}

impl Media {
    /// `scratch_pools`: their names, as far as they are known.
    pub(super) fn new(now: i64, scratch_pools: BTreeSet<String>) -> Media {
        Media {
            len: 0,
            groups: BTreeMap::new(),
            scratch: BTreeMap::new(),
            cleaning: BTreeMap::new(),
            in_robots: BTreeSet::new(),
            scratch_pools,
            flags: Bounded::new(MOST_FLAGS),
            now,
        }
    }

    pub(super) fn take(&mut self, medium: &Medium<'_>) {
        self.len = self.len.saturating_add(1);
        let robot = medium.robot.as_ref();
        let mut group = Group {
            pool: medium.pool.clone().into_owned(),
            media_type: medium.media_type.clone().into_owned(),
            robot_type: robot.map(|robot| robot.robot_type.clone().into_owned()).unwrap_or_default(),
            robot_number: robot_number(robot.and_then(|robot| robot.number)),
        };
        if group.media_type.contains("_CLN") {
            self.take_cleaning(&group, medium.cleanings);
        } else {
            self.take_free(&group, medium);
        }
        if self.groups.len() >= MOST_GROUPS && !self.groups.contains_key(&group) {
            group = Group { pool: "other".to_owned(), media_type: "other".to_owned(), ..Group::default() };
        }
        let tally = self.groups.entry(group).or_default();
        tally.media = tally.media.saturating_add(1);
        add(&mut tally.bytes, medium.kilobytes.map(|kilobytes| kilobytes.saturating_mul(1024)));
        // A set, though nothing keeps a primary from naming a flag twice.
        let flags: BTreeSet<&str> = medium.flags.split_ascii_whitespace().map(|flag| self.flags.label(flag)).collect();
        for flag in flags {
            match tally.flags.get_mut(flag) {
                Some(media) => *media = media.saturating_add(1),
                None => drop(tally.flags.insert(flag.to_owned(), 1)),
            }
        }
        if let (Some(_), Some(expiration)) = (medium.assigned, medium.data_expiration) {
            let expiring = tally.expiring.get_or_insert_default();
            for (media, (_, horizon)) in expiring.iter_mut().zip(HORIZONS) {
                *media = media.saturating_add(u64::from(expiration <= self.now.saturating_add(horizon)));
            }
        }
    }

    fn take_cleaning(&mut self, group: &Group, left: Option<u64>) {
        let kind = within(&self.cleaning, group.kind());
        let cleaning = self.cleaning.entry(kind).or_default();
        // One that does not say is not known to be used up.
        cleaning.media = cleaning.media.saturating_add(u64::from(left != Some(0)));
        add(&mut cleaning.left, left);
    }

    fn take_free(&mut self, group: &Group, medium: &Medium<'_>) {
        if is_robot(&group.robot_type) && self.in_robots.len() < MOST_GROUPS {
            self.in_robots.insert(group.kind());
        }
        let is_usable = !medium.flags.split_ascii_whitespace().any(|flag| UNUSABLE.contains(&flag));
        if medium.assigned.is_none() && is_usable && self.scratch_pools.contains(&group.pool) {
            let [media_type, robot_type, robot_number] = group.kind();
            let key = [group.pool.clone(), media_type, robot_type, robot_number];
            let key = within(&self.scratch, key);
            count(&mut self.scratch, key, 1);
        }
    }

    /// The series of all media; `None`: the drives could not be read.
    pub(super) fn write(&self, drives: Option<&Drives>, page: &mut Page) {
        let mut bytes: BTreeMap<&str, u64> = BTreeMap::new();
        let mut expiring: BTreeMap<(&str, usize), u64> = BTreeMap::new();
        let mut flags: BTreeMap<[&str; 4], u64> = BTreeMap::new();
        for (group, tally) in &self.groups {
            let Group { pool, media_type, robot_type, robot_number } = group;
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
            page.gauge(&FLAGGED, &labels, number(media));
        }
        for (labels, media) in self.cleaning(drives) {
            page.gauge(&CLEANING_MEDIA, &labels.each_ref().map(String::as_str), number(media));
        }
        for (labels, cleaning) in &self.cleaning {
            if let Some(left) = cleaning.left {
                page.gauge(&CLEANINGS, &labels.each_ref().map(String::as_str), number(left));
            }
        }
        for (labels, media) in self.scratch() {
            page.gauge(&SCRATCH, &labels, number(media));
        }
    }

    /// Cleaning media by kind. A robot with drives wants those that fit: where it has none they are 0, so that an alert
    /// can tell.
    fn cleaning(&self, drives: Option<&Drives>) -> BTreeMap<Kind, u64> {
        let drives = drives.into_iter().flat_map(BTreeMap::values).filter(|drive| is_robot(&drive.robot_type));
        let wanted = drives.filter_map(|drive| {
            let media_type = cleaning_type(&drive.drive_type)?;
            Some(([media_type, drive.robot_type.clone(), drive.robot_number.clone()], 0))
        });
        let mut media: BTreeMap<Kind, u64> = wanted.collect();
        media.extend(self.cleaning.iter().map(|(kind, cleaning)| (kind.clone(), cleaning.media)));
        media
    }

    /// Scratch media by pool and kind. What a robot has in other pools it may want from a scratch pool: there none is 0, so
    /// that an alert can tell. Nothing waits for media that no robot can reach.
    fn scratch(&self) -> BTreeMap<[&str; 4], u64> {
        let mut free = BTreeMap::new();
        for pool in self.scratch_pools.iter().take(MOST_SCRATCH) {
            free.extend(
                self.in_robots.iter().map(|[media_type, robot, number]| ([&**pool, media_type, robot, number], 0)),
            );
        }
        free.extend(self.scratch.iter().map(|(labels, media)| (labels.each_ref().map(String::as_str), *media)));
        free
    }
}

impl Group {
    fn kind(&self) -> Kind {
        [&self.media_type, &self.robot_type, &self.robot_number].map(String::clone)
    }
}

/// The labels themselves, or `other` where there are too many beside them.
fn within<const LABELS: usize, T>(known: &BTreeMap<[String; LABELS], T>, labels: [String; LABELS]) -> [String; LABELS] {
    if known.len() < MOST_GROUPS || known.contains_key(&labels) { labels } else { labels.map(|_| "other".to_owned()) }
}

/// Whether it is a robot, and not a shelf.
fn is_robot(robot_type: &str) -> bool {
    !["", "NA", "NOT_ROBOTIC"].contains(&robot_type)
}

/// The type of the media that clean drives of this type: such as `HC3_CLN` for `DT_HCART3`. `None`: it is not known.
fn cleaning_type(drive_type: &str) -> Option<String> {
    let drive = drive_type.strip_prefix("DT_")?;
    let names = [("HCART", "HC"), ("DLT", "DLT")];
    names.into_iter().find_map(|(drives, media)| Some(format!("{media}{}_CLN", drive.strip_prefix(drives)?)))
}
