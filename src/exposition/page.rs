//! Collects the samples of one snapshot.

use std::ops::Range;
use std::time::SystemTime;

use crate::exposition::family::{Family, Kind};
use crate::exposition::number::Number;
use crate::exposition::rendered::Rendered;
use crate::exposition::series::Series;

/// The samples of one snapshot of one site, in any order; [`Page::finish`] sorts and compresses them. Of a series that
/// is added twice one sample is kept, because a scrape must not hold it twice.
#[derive(Debug)]
pub struct Page {
    site: String,
    /// Lines in the order in which they came.
    text: Vec<u8>,
    groups: Vec<Group>,
    with_created: bool,
    /// Where in the text the `_created` lines stand: in rising order, each where the lines of its series end.
    created: Vec<Range<usize>>,
}

/// The samples of one family.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) family: &'static Family,
    /// Where in the page's text each series stands: one line, or the lines of a histogram.
    pub(super) series: Vec<Range<usize>>,
}

impl Page {
    /// An empty page; `site` becomes the first label of every sample.
    #[must_use]
    pub fn new(site: &str) -> Page {
        Page { site: site.to_owned(), text: Vec::new(), groups: Vec::new(), with_created: false, created: Vec::new() }
    }

    /// Whether OpenMetrics answers shall hold `_created` samples for what is added from here on with
    /// [`Page::counter_since`] and [`Page::histogram_since`].
    #[must_use]
    pub fn with_created(self, with_created: bool) -> Page {
        Page { with_created, ..self }
    }

    /// Adds a sample of a gauge. `labels` are the values of the labels after `site`.
    pub fn gauge(&mut self, family: &'static Family, labels: &[&str], value: impl Into<Number>) {
        self.add(family, Kind::Gauge, labels, None, |series, out| series.write(out, value.into()));
    }

    /// Adds a sample of a counter. `labels` are the values of the labels after `site`.
    pub fn counter(&mut self, family: &'static Family, labels: &[&str], value: impl Into<Number>) {
        self.add(family, Kind::Counter, labels, None, |series, out| series.write(out, value.into()));
    }

    /// As [`Page::counter`], of a counter that was 0 at `created`.
    pub fn counter_since(
        &mut self,
        family: &'static Family,
        labels: &[&str],
        value: impl Into<Number>,
        created: SystemTime,
    ) {
        self.add(family, Kind::Counter, labels, Some(created), |series, out| series.write(out, value.into()));
    }

    /// Adds a histogram. `labels` are the values of the labels after `site`; `bounds` rise; `counts` are per bucket, not
    /// cumulative, one more than the bounds: the last one is above every bound.
    pub fn histogram(&mut self, family: &'static Family, labels: &[&str], bounds: &[f64], counts: &[u64], sum: f64) {
        let write = |series: &Series<'_>, out: &mut Vec<u8>| series.write_histogram(out, bounds, counts, sum);
        self.add(family, Kind::Histogram, labels, None, write);
    }

    /// As [`Page::histogram`], of a histogram that was empty at `created`.
    pub fn histogram_since(
        &mut self,
        family: &'static Family,
        labels: &[&str],
        bounds: &[f64],
        counts: &[u64],
        sum: f64,
        created: SystemTime,
    ) {
        let write = |series: &Series<'_>, out: &mut Vec<u8>| series.write_histogram(out, bounds, counts, sum);
        self.add(family, Kind::Histogram, labels, Some(created), write);
    }

    /// Sorts and compresses. Costs what the page's own samples cost: some milliseconds for 10,000 series, so a large
    /// page is finished off the runtime's own threads.
    #[must_use]
    pub fn finish(self) -> Rendered {
        Rendered::new(&self.text, self.groups, &self.created)
    }

