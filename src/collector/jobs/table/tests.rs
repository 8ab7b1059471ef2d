//! The table against a map, its chains against a recount, and its size.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn record(id: u64, files: u64, end_ms: i64, done: bool) -> Record {
    Record {
        id,
        end_ms,
        kilobytes: 0,
        files,
        status: None,
        job_type: Name::default(),
        policy_type: Name::default(),
        stamp: 0,
        has_end: true,
        has_kilobytes: false,
        has_files: true,
        done,
        in_gauges: false,
        gone: false,
    }
}

proptest! {
    #[test]
    fn behaves_like_a_map_and_chains_by_time(
        steps in proptest::collection::vec((0_u64..40, 0_u8..4, 0_u64..1 << 48, 0_i64..6, any::<bool>()), 0..600),
    ) {
        let (mut table, mut model) = (JobTable::default(), BTreeMap::new());
        for (id, what, files, stretch, done) in steps {
            if what > 0 {
                let status = Some(i32::try_from(files % 3).unwrap());
                let record = Record { status, ..record(id, files, stretch * STRETCH_MS + 7, done) };
                table.put(&record);
                model.insert(id, record);
            } else {
                prop_assert_eq!(table.remove(id), model.remove(&id));
            }
            prop_assert_eq!(table.len(), model.len());
            prop_assert_eq!(table.get(id), model.get(&id).copied());
        }
        for stretch in 0..6 {
            let mut chained: Vec<Record> = table.in_stretch(stretch).collect();
            chained.sort_by_key(|record| record.id);
            let expected: Vec<Record> =
                model.values().filter(|record| record.stretch() == stretch).copied().collect();
            for kind in Kind::ALL {
                let is_kind = |record: &&Record| kind.status().is_none() || record.status == kind.status();
                let listed = expected.iter().filter(|record| record.is_listed()).filter(is_kind).count() as u64;
                prop_assert_eq!(table.listed(stretch..stretch + 1, i64::MAX, kind).map(|(_, n)| n).sum::<u64>(), listed);
            }
            prop_assert_eq!(chained, expected);
        }
        prop_assert_eq!(table.iter().count(), model.len());
    }

    #[test]
    fn every_field_comes_back(
        id: u64, end_ms in 0_i64..1 << 42, kilobytes in 0_u64..1 << 43, files in 0_u64..1 << 48,
        status: Option<i32>, stamp: u16, flags: [bool; 6],
    ) {
        let [has_end, has_kilobytes, has_files, done, in_gauges, gone] = flags;
        let record = Record {
            end_ms, kilobytes, files, status, stamp, has_end, has_kilobytes, has_files, done, in_gauges, gone,
            ..record(id, 0, 0, false)
        };
        prop_assert_eq!(Packed::new(&record).unpack(), record);
    }
}

#[test]
fn a_job_costs_at_most_64_bytes() {
    assert!(size_of::<Place>() <= 48, "{}", size_of::<Place>());
    let mut table = JobTable::default();
    let jobs = 1_000_000_u64;
    for id in 0..jobs {
        table.put(&record(id * 5 / 4, 1, i64::try_from(id).unwrap() * 86, true));
    }
    // The slab grows by doubling; what it has not used yet is no memory of the process.
    let used = table.bytes() - (table.places.capacity() - table.places.len()) * size_of::<Place>();
    assert!(used <= 64 * 1_000_000, "{} bytes a job", used / 1_000_000);
}
