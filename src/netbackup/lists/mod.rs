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

use super::single::{Flat, Single};
use super::stream::{FlatList, read_flat};
use super::walk::List;
use super::wire;

/// Reads `body` as an answer of every endpoint of further lists, and says how many records were found: what fuzzing feeds.
#[must_use]
pub fn read_any_list(body: &str) -> usize {
    fn list<L: List>(body: &str) -> usize {
        wire::entries::<L::Row<'_>>(body).map_or(0, |(page, _)| page.rows.len())
    }
    fn single<S: Single>(body: &str) -> usize {
        usize::from(wire::entry::<S::Row<'_>>(body).is_ok())
    }
    fn flat<F: Flat>(body: &str) -> usize {
        usize::from(wire::flat::<F::Row<'_>>(body).is_ok())
    }
    let lists = [
        list::<alerts::Alerts>,
        list::<anomalies::Anomalies>,
        list::<disk_pools::DiskPools>,
        list::<hosts::PausedClients>,
        list::<images::Images>,
        list::<licensing::Capacities>,
        list::<licensing::Entitlements>,
        list::<malware::ScanResults>,
        list::<media_servers::MediaServers>,
        list::<security::ApiKeys>,
        list::<slos::Slos>,
        list::<slp::SlpImages>,
        list::<slp::Slps>,
        list::<storage_servers::StorageServers>,
        list::<tape::Drives>,
        list::<tape::TapeMedia>,
        list::<tape::VolumePools>,
        list::<tape::DeviceHosts>,
        single::<disk_pools::OneDiskPool>,
        single::<security::Status>,
        flat::<security::Authorities>,
        whole::<hosts::Hosts>,
        whole::<security::HostCertificates>,
    ];
    lists.iter().map(|read| read(body)).fold(0, usize::saturating_add)
}

/// Reads `body` as an answer of `/config/hosts`, which comes whole and is read while it arrives, and says how many hosts
/// were found: what a bench measures.
#[must_use]
pub fn read_hosts(body: &str) -> usize {
    whole::<hosts::Hosts>(body)
}

fn whole<L: FlatList>(body: &str) -> usize {
    read_flat::<L>(body).map_or(0, |rows| usize::try_from(rows).unwrap_or(usize::MAX))
}
