//! Capacity in use and entitlements as the API writes them.
