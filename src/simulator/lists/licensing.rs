//! Capacity in use and entitlements.

use super::Listing;

pub(super) const LISTINGS: &[Listing] = &[];
