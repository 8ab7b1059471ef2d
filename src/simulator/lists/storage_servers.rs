//! Storage servers.

use super::Listing;

pub(super) const LISTINGS: &[Listing] = &[];
