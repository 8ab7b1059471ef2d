//! The sites as they run: for each a client, its slots and probes, and one poll task per collector.
//!
//! [`Prepared`] is what a configuration asks for beyond what runs, checked and harmless; [`Running`] is what runs, and
//! takes it over site by site.

mod prepared;
mod running;

pub use crate::netbackup::BuildError as ClientError;
pub use prepared::{Known, Prepared};
pub use running::{Changes, Restored, Running};
