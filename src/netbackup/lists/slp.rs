//! Storage lifecycle policies and what they have to copy as the API writes them.
