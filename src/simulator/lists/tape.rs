//! Tape: drives, media, volume pools, hosts of robots.

use super::{Listing, Object};

pub(super) const LISTINGS: &[Listing] = &[];

pub(super) const OBJECTS: &[Object] = &[];
