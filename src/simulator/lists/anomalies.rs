//! Anomalies.

use super::Listing;

pub(super) const LISTINGS: &[Listing] = &[];
