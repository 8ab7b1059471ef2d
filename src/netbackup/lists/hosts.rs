//! Hosts and paused clients as the API writes them.
