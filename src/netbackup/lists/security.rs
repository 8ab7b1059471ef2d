//! Risk score, certificates, API keys as the API writes them.
