//! The REST API of a NetBackup primary: client, errors, paging, wire types.
//!
//! Reading order: [`endpoint`] (what may be asked), [`version`] and `query` (how a request is written), `exchange` (one
//! request and its answer), [`error`], [`paging`] and `walk`, `attr`, [`wire`], `record` and the records [`jobs`],
//! [`storage_units`] and `lists`, `stream` (lists that come whole), [`client`] (which strings it together), `sending` (with `retry` and `circuit`: what survives a
//! misbehaving primary), `discovery`, `login` and [`probe`]; `credential` is what requests are signed with.
//! For `check` alone: [`authorization`], [`mod@handshake`] and [`certificate`].

mod arriving;
mod attr;
pub mod authorization;
pub mod certificate;
mod circuit;
pub mod client;
mod credential;
mod discovery;
pub mod endpoint;
pub mod error;
mod exchange;
mod fault;
pub mod handshake;
pub mod jobs;
pub(crate) mod lists;
mod login;
mod look;
pub mod paging;
pub mod probe;
mod proxy;
mod query;
mod record;
mod retry;
mod retry_after;
mod sending;
pub mod server_info;
mod single;
pub mod storage_units;
mod stream;
mod transport;
pub mod version;
mod walk;
pub mod wire;

#[cfg(test)]
mod tests;

pub(crate) use attr::Attr;
pub use authorization::Caller;
pub use certificate::Certificate;
pub use client::{Client, Ping};
pub(crate) use endpoint::Endpoint;
pub use error::{BuildError, Error};
pub use handshake::{Broken, Distrust, Handshake, handshake};
pub use jobs::{JobRow, JobsPage, JobsQuery, queue_reason_name, read_jobs_page};
pub use lists::{read_any_list, read_hosts};
pub use login::LONGEST_LOGOUT;
pub(crate) use look::Glance;
pub use probe::ProbeOutcome;
pub(crate) use record::Resource;
pub use server_info::ServerInfo;
pub(crate) use single::{Flat, Single};
pub use storage_units::{StorageUnitRow, StorageUnitsPage, read_storage_units_page};
pub(crate) use stream::FlatList;
pub use version::ApiVersion;
pub use walk::Walk;
pub(crate) use walk::{List, Listing};
pub use wire::Page;
