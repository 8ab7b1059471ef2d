//! Images of the catalog as the API writes them.
