//! Alerts.

use super::Listing;

pub(super) const LISTINGS: &[Listing] = &[];
