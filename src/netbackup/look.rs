//! A glance at a list, for `check`: whether it may be read, and how long it is, in one small request.

use super::attr::Attr;
use super::client::{Ask, Client};
use super::endpoint::Endpoint;
use super::error::Error;
use super::jobs::JobsQuery;
use super::lists::hosts::Hosts;
use super::lists::security::HostCertificates;
use super::query::Target;
use super::record::{Resource, record};
use super::stream::FlatList;
use super::wire;
use crate::reason::Reason;

/// What a glance showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Glance {
    /// How many objects there are; at least so many where `more`.
    pub(crate) objects: u64,
    /// There may be others.
    pub(crate) more: bool,
}

record! {
    /// Whatever it is.
    struct Anything {}
}

impl Client {
    /// Asks whether a source may be read. Of jobs, which have a collector of their own, it does not tell how many there are.
    ///
    /// # Errors
    /// When there was no usable answer, such as where a right is missing.
    pub(crate) async fn glance(&self, endpoint: Endpoint) -> Result<Glance, Error> {
        let whole = |objects| Glance { objects, more: false };
        match endpoint {
            Endpoint::Jobs => return self.may_see_jobs().await.map(|()| Glance::default()),
            Endpoint::Hosts => return self.first_of::<Hosts>().await,
            Endpoint::Certificates => return self.first_of::<HostCertificates>().await,
            _ => {}
        }
        let mut target = Target::new(endpoint.template(), &[]);
        let is_object = matches!(endpoint, Endpoint::SecurityStatus | Endpoint::CaCertificates);
        if !is_object && endpoint != Endpoint::RobotDeviceHosts {
            target.push("page[limit]", "1");
        }
        let body = self.json(&Ask::get(endpoint, &target)).await?;
        if is_object {
            return Ok(whole(1));
        }
        let (page, pagination) = self.read(endpoint, wire::entries::<Resource<'_, Anything<'_>>>(&body))?;
        let rows = u64::try_from(page.rows.len()).unwrap_or(u64::MAX).saturating_add(page.rejected);
        // A list that says nothing of its length is as long as its page, or longer.
        let count = pagination.as_ref().and_then(|pagination| pagination.count.and_then(Attr::count));
        let more = pagination.is_none_or(|pagination| pagination.way_on().is_some());
        let is_paged = endpoint != Endpoint::RobotDeviceHosts;
        Ok(count.map_or(Glance { objects: rows, more: is_paged && rows > 0 && more }, whole))
    }

    /// Whether there is a first record of a list that comes whole, however long: no more of it is fetched.
    async fn first_of<L: FlatList>(&self) -> Result<Glance, Error> {
        let objects = self.fold_some::<L, ()>(|(), _| {}, 1).await?.total();
        Ok(Glance { objects, more: objects > 0 })
    }

    /// An empty list of jobs does not tell a missing right from none, but their count does.
    async fn may_see_jobs(&self) -> Result<(), Error> {
        match self.count_jobs(None).await {
            Ok(_) => Ok(()),
            Err(error) if error.reason() == Reason::Forbidden || error.status().is_none() => Err(error),
            // A primary that does not count them may list them all the same.
            Err(_) => {
                let first = JobsQuery { filter: None, sort: None, limit: 1 };
                self.jobs_page(&first, &mut |_| {}).await.map(drop)
            }
        }
    }
}
