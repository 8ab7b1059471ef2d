//! The samples of a snapshot read back, for the page that says in words what they mean.

use std::borrow::Cow;

use crate::exposition::rendered::Rendered;
use crate::exposition::{escape, reread};

/// One sample of a snapshot.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    labels: &'a str,
    /// Its value.
    pub value: f64,
}

impl<'a> Sample<'a> {
    /// The value of the label `name`, as the primary gave it; empty where there is no such label.
    #[must_use]
    pub fn label(&self, name: &str) -> Cow<'a, str> {
        escape::unescaped(self.raw_label(name))
    }

    /// The same, still escaped ([`unescaped`](crate::exposition::unescaped) undoes it): it tells things apart without a copy.
    #[must_use]
    pub fn raw_label(&self, name: &str) -> &'a str {
        reread::label(self.labels, name).unwrap_or_default()
    }
}

impl Rendered {
    /// The samples of the gauge or counter named `family`, in the order of their labels; none where the snapshot has no such
    /// family. Read from the bytes that answers are made of, so nothing more has to be kept.
    pub fn read<'a>(&'a self, family: &str) -> impl Iterator<Item = Sample<'a>> + use<'a> {
        let found = self.pieces(false).find(|(other, _)| other.name == family);
        let samples = found.into_iter().flat_map(|(family, piece)| reread::samples(family, piece.plain));
        samples.map(|(labels, value)| Sample { labels, value })
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use proptest::collection::btree_map;
    use proptest::prelude::*;

    use crate::exposition::{Family, Page};

    static JOBS: Family = Family::gauge("netbackup_jobs", &["site", "type", "state"], "Jobs.");
    static DONE: Family = Family::counter("netbackup_done_total", &["site", "type"], "Done.");
    static TOOK: Family = Family::histogram("netbackup_took_seconds", &["site", "type"], "Took.");

    proptest! {
        #[test]
        fn what_was_put_in_comes_out(jobs in btree_map((r#"([\\"n\n,={}]|\PC){0,12}"#, "[a-z\"]{0,3}"), -1e300..1e300_f64, 0..20)) {
            let mut page = Page::new("a \"site\"").with_created(true);
            for ((kind, state), value) in &jobs {
                page.gauge(&JOBS, &[kind, state], *value);
            }
            page.counter_since(&DONE, &["x"], 7_u64, SystemTime::UNIX_EPOCH);
            page.histogram(&TOOK, &["x"], &[1.0], &[1, 2], 3.0);
            let rendered = page.finish();
            let mut read: Vec<_> = rendered
                .read("netbackup_jobs")
                .map(|sample| {
                    prop_assert_eq!(sample.label("site"), "a \"site\"");
                    prop_assert_eq!(sample.label("other"), "");
                    Ok(((sample.label("type").into_owned(), sample.label("state").into_owned()), sample.value))
                })
                .collect::<Result<_, TestCaseError>>()?;
            read.sort_by(|a, b| a.0.cmp(&b.0));
            let bits = |(labels, value): ((String, String), f64)| (labels, value.to_bits());
            let put = jobs.into_iter().map(bits);
            prop_assert_eq!(read.into_iter().map(bits).collect::<Vec<_>>(), put.collect::<Vec<_>>());
            let done: Vec<f64> = rendered.read("netbackup_done_total").map(|sample| sample.value).collect();
            prop_assert_eq!(done, [7.0]);
            prop_assert_eq!(rendered.read("netbackup_took_seconds").count() + rendered.read("netbackup_none").count(), 0);
        }
    }
}
