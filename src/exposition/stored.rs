//! Rendered snapshots as bytes that can be kept on disk, and back.
//!
//! ```text
//! version (1 byte), number of families
//! per family: name, kind (1 byte), number of labels, each label; its samples as OpenMetrics shows them
//! ```
//!
//! Numbers are 32 bits, little-endian; a text is its length and its bytes. What can be computed again is not kept: the
//! compressed bytes, and the samples without their `_created` lines.

use crate::exposition::family::{Family, Kind};
use crate::exposition::rendered::{Draft, Rendered};
use crate::exposition::reread;

/// Changes with the layout. What families and samples look like is told apart by the bytes themselves.
const VERSION: u8 = 1;

impl Rendered {
    /// Everything that [`Rendered::restore`] needs.
    #[must_use]
    pub fn export(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        write_len(&mut out, self.pieces(true).count());
        for (family, piece) in self.pieces(true) {
            write_bytes(&mut out, family.name.as_bytes());
            out.push(code(family.kind));
            write_len(&mut out, family.labels.len());
            family.labels.iter().for_each(|label| write_bytes(&mut out, label.as_bytes()));
            write_bytes(&mut out, piece.plain);
        }
        out
    }

    /// What was exported; `known` finds a family by its name. The bytes may be of another release: `None` where
    /// anything is not exactly as this release would have rendered it, so that nothing else is ever served. Whose
    /// snapshot it is, the site, is for the caller to know.
    #[must_use]
    pub fn restore(bytes: &[u8], known: impl Fn(&str) -> Option<&'static Family>) -> Option<Rendered> {
        let mut rest = bytes.strip_prefix(&[VERSION])?;
        let families = read_number(&mut rest)?;
        let mut draft = Draft::new(rest.len());
        let mut last = "";
        for _ in 0..families {
            let family = read_family(&mut rest, &known)?;
            if family.name <= last {
                return None;
            }
            last = family.name;
            let series = reread::series_of(family, read_bytes(&mut rest)?)?;
            draft.add(family, series.into_iter());
        }
        rest.is_empty().then(|| draft.finish())
    }
}

