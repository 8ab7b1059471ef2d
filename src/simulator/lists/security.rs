//! Risk score, certificates, API keys.

use super::{Listing, Object};

pub(super) const LISTINGS: &[Listing] = &[];

pub(super) const OBJECTS: &[Object] = &[];
