//! Disk pools as the API writes them.
