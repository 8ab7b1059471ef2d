//! Hosts and paused clients.

use super::{Listing, Object};

pub(super) const LISTINGS: &[Listing] = &[];

pub(super) const OBJECTS: &[Object] = &[];
