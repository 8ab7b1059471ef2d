//! Answers that are one object.

use super::client::{Ask, Client};
use super::endpoint::Endpoint;
use super::error::Error;
use super::query::Target;
use super::record::{Entry, Readable};
use super::wire;

/// An endpoint whose `data` is one resource.
pub(crate) trait Single: 'static {
    type Row<'a>: Entry<'a>;
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
        self.read(S::ENDPOINT, wire::entry(&body)).map(take)
    }

    /// Reads one object.
    ///
    /// # Errors
    /// When there was no usable answer.
    pub(crate) async fn flat<F: Flat, T>(&self, take: impl FnOnce(F::Row<'_>) -> T) -> Result<T, Error> {
        let target = Target::new(F::ENDPOINT.template(), &[]);
        let body = self.json(&Ask::get(F::ENDPOINT, &target)).await?;
        self.read(F::ENDPOINT, wire::flat(&body)).map(take)
    }
}
