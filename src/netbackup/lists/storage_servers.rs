//! Storage servers as the API writes them.
