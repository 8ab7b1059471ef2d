//! `/authorization-context`: whether the credentials are taken, and whose they are. Not in every release.

use serde::de::{IgnoredAny, MapAccess};

use super::attr::Attr;
use super::client::{Ask, Client};
use super::endpoint::Endpoint;
use super::error::{Error, sanitise};
use super::query::Target;
use super::wire::{Object, Record};

/// Whose credentials were taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caller {
    /// `subject`, fit for one line.
    pub subject: Option<String>,
}

#[derive(Default)]
struct Fields<'a> {
    subject: Option<Attr<'a>>,
}

impl<'de> Record<'de> for Fields<'de> {
    fn field<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "subject" => self.subject = Some(map.next_value()?),
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

impl Client {
    /// Has the credentials judged. `None`: the release lacks the endpoint, which says nothing about them.
    ///
    /// # Errors
    /// When they were refused, or there was no answer that judges them.
    pub async fn caller(&self) -> Result<Option<Caller>, Error> {
        let target = Target::new(Endpoint::AuthorizationContext.template(), &[]);
        let ask = Ask::get(Endpoint::AuthorizationContext, &target);
        match self.json(&ask).await {
            Ok(body) => {
                // Whatever it says of the caller, it was taken.
                let fields = serde_json::from_str::<Object<Fields<'_>>>(&body).ok().and_then(|object| object.0);
                let subject = fields.and_then(|fields| fields.subject).and_then(Attr::text);
                let subject = subject.map(|text| sanitise(text.trim())).filter(|text| !text.is_empty());
                Ok(Some(Caller { subject }))
            }
            // Not of what had to be asked before, such as /login.
            Err(error) if error.status() == Some(404) && error.endpoint() == ask.endpoint.template() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
