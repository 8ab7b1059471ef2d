//! `/security/serverinfo`: who answers. Without credentials, in every release.

use std::time::Duration;

use serde::de::{IgnoredAny, MapAccess};
use tokio::time::{Instant, timeout};

use super::attr::Attr;
use super::client::{Ask, Client};
use super::endpoint::Endpoint;
use super::error::Error;
use super::query::Target;
use super::wire::{Object, Record};
use crate::reason::Reason;
use crate::stats::Primary;

const INTRODUCTION_HOLDS: Duration = Duration::from_secs(3600);
const INTRODUCTION_RETRY: Duration = Duration::from_secs(60);
const INTRODUCTION_PATIENCE: Duration = Duration::from_secs(3);
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
        let ask = Ask::get(Endpoint::ServerInfo, &target);
        let body = self.json(&ask).await?;
        let fields = serde_json::from_str::<Object<Fields<'_>>>(&body).ok().and_then(|object| object.0);
        let unreadable = || self.error(Endpoint::ServerInfo, Reason::Decode, "the body is no JSON object");
        let fields = fields.ok_or_else(|| unreadable().with_status(200))?;
        let text = |attr: Option<Attr<'_>>| {
            let text = attr.and_then(Attr::text)?;
            (!text.trim().is_empty() && text.len() <= LONGEST).then(|| text.into_owned())
        };
        let info = ServerInfo {
            host_id: text(fields.host_id),
            server_name: text(fields.server_name),
            release: text(fields.release),
        };
        if info != ServerInfo::default() {
            self.stats().set_primary(Primary {
                server_name: info.server_name.clone().unwrap_or_default(),
                release: info.release.clone().unwrap_or_default(),
                host_id: info.host_id.clone().unwrap_or_default(),
            });
        }
        Ok(info)
    }

    /// Asks who the primary is where nobody has for an hour, for the sake of `netbackup_primary_info`. Nothing depends on the
    /// answer.
    pub(crate) async fn introduce(&self) {
        if !self.0.introduces {
            return;
        }
        // Whoever comes while another one asks need not wait.
        let Ok(mut introduced) = self.0.introduced.try_lock() else { return };
        if introduced.is_some_and(|until| Instant::now() < until) {
            return;
        }
        // A poll has better things to wait for.
        let known = matches!(timeout(INTRODUCTION_PATIENCE, self.server_info()).await, Ok(Ok(_)));
        *introduced = Some(Instant::now() + if known { INTRODUCTION_HOLDS } else { INTRODUCTION_RETRY });
    }
}
