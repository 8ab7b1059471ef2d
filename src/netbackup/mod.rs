//! The REST API of a NetBackup primary: client, errors, paging, wire types.
//!
//! Reading order: [`endpoint`] (what may be asked), [`version`] and `query` (how a request is written), `exchange` (one
//! request and its answer), [`error`], [`paging`] and `walk`, `attr`, [`wire`] and the records [`jobs`] and
//! [`storage_units`], [`client`] (which strings it together), `sending` (with `retry` and `circuit`: what survives a
//! misbehaving primary), `discovery`, `login` and [`probe`]; `credential` is what requests are signed with.
//! For `check` alone: [`authorization`], [`mod@handshake`] and [`certificate`].

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
mod login;
pub mod paging;
pub mod probe;
mod proxy;
mod query;
mod retry;
mod retry_after;
mod sending;
pub mod server_info;
pub mod storage_units;
mod transport;
pub mod version;
mod walk;
pub mod wire;

#[cfg(test)]
mod tests;

pub use authorization::Caller;
pub use certificate::Certificate;
pub use client::{Client, Ping};
pub use error::{BuildError, Error};
pub use handshake::{Broken, Distrust, Handshake, handshake};
pub use jobs::{JobRow, JobsPage, JobsQuery, queue_reason_name, read_jobs_page};
pub use login::LONGEST_LOGOUT;
pub use probe::ProbeOutcome;
pub use server_info::ServerInfo;
pub use storage_units::{StorageUnitRow, StorageUnitsPage, read_storage_units_page};
pub use version::ApiVersion;
pub use walk::Walk;
pub use wire::Page;