    fn add(
        &mut self,
        family: &'static Family,
        kind: Kind,
        labels: &[&str],
        created: Option<SystemTime>,
        write: impl FnOnce(&Series<'_>, &mut Vec<u8>),
    ) {
        let Some(series) = Series::new(family, kind, &self.site, labels) else { return };
        let start = self.text.len();
        write(&series, &mut self.text);
        let written = start..self.text.len();
        if let Some(created) = created.filter(|_| self.with_created) {
            series.write_created(&mut self.text, created);
            self.created.push(written.end..self.text.len());
        }
        // Backwards, because samples of a family mostly come one after another.
        match self.groups.iter_mut().rev().find(|group| group.family.name == family.name) {
            Some(group) => group.series.push(written),
            None => self.groups.push(Group { family, series: vec![written] }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_map;
    use proptest::prelude::*;

    use super::*;
    use crate::exposition::escape::tests::unescape;

    static JOBS: Family =
        Family { name: "netbackup_jobs", kind: Kind::Gauge, help: "Jobs.", labels: &["site", "type", "state"] };
    static FINISHED: Family =
        Family { name: "netbackup_jobs_finished_total", kind: Kind::Counter, help: "Done.", labels: &["site"] };
    static DURATION: Family = Family {
        name: "netbackup_job_duration_seconds",
        kind: Kind::Histogram,
        help: "Took.",
        labels: &["site", "type"],
    };

    #[test]
    fn families_and_series_are_sorted_whatever_order_they_came_in() {
        let mut page = Page::new("paris");
        page.gauge(&JOBS, &["RESTORE", "ACTIVE"], 2.0);
        page.histogram(&DURATION, &["RESTORE"], &[60.0], &[1, 0], 5.5);
        page.counter(&FINISHED, &[], u64::MAX);
        page.gauge(&JOBS, &["BACKUP", "QUEUED"], 0.5);
        page.histogram(&DURATION, &["BACKUP"], &[60.0], &[0, 1], 61.0);
        let rendered = page.finish();
        assert_eq!(
            rendered.text(),
            "\
# HELP netbackup_job_duration_seconds Took.
# TYPE netbackup_job_duration_seconds histogram
netbackup_job_duration_seconds_bucket{site=\"paris\",type=\"BACKUP\",le=\"60.0\"} 0
netbackup_job_duration_seconds_bucket{site=\"paris\",type=\"BACKUP\",le=\"+Inf\"} 1
netbackup_job_duration_seconds_sum{site=\"paris\",type=\"BACKUP\"} 61
netbackup_job_duration_seconds_count{site=\"paris\",type=\"BACKUP\"} 1
netbackup_job_duration_seconds_bucket{site=\"paris\",type=\"RESTORE\",le=\"60.0\"} 1
netbackup_job_duration_seconds_bucket{site=\"paris\",type=\"RESTORE\",le=\"+Inf\"} 1
netbackup_job_duration_seconds_sum{site=\"paris\",type=\"RESTORE\"} 5.5
netbackup_job_duration_seconds_count{site=\"paris\",type=\"RESTORE\"} 1
# HELP netbackup_jobs Jobs.
# TYPE netbackup_jobs gauge
netbackup_jobs{site=\"paris\",type=\"BACKUP\",state=\"QUEUED\"} 0.5
netbackup_jobs{site=\"paris\",type=\"RESTORE\",state=\"ACTIVE\"} 2
# HELP netbackup_jobs_finished_total Done.
# TYPE netbackup_jobs_finished_total counter
netbackup_jobs_finished_total{site=\"paris\"} 18446744073709551615
"
        );
        assert_eq!(rendered.series(), 11);
    }

    #[test]
    fn a_series_that_is_added_twice_is_served_once() {
        let mut page = Page::new("paris");
        for value in [2.0, 1.0, 2.0] {
            page.gauge(&JOBS, &["a", "b"], value);
            page.histogram(&DURATION, &["a"], &[1.0], &[1, 1], value);
        }
        page.gauge(&JOBS, &["a", "b c"], 3.0);
        let rendered = page.finish();
        assert_eq!(rendered.series(), 2 + 4, "{}", rendered.text());
    }

    #[test]
    fn created_samples_stand_with_their_series_in_openmetrics_alone() {
        let since = |seconds| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let page = |with_created| {
            let mut page = Page::new("paris").with_created(with_created);
            page.histogram_since(&DURATION, &["b"], &[1.0], &[1, 2], 9.0, since(2));
            page.histogram(&DURATION, &["c"], &[1.0], &[0, 0], 0.0);
            page.histogram_since(&DURATION, &["a"], &[1.0], &[1, 0], 0.5, since(1));
            page.counter_since(&FINISHED, &[], 7, since(3));
            page.gauge(&JOBS, &["a", "b"], 1.0);
            page.finish()
        };
        let (with, without) = (page(true), page(false));
        assert_eq!((with.series(), with.samples(true), without.samples(true)), (14, 17, 14));
        assert_eq!(with.text(), without.text());
        assert!(without.pieces(true).eq(without.pieces(false)) && with.pieces(false).eq(without.pieces(false)));
        let open: Vec<u8> = with.pieces(true).flat_map(|(_, piece)| piece.plain).copied().collect();
        assert_eq!(
            String::from_utf8(open).unwrap(),
            "\
netbackup_job_duration_seconds_bucket{site=\"paris\",type=\"a\",le=\"1.0\"} 1
netbackup_job_duration_seconds_bucket{site=\"paris\",type=\"a\",le=\"+Inf\"} 1
netbackup_job_duration_seconds_sum{site=\"paris\",type=\"a\"} 0.5
netbackup_job_duration_seconds_count{site=\"paris\",type=\"a\"} 1
netbackup_job_duration_seconds_created{site=\"paris\",type=\"a\"} 1
netbackup_job_duration_seconds_bucket{site=\"paris\",type=\"b\",le=\"1.0\"} 1
netbackup_job_duration_seconds_bucket{site=\"paris\",type=\"b\",le=\"+Inf\"} 3
netbackup_job_duration_seconds_sum{site=\"paris\",type=\"b\"} 9
netbackup_job_duration_seconds_count{site=\"paris\",type=\"b\"} 3
netbackup_job_duration_seconds_created{site=\"paris\",type=\"b\"} 2
netbackup_job_duration_seconds_bucket{site=\"paris\",type=\"c\",le=\"1.0\"} 0
netbackup_job_duration_seconds_bucket{site=\"paris\",type=\"c\",le=\"+Inf\"} 0
netbackup_job_duration_seconds_sum{site=\"paris\",type=\"c\"} 0
netbackup_job_duration_seconds_count{site=\"paris\",type=\"c\"} 0
netbackup_jobs{site=\"paris\",type=\"a\",state=\"b\"} 1
netbackup_jobs_finished_total{site=\"paris\"} 7
netbackup_jobs_finished_created{site=\"paris\"} 3
"
        );
    }

    #[test]
    fn a_counter_that_is_added_twice_has_one_created_sample() {
        let mut page = Page::new("paris").with_created(true);
        for value in [5, 3, 5_u64] {
            page.counter_since(&FINISHED, &[], value, SystemTime::UNIX_EPOCH);
        }
        let rendered = page.finish();
        assert_eq!((rendered.samples(false), rendered.samples(true)), (1, 2));
    }

    #[test]
    fn an_empty_page_is_nothing() {
        let rendered = Page::new("paris").finish();
        assert_eq!((rendered.series(), rendered.text()), (0, String::new()));
    }

    proptest! {
        #[test]
        fn label_values_of_any_kind_come_back_and_the_order_of_adding_does_not_matter(
            samples in btree_map((r#"([\\"n\n]|\PC){0,12}"#, r#"[ -~\n\r]{0,12}"#), any::<u64>(), 0..20),
            rotate in any::<prop::sample::Index>(),
        ) {
            let mut order: Vec<_> = samples.iter().collect();
            let render = |order: &[(&(String, String), &u64)]| {
                let mut page = Page::new("s\"\\");
                for ((a, b), value) in order {
                    page.gauge(&JOBS, &[a, b], **value);
                }
                page.finish()
            };
            let rendered = render(&order);
            if !order.is_empty() {
                let by = rotate.index(order.len());
                order.rotate_left(by);
            }
            let again = render(&order);
            let bytes = |rendered: &Rendered| {
                let pieces = rendered.pieces(false);
                pieces.map(|(_, piece)| (piece.plain.to_vec(), piece.deflated.to_vec())).collect::<Vec<_>>()
            };
            prop_assert_eq!(bytes(&rendered), bytes(&again));

            let text = rendered.text();
            let read: std::collections::BTreeMap<(String, String), u64> = text
                .split_terminator('\n')
                .filter(|line| !line.starts_with('#'))
                .map(|line| {
                    let rest = line.strip_prefix("netbackup_jobs{site=\"s\\\"\\\\\",type=\"").unwrap();
                    let (labels, value) = rest.rsplit_once("\"} ").unwrap();
                    // An escaped text never holds a bare quote.
                    let (a, b) = labels.split_once("\",state=\"").unwrap();
                    ((unescape(a), unescape(b)), value.parse().unwrap())
                })
                .collect();
            prop_assert_eq!(read, samples);
        }
    }
}
