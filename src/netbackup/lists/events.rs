//! Events as the API writes them.
