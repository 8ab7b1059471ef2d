//! Answers that are one object.

use super::client::{Ask, Client};
use super::endpoint::Endpoint;
use super::error::Error;
use super::query::Target;
use super::record::Readable;
use super::wire::{self, Row};
use crate::reason::Reason;

/// An endpoint whose `data` is one resource.
pub(crate) trait Single: 'static {
    type Row<'a>: Row<'a>;
    const ENDPOINT: Endpoint;
}

/// An endpoint whose whole answer is one object, without `data`.
pub(crate) trait Flat: 'static {
    type Row<'a>: Readable<'a>;
    const ENDPOINT: Endpoint;
}

impl Client {
    /// Reads one resource; `arguments` fill the placeholders of the path.
    ///
    /// # Errors
    /// When there was no usable answer.
    pub(crate) async fn single<S: Single, T>(
        &self,
        arguments: &[&str],
        take: impl FnOnce(S::Row<'_>) -> T,
    ) -> Result<T, Error> {
        let target = Target::new(S::ENDPOINT.template(), arguments);
        let body = self.json(&Ask::get(S::ENDPOINT, &target)).await?;
        self.read(S::ENDPOINT, wire::single(&body)).map(take)
    }

    /// Reads one object.
    ///
    /// # Errors
    /// When there was no usable answer.
    pub(crate) async fn flat<F: Flat, T>(&self, take: impl FnOnce(F::Row<'_>) -> T) -> Result<T, Error> {
        let target = Target::new(F::ENDPOINT.template(), &[]);
        let body = self.json(&Ask::get(F::ENDPOINT, &target)).await?;
        let raw = wire::body::<<F::Row<'_> as Readable<'_>>::Raw>(&body);
        let row = raw.and_then(|raw| F::Row::read(raw).map_err(|why| format!("the answer is unusable: {why}")));
        row.map(take).map_err(|what| self.error(F::ENDPOINT, Reason::Decode, what).with_status(200))
    }
}