/// The family that is described, if it is still the same.
fn read_family(rest: &mut &[u8], known: impl Fn(&str) -> Option<&'static Family>) -> Option<&'static Family> {
    let name = std::str::from_utf8(read_bytes(rest)?).ok()?;
    let family = known(name)?;
    let (kind, labels) = (take(rest, 1)?.first()?, read_number(rest)?);
    let same =
        family.name == name && code(family.kind) == *kind && family.labels.len() == usize::try_from(labels).ok()?;
    if !same {
        return None;
    }
    for label in family.labels {
        if read_bytes(rest)? != label.as_bytes() {
            return None;
        }
    }
    Some(family)
}

const fn code(kind: Kind) -> u8 {
    match kind {
        Kind::Counter => 0,
        Kind::Gauge => 1,
        Kind::Histogram => 2,
    }
}

/// A length that no snapshot reaches is written wrong, and then refused when it is read.
fn write_len(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_len(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(taken)
}

fn read_number(rest: &mut &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(take(rest, 4)?.try_into().ok()?))
}

fn read_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(read_number(rest)?).ok()?;
    take(rest, len)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;
    use crate::exposition::Page;
    use crate::exposition::checksum::Checksum;
    use crate::exposition::deflate::tests::gunzip;
    use crate::exposition::deflate::{Deflater, GZIP_HEADER};

    static JOBS: Family =
        Family { name: "netbackup_jobs", kind: Kind::Gauge, help: "Jobs.", labels: &["site", "type", "state"] };
    static DONE: Family =
        Family { name: "netbackup_done_total", kind: Kind::Counter, help: "Done.", labels: &["site", "type"] };
    static TOOK: Family =
        Family { name: "netbackup_took_seconds", kind: Kind::Histogram, help: "Took.", labels: &["site", "type"] };

    fn known(name: &str) -> Option<&'static Family> {
        [&JOBS, &DONE, &TOOK].into_iter().find(|family| family.name == name)
    }

    /// What an answer could be made of, and what a client makes of the compressed bytes. These may differ by an empty
    /// block, as the compressor's output happens to fit its buffer.
    fn pieces(rendered: &Rendered) -> Vec<(&'static str, String, String, Checksum)> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let of = |with_created| {
            rendered.pieces(with_created).map(|(family, piece)| {
                let mut member = [GZIP_HEADER.as_slice(), piece.deflated].concat();
                Deflater::swift().last_block(piece.checksum, b"", &mut member);
                (family.name, text(piece.plain.to_vec()), text(gunzip(&member)), piece.checksum)
            })
        };
        of(false).chain(of(true)).collect()
    }

    fn snapshot(with_created: bool) -> Rendered {
        let since = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let mut page = Page::new("paris").with_created(with_created);
        page.gauge(&JOBS, &["BACKUP", "\\\\odd\"\n"], f64::NEG_INFINITY);
        page.gauge(&JOBS, &["", ""], 1e300);
        page.counter_since(&DONE, &["BACKUP"], u64::MAX, since);
        page.counter(&DONE, &["RESTORE"], 0.5);
        page.histogram_since(&TOOK, &["BACKUP"], &[0.5, 60.0], &[1, 0, 2], 99.25, since);
        page.histogram(&TOOK, &["RESTORE"], &[0.5, 60.0], &[0, 0, 0], 0.0);
        page.finish()
    }

    prop_compose! {
        fn snapshots()(
            site in "\\PC{0,6}",
            with_created: bool,
            jobs in btree_map((r#"([\\"n\n,}]|\PC){0,6}"#, r#"[ -~\n\r]{0,6}"#), any::<f64>(), 0..6),
            done in btree_map(r#"([\\"n\n]|\PC){0,6}"#, (any::<u64>(), 0.0..1e300, any::<Option<u32>>()), 0..6),
            took in btree_map("[a-c \"]{0,3}", (any::<[u32; 4]>(), any::<f64>(), any::<Option<u32>>()), 0..6),
        ) -> Rendered {
            let time = |seconds| SystemTime::UNIX_EPOCH + Duration::from_millis(u64::from(seconds) * 321);
            let mut page = Page::new(&site).with_created(with_created);
            for ((a, b), value) in &jobs {
                page.gauge(&JOBS, &[a, b], *value);
            }
            for (label, (integer, float, since)) in &done {
                match since {
                    Some(since) => page.counter_since(&DONE, &[label], *integer, time(*since)),
                    None => page.counter(&DONE, &[label], *float),
                }
            }
            for (label, (counts, sum, since)) in &took {
                let (bounds, counts) = ([0.1, 1.0, 3600.0], counts.map(u64::from));
                match since {
                    Some(since) => page.histogram_since(&TOOK, &[label], &bounds, &counts, *sum, time(*since)),
                    None => page.histogram(&TOOK, &[label], &bounds, &counts, *sum),
                }
            }
            page.finish()
        }
    }

    proptest! {
        #[test]
        fn what_is_exported_comes_back(rendered in snapshots()) {
            let restored = Rendered::restore(&rendered.export(), known).unwrap();
            prop_assert_eq!(pieces(&restored), pieces(&rendered));
            prop_assert_eq!(restored.series(), rendered.series());
            prop_assert_eq!(restored.samples(true), rendered.samples(true));
        }

        #[test]
        fn any_bytes_are_survived(mut bytes in vec(any::<u8>(), 0..200), first: bool) {
            if let Some(byte) = bytes.first_mut().filter(|_| first) {
                *byte = VERSION;
            }
            let _ = Rendered::restore(&bytes, known);
        }

        /// A change either is refused or makes another snapshot that this release could have rendered.
        #[test]
        fn changed_bytes_are_refused_or_taken_whole(
            rendered in snapshots(),
            changes in vec((any::<prop::sample::Index>(), 0..4_u8, prop_oneof![any::<u8>(), b' '..b'~']), 1..4),
        ) {
            let mut bytes = rendered.export();
            for (at, how, byte) in changes {
                let at = at.index(bytes.len() + 1);
                match how {
                    0 => bytes.insert(at, byte),
                    1 => bytes.truncate(at),
                    2 if at < bytes.len() => drop(bytes.remove(at)),
                    _ => bytes.get_mut(at).into_iter().for_each(|old| *old = byte),
                }
            }
            if let Some(restored) = Rendered::restore(&bytes, known) {
                prop_assert_eq!(restored.export(), bytes);
            }
        }

        /// As above, with lengths that fit, so that the samples themselves are judged.
        #[test]
        fn changed_samples_are_refused_or_taken_whole(
            at in any::<prop::sample::Index>(),
            removed in 0..40_usize,
            inserted in r#"([a-z0-9_{}=,"\\ .\n]|_created|\PC){0,6}"#,
        ) {
            for (family, piece) in snapshot(true).pieces(true) {
                let mut samples = piece.plain.to_vec();
                let at = at.index(samples.len());
                samples.splice(at..(at + removed).min(samples.len()), inserted.bytes());
                let bytes = encoded(family.name, family.kind, family.labels, &samples);
                if let Some(restored) = Rendered::restore(&bytes, known) {
                    prop_assert_eq!(restored.export(), bytes);
                }
            }
        }
    }

    /// One family as it is kept.
    fn encoded(name: &str, kind: Kind, labels: &[&str], samples: &[u8]) -> Vec<u8> {
        let mut out = vec![VERSION, 1, 0, 0, 0];
        write_bytes(&mut out, name.as_bytes());
        out.push(code(kind));
        write_len(&mut out, labels.len());
        labels.iter().for_each(|label| write_bytes(&mut out, label.as_bytes()));
        write_bytes(&mut out, samples);
        out
    }

    #[test]
    fn snapshots_of_every_kind_come_back() {
        for rendered in [snapshot(true), snapshot(false), Page::new("paris").finish()] {
            let restored = Rendered::restore(&rendered.export(), known).unwrap();
            assert_eq!(pieces(&restored), pieces(&rendered));
        }
        let (with, without) = (snapshot(true), snapshot(false));
        assert_eq!(with.samples(true), without.samples(true) + 2);
        assert!(Rendered::restore(&without.export(), known).unwrap().pieces(true).eq(without.pieces(false)));
    }

    #[test]
    fn the_value_of_a_family_with_one_series_can_be_read() {
        static END: Family = Family { name: "netbackup_end", kind: Kind::Gauge, help: "End.", labels: &["site"] };
        let mut page = Page::new("a } 1");
        page.gauge(&END, &[], 1_764_194_404.125);
        page.gauge(&JOBS, &["a", "b"], 1.0);
        page.gauge(&JOBS, &["a", "c"], 1.0);
        let restored = Rendered::restore(&page.finish().export(), |name| known(name).or(Some(&END))).unwrap();
        let values = [&END, &JOBS, &DONE].map(|family| restored.value(family));
        assert_eq!(values, [Some(1_764_194_404.125), None, None]);
    }

    #[test]
    fn every_cut_and_every_byte_more_is_refused() {
        let mut bytes = snapshot(true).export();
        for len in 0..bytes.len() {
            assert!(Rendered::restore(&bytes[..len], known).is_none(), "cut at {len}");
        }
        bytes.push(0);
        assert!(Rendered::restore(&bytes, known).is_none());
    }

    #[test]
    fn what_this_release_knows_otherwise_is_refused() {
        static AS_GAUGE: Family = Family { kind: Kind::Gauge, ..DONE };
        static OTHER_LABEL: Family = Family { labels: &["site", "job_type"], ..DONE };
        static MORE_LABELS: Family = Family { labels: &["site", "type", "state"], ..DONE };
        static FEWER_LABELS: Family = Family { labels: &["site"], ..DONE };
        static OTHER_NAME: Family = Family { name: "netbackup_other_total", ..DONE };
        static OTHER_HELP: Family = Family { help: "Another text.", ..DONE };
        let bytes = encoded(DONE.name, DONE.kind, DONE.labels, b"netbackup_done_total{site=\"p\",type=\"a\"} 1\n");
        let restore = |family: Option<&'static Family>| Rendered::restore(&bytes, |_| family);
        for family in [&AS_GAUGE, &OTHER_LABEL, &MORE_LABELS, &FEWER_LABELS, &OTHER_NAME] {
            assert!(restore(Some(family)).is_none(), "{family:?}");
        }
        assert!(restore(None).is_none(), "the family is gone");
        assert_eq!(restore(Some(&DONE)).unwrap().series(), 1);
        let text = restore(Some(&OTHER_HELP)).unwrap().text();
        assert!(text.starts_with("# HELP netbackup_done_total Another text.\n"), "headers are this release's: {text}");
    }

    #[test]
    fn families_out_of_order_or_twice_and_other_versions_are_refused() {
        let family = |family: &Family, samples: &str| {
            encoded(family.name, family.kind, family.labels, samples.as_bytes()).split_off(5)
        };
        let done = family(&DONE, "netbackup_done_total{site=\"p\",type=\"a\"} 1\n");
        let jobs = family(&JOBS, "netbackup_jobs{site=\"p\",type=\"a\",state=\"b\"} 1\n");
        let restore = |version, families: [&[u8]; 2]| {
            Rendered::restore(&[&[version, 2, 0, 0, 0], families.concat().as_slice()].concat(), known)
        };
        assert_eq!(restore(VERSION, [&done, &jobs]).unwrap().series(), 2);
        assert!(restore(VERSION + 1, [&done, &jobs]).is_none());
        assert!(restore(VERSION, [&jobs, &done]).is_none());
        assert!(restore(VERSION, [&done, &done]).is_none());
        assert!(Rendered::restore(&encoded(DONE.name, DONE.kind, DONE.labels, b""), known).is_none());
    }
}
