//! Images of the catalog.

use super::Listing;

pub(super) const LISTINGS: &[Listing] = &[];
