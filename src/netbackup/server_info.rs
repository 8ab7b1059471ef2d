//! `/security/serverinfo`: who answers. Without credentials, in every release.

use serde::de::{IgnoredAny, MapAccess};

use super::attr::Attr;
use super::client::{Ask, Client, Lane};
use super::endpoint::Endpoint;
use super::error::Error;
use super::query::Target;
use super::wire::{Object, Record};
use crate::reason::Reason;

/// Longer than any name of a host.
const LONGEST: usize = 1024;

/// Who a primary says it is. Nothing of it is required by the published API.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerInfo {
    /// `masterHostId`: a UUID that stays with the primary for life.
    pub host_id: Option<String>,
    /// `serverName`.
    pub server_name: Option<String>,
    /// `nbuVersion`: the release, such as `11.0`.
    pub release: Option<String>,
}

#[derive(Default)]
struct Fields<'a> {
    host_id: Option<Attr<'a>>,
    server_name: Option<Attr<'a>>,
    release: Option<Attr<'a>>,
}

impl<'de> Record<'de> for Fields<'de> {
    fn field<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "masterHostId" => self.host_id = Some(map.next_value()?),
            "serverName" => self.server_name = Some(map.next_value()?),
            "nbuVersion" => self.release = Some(map.next_value()?),
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

impl Client {
    /// Asks who the primary is.
    ///
    /// # Errors
    /// When there was no usable answer.
    pub async fn server_info(&self) -> Result<ServerInfo, Error> {
        let target = Target::new(Endpoint::ServerInfo.template(), &[]);
        let ask = Ask { endpoint: Endpoint::ServerInfo, target: &target, body: None, lane: Lane::Poll };
        let body = self.json(&ask).await?;
        let fields = serde_json::from_str::<Object<Fields<'_>>>(&body).ok().and_then(|object| object.0);
        let unreadable = || self.error(Endpoint::ServerInfo, Reason::Decode, "the body is no JSON object");
        let fields = fields.ok_or_else(|| unreadable().with_status(200))?;
        let text = |attr: Option<Attr<'_>>| {
            let text = attr.and_then(Attr::text)?;
            (!text.trim().is_empty() && text.len() <= LONGEST).then(|| text.into_owned())
        };
        Ok(ServerInfo {
            host_id: text(fields.host_id),
            server_name: text(fields.server_name),
            release: text(fields.release),
        })
    }
}
