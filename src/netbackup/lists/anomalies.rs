//! Anomalies as the API writes them.
