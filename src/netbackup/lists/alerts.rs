//! Alerts as the API writes them.
