//! What the lists of further collectors are made of, as the API writes them: a file per collector, a `record!` and a
//! `List` per endpoint.

pub(crate) mod alerts;
pub(crate) mod anomalies;
pub(crate) mod disk_pools;
pub(crate) mod events;
pub(crate) mod hosts;
pub(crate) mod images;
pub(crate) mod licensing;
pub(crate) mod malware;
pub(crate) mod media_servers;
pub(crate) mod security;
pub(crate) mod slos;
pub(crate) mod slp;
pub(crate) mod storage_servers;
pub(crate) mod tape;
