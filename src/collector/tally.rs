//! Counts and sums that end at the largest number rather than wrap.

use std::collections::BTreeMap;

/// Adds to a count.
pub(super) fn count<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K, more: u64) {
    let sum = counts.entry(key).or_default();
    *sum = sum.saturating_add(more);
}

/// Adds what is known to a sum; the sum of nothing known is absent.
pub(super) fn add(sum: &mut Option<u64>, more: Option<u64>) {
    if let Some(more) = more {
        *sum = Some(sum.unwrap_or(0).saturating_add(more));
    }
}
