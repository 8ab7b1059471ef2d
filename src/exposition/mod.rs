//! From snapshots to the bytes of an answer.
//!
//! ```text
//!  collector ─▶ Page ─▶ Rendered (per family: plain bytes and a deflate block)   when a snapshot is published
//!                           │
//!  all slots ─▶ View ─▶ data part (blocks strung together) ─┐                    when anything was published
//!                └────▶ live part (age, counters, own) ─────┴▶ Answer            at most once a second
//! ```
//!
//! Reading order: `family`, `series`, `page`, `rendered`, `checksum`, `deflate`, `headers`, `view`, `live`, `own`, `answer`;
//! then `stored` and `reread`, which keep a snapshot on disk, and `sample`, by which a page reads one; `negotiate` stands alone.
//!
//! Sample lines are the same bytes in both formats; only the headers and the `# EOF` differ. That is why a block is
//! rendered and compressed once, and why an answer in either format is mere copying. Only where `_created` samples are
//! wanted, families that have them are rendered once more, for OpenMetrics, which alone knows them.

mod answer;
mod checksum;
#[cfg(test)]
mod created_tests;
mod deflate;
mod escape;
mod family;
mod headers;
mod live;
mod negotiate;
mod number;
mod own;
mod page;
mod rendered;
mod reread;
mod sample;
mod series;
mod stored;
#[cfg(test)]
mod tests;
mod view;

pub use answer::{Answer, Exposition, OwnMetrics, SiteView};
pub use escape::unescaped;
pub use family::{Family, Kind};
pub use live::compat::families as compat_families;
pub use live::families;
pub use negotiate::{Encoding, Format, negotiate_encoding, negotiate_format};
pub use number::Number;
pub use page::Page;
pub use rendered::Rendered;
pub use sample::Sample;
