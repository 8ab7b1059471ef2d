//! Storage lifecycle policies and what they have to copy.

use super::Listing;

pub(super) const LISTINGS: &[Listing] = &[];
