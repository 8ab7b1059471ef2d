//! A glance at a list, for `check`: whether it may be read, and how long it is, in one small request.

use super::client::{Ask, Client};
use super::endpoint::Endpoint;
use super::error::Error;
use super::query::Target;
use super::record::{Resource, record};
use super::stream::FlatList;
use super::wire;

/// What a glance showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glance {
    /// How many objects there are; at least so many where `more`.
    pub objects: u64,
    /// There are others.
    pub more: bool,
}

record! {
    /// Whatever it is.
    struct Anything {}
}

/// A flat list of whatever it is.
macro_rules! flat {
    ($List:ident, $endpoint:ident, $root:literal) => {
        enum $List {}
        impl FlatList for $List {
            type Row<'a> = Anything<'a>;
            const ENDPOINT: Endpoint = Endpoint::$endpoint;
            const ROOT: &'static str = $root;
        }
    };
}
flat!(AnyHosts, Hosts, "hosts");
flat!(AnyCertificates, Certificates, "certificateList");

impl Client {
    /// Asks whether a source may be read.
    ///
    /// # Errors
    /// When there was no usable answer, such as where a right is missing.
    pub(crate) async fn glance(&self, endpoint: Endpoint) -> Result<Glance, Error> {
        let whole = |objects| Glance { objects, more: false };
        match endpoint {
            Endpoint::Hosts => return Ok(whole(self.fold_flat::<AnyHosts, ()>(|(), _| {}).await?.rows)),
            Endpoint::Certificates => return Ok(whole(self.fold_flat::<AnyCertificates, ()>(|(), _| {}).await?.rows)),
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
        let count = pagination.as_ref().and_then(|pagination| pagination.count.and_then(super::attr::Attr::count));
        let more = pagination.is_none_or(|pagination| pagination.next.is_some());
        let is_paged = endpoint != Endpoint::RobotDeviceHosts;
        Ok(count.map_or(Glance { objects: rows, more: is_paged && rows > 0 && more }, whole))
    }
}
