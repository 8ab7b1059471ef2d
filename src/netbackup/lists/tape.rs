//! Tape: drives, media, volume pools, hosts of robots as the API writes them.

use std::borrow::Cow;

use crate::netbackup::attr::Attr;
use crate::netbackup::endpoint::Endpoint;
use crate::netbackup::paging::{MetaOffset, NestedCursor, Whole};
use crate::netbackup::record::{Entry, Resource, record};
use crate::netbackup::walk::List;
use crate::netbackup::wire::RawItem;

record! {
    /// A drive. The id of the resource is its name.
    pub(crate) struct Drive {
        /// Such as `DT_HCART2`.
        drive_type: text = "driveType",
        /// Such as `TLD`.
        robot_type: text = "robotType",
        /// Of the robot it is in.
        robot_number: count = "robotNumber",
        /// Such as `DRIVE_STATUS_UP`.
        status: text = "driveStatus",
        /// What it does, or in which mode: such as `DRIVE_CONTROL_ACTIVE`.
        control: text = "driveControl",
        /// The media server; `<multiple>` where several reach it.
        device_host: text = "deviceHost",
        /// Serial number.
        serial_number: text = "serialNumber",
        /// Whether several media servers may use it.
        shared: flag = "sharedDrive",
        /// `NEEDS CLEANING` when it does: empty and missing are not the same.
        cleaning_comment: value = "cleaningComment",
        /// When it was cleaned.
        last_cleaning: time = "lastCleaningTime",
        /// A tape alert, if any.
        first_alert: text = "tapeAlert1",
        /// Another one, if any.
        second_alert: text = "tapeAlert2",
        /// How media servers reach it.
        paths: [DrivePath] = "devicePaths",
    }
}

record! {
    /// One way to a drive.
    pub(crate) struct DrivePath {
        /// The media server.
        device_host: text = "deviceHost",
        /// Such as `PATH_STATUS_UP`.
        status: text = "pathStatus",
    }
}

record! {
    /// A tape.
    pub(crate) struct Medium {
        /// Such as `HCART2`, or `HC2_CLN` of one that cleans.
        media_type: text = "mediaType",
        /// Where it is.
        robot: {Robot} = "robot",
        /// Name of its volume pool.
        pool: text = "volumePool",
        /// A set of words with blanks between them.
        flags: text = "mediaStatus",
        /// KB that were written.
        kilobytes: bytes = "kiloBytes",
        /// When it got its first backup; missing where it holds none.
        assigned: time = "timeAssigned",
        /// When what it holds expires.
        data_expiration: time = "dateExpiration",
        /// How often it can clean.
        cleanings: count = "cleaningsRemaining",
    }
}

record! {
    /// The robot of a medium.
    pub(crate) struct Robot {
        /// Such as `TLD`, or `NOT_ROBOTIC`.
        robot_type: text = "robotType",
        /// Its number.
        number: count = "robotNumber",
    }
}

record! {
    /// A volume pool. The id of the resource is its number.
    pub(crate) struct VolumePool {
        /// Name.
        name: text = "volumePoolName" or "it has no name",
        /// Such as `SCRATCH_MEDIA_POOL`.
        pool_type: text = "poolType",
        /// Media that are partially full.
        partially_full: count = "partiallyFullMedia",
    }
}

/// A host that controls robots: there is nothing but its name.
#[derive(Debug, Clone)]
pub(crate) struct DeviceHost<'a> {
    /// Its name.
    pub(crate) name: Cow<'a, str>,
}

impl<'a> Entry<'a> for DeviceHost<'a> {
    fn of(item: RawItem<'a>) -> Result<Self, &'static str> {
        let name = item.id.and_then(Attr::identifier).filter(|name| !name.is_empty()).ok_or("it has no name")?;
        Ok(DeviceHost { name })
    }
}

/// `/storage/drives`.
pub(crate) enum Drives {}

impl List for Drives {
    type Shape = MetaOffset;
    type Row<'a> = Resource<'a, Drive<'a>>;
    const ENDPOINT: Endpoint = Endpoint::Drives;
    const LARGEST_PAGE: u16 = 100;
    const MOST_PAGES: u64 = 100;
}

/// `/storage/tape-media`.
pub(crate) enum TapeMedia {}

impl List for TapeMedia {
    type Shape = NestedCursor;
    type Row<'a> = Resource<'a, Medium<'a>>;
    const ENDPOINT: Endpoint = Endpoint::TapeMedia;
    const LARGEST_PAGE: u16 = 100;
    /// Two million media: the largest libraries hold some hundred thousand.
    const MOST_PAGES: u64 = 20_000;
}

/// `/storage/tape-volume-pools`.
pub(crate) enum VolumePools {}

impl List for VolumePools {
    type Shape = NestedCursor;
    type Row<'a> = Resource<'a, VolumePool<'a>>;
    const ENDPOINT: Endpoint = Endpoint::VolumePools;
    const LARGEST_PAGE: u16 = 100;
    const MOST_PAGES: u64 = 100;
}

/// `/storage/robots-device-hosts`.
pub(crate) enum DeviceHosts {}

impl List for DeviceHosts {
    type Shape = Whole;
    type Row<'a> = DeviceHost<'a>;
    const ENDPOINT: Endpoint = Endpoint::RobotDeviceHosts;
    const LARGEST_PAGE: u16 = 1;
    const MOST_PAGES: u64 = 1;
}
