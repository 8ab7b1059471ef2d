//! Media servers as the API writes them.
