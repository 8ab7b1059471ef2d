//! Files in memory, damaged in every way.

use proptest::prelude::*;

use super::super::format::{header, write_frame};
use super::*;

const VERSION: u32 = 7;
const NAME: &str = "jobs";

/// A frame, as it is visited.
type Visited = Vec<(Part, Vec<u8>)>;

/// A file and where its base ends.
fn file(base: &[Vec<u8>], changes: &[Vec<u8>]) -> (Vec<u8>, u64) {
    let mut bytes = header(VERSION, NAME).unwrap();
    for frame in base {
        write_frame(&mut bytes, Kind::Base, frame).unwrap();
    }
    write_frame(&mut bytes, Kind::BaseEnd, &(base.len() as u64).to_le_bytes()).unwrap();
    let end = bytes.len() as u64;
    for frame in changes {
        write_frame(&mut bytes, Kind::Change, frame).unwrap();
    }
    (bytes, end)
}

fn frames(base: &[Vec<u8>], changes: &[Vec<u8>]) -> Visited {
    let base = base.iter().map(|frame| (Part::Base, frame.clone()));
    base.chain(changes.iter().map(|frame| (Part::Change, frame.clone()))).collect()
}

fn read(bytes: &[u8]) -> (Visited, Result<Walked, Flaw>) {
    let mut visited = Vec::new();
    let walked = walk(bytes, bytes.len() as u64, VERSION, NAME, &mut |part, payload| {
        visited.push((part, payload.to_vec()));
        Ok(())
    });
    (visited, walked)
}

fn small() -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let base = vec![b"first".to_vec(), Vec::new(), vec![0; 20]];
    (base, vec![b"a".to_vec(), Vec::new(), b"the last one".to_vec()])
}

/// Why a file cannot be used.
fn refusal(bytes: &[u8]) -> String {
    read(bytes).1.unwrap_err().to_string()
}

#[test]
fn what_was_written_is_read() {
    let (base, changes) = small();
    let (bytes, end) = file(&base, &changes);
    let (visited, walked) = read(&bytes);
    assert_eq!(visited, frames(&base, &changes));
    assert_eq!(walked.unwrap(), Walked { base: end, good: bytes.len() as u64, tail: Tail::None });
}

#[test]
fn every_wrong_bit_is_found() {
    let (base, changes) = small();
    let (bytes, end) = file(&base, &changes);
    let written = frames(&base, &changes);
    for position in 0..bytes.len() {
        for bit in 0..8 {
            let mut bytes = bytes.clone();
            bytes[position] ^= 1 << bit;
            let (visited, walked) = read(&bytes);
            assert!(written.starts_with(&visited), "byte {position}, bit {bit}");
            match walked {
                Ok(Walked { good, tail: Tail::Damaged(_), .. }) => {
                    assert!(end <= good && good <= position as u64, "byte {position}, bit {bit}");
                }
                Ok(walked) => panic!("byte {position}, bit {bit} passes for {walked:?}"),
                Err(_) => assert!((position as u64) < end, "byte {position}, bit {bit} spoils the base"),
            }
        }
    }
}

#[test]
fn a_file_may_end_anywhere() {
    let (base, changes) = small();
    let (bytes, end) = file(&base, &changes);
    let written = frames(&base, &changes);
    for length in 0..bytes.len() {
        let (visited, walked) = read(&bytes[..length]);
        assert!(written.starts_with(&visited), "{length} bytes");
        match walked {
            Ok(walked) if walked.good == length as u64 => assert_eq!(walked.tail, Tail::None),
            Ok(walked) => assert_eq!(walked.tail, Tail::Torn, "{length} bytes"),
            Err(_) => assert!((length as u64) < end, "{length} bytes"),
        }
    }
}

#[test]
fn zeros_at_the_end_are_a_torn_tail_and_a_hole_is_damage() {
    let (base, changes) = small();
    let (bytes, _) = file(&base, &changes);
    for zeros in [1, 12, 13, 14, 4096, CHUNK + 14, 3 * CHUNK] {
        let mut bytes = bytes.clone();
        let good = bytes.len() as u64;
        bytes.resize(bytes.len() + zeros, 0);
        assert_eq!(read(&bytes).1.unwrap().tail, Tail::Torn, "{zeros} zeros");
        bytes.push(1);
        let walked = read(&bytes).1.unwrap();
        assert_eq!(walked.good, good);
        // Fewer bytes than a frame's beginning are no frame, whatever they are.
        assert_eq!(matches!(walked.tail, Tail::Damaged(_)), zeros >= 12, "{zeros} zeros");
    }
}

#[test]
fn a_length_is_no_reason_to_take_memory() {
    let (mut bytes, _) = file(&[], &[]);
    for length in [u32::MAX, 16 * 1024 * 1024 + 1, 16 * 1024 * 1024] {
        let good = bytes.len();
        bytes.extend([length, !length, 0].map(u32::to_le_bytes).concat());
        bytes.extend([3, 1, 2]);
        let mut reader = Reader { input: &bytes[good..], length: 16, at: 0, payload: Vec::new() };
        let frame = reader.frame().unwrap();
        assert!(matches!(frame, Frame::Torn) == (length == 16 * 1024 * 1024) && !matches!(frame, Frame::Good(_)));
        assert_eq!(reader.payload.capacity(), 0);
        bytes.truncate(good);
    }
    let too_large = vec![0; LARGEST_FRAME + 1];
    assert!(write_frame(&mut Vec::new(), Kind::Change, &too_large).is_err());
    assert!(write_frame(&mut Vec::new(), Kind::Change, &too_large[1..]).is_ok());
}

#[test]
fn foreign_files_are_told_apart() {
    let (bytes, _) = file(&[], &[]);
    let other = |version, name| header(version, name).unwrap();
    assert!(refusal(b"").contains("no state file"));
    assert!(refusal(&[b'x'; 100]).contains("no state file"));
    assert!(refusal(&other(8, NAME)).contains("contents have version 8, this exporter reads 7"));
    assert!(refusal(&other(VERSION, "storage")).contains(r#"holds "storage" and not "jobs""#));
    let mut foreign = bytes.clone();
    foreign[8] = 2;
    assert!(refusal(&foreign).contains("layout has version 2, this exporter reads 1"));
    let mut damaged = bytes;
    damaged[12] = 8;
    assert!(refusal(&damaged).contains("header is damaged"));
    assert!(header(VERSION, &"x".repeat(256)).is_err());
}

#[test]
fn frames_out_of_place_are_damage() {
    let (whole, end) = file(&[b"b".to_vec()], &[]);
    let second = |kind| {
        let mut bytes = whole.clone();
        write_frame(&mut bytes, kind, b"second").unwrap();
        read(&bytes).1.unwrap()
    };
    for kind in [Kind::Base, Kind::BaseEnd] {
        assert!(matches!(second(kind), Walked { good, tail: Tail::Damaged(_), .. } if good == end));
    }
    let mut bytes = header(VERSION, NAME).unwrap();
    let good = bytes.len();
    write_frame(&mut bytes, Kind::Change, b"too early").unwrap();
    assert!(refusal(&bytes).contains("part of its base is missing"));
    bytes.truncate(good);
    // Two frames were written, none is there.
    write_frame(&mut bytes, Kind::BaseEnd, &2_u64.to_le_bytes()).unwrap();
    assert!(refusal(&bytes).contains("part of its base is missing"));
}

#[test]
fn a_visitor_may_refuse_or_panic() {
    let (base, changes) = small();
    let (bytes, end) = file(&base, &changes);
    let stop_at = |count: usize, how: fn() -> Result<(), Unreadable>| {
        let mut seen = 0;
        walk(&bytes[..], bytes.len() as u64, VERSION, NAME, &mut |_, _| {
            seen += 1;
            assert!(seen <= count, "it is not called again");
            if seen == count { how() } else { Ok(()) }
        })
    };
    let refuse = || Err(Unreadable("no such job"));
    assert!(stop_at(2, refuse).unwrap_err().to_string().contains("no such job"));
    let walked = stop_at(4, refuse).unwrap();
    assert_eq!((walked.base, walked.good), (end, end));
    assert!(matches!(walked.tail, Tail::Damaged(why) if why.contains("no such job")));
    // `resume_unwind` is a panic that does not print itself.
    for count in [1, 3, 4, 6] {
        let flaw = stop_at(count, || std::panic::resume_unwind(Box::new(()))).unwrap_err();
        assert!(flaw.to_string().contains("defect"), "{flaw}");
    }
}

proptest! {
    #[test]
    fn random_bytes_are_no_state(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        start in 0_usize..3,
    ) {
        // At the start, after a good header, and after a good base.
        let whole = match start {
            0 => bytes,
            1 => [header(VERSION, NAME).unwrap(), bytes].concat(),
            _ => [file(&[b"base".to_vec()], &[]).0, bytes].concat(),
        };
        let (visited, _) = read(&whole);
        prop_assert!(visited.len() <= usize::from(start == 2));
    }

    #[test]
    fn damage_never_makes_up_a_frame(
        base in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..6),
        changes in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..6),
        place in any::<proptest::sample::Index>(),
        damage in proptest::collection::vec(any::<u8>(), 1..30),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let (good, end) = file(&base, &changes);
        let mut bytes = good.clone();
        let place = place.index(bytes.len());
        for (byte, wrong) in bytes[place..].iter_mut().zip(&damage) {
            *byte = *wrong;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let (visited, walked) = read(&bytes);
        prop_assert!(frames(&base, &changes).starts_with(&visited));
        let spoilt = good.iter().zip(&bytes).any(|(good, byte)| good != byte);
        if let (true, Ok(walked)) = (spoilt, walked) {
            prop_assert!(walked.tail != Tail::None);
            let first = good.iter().zip(&bytes).position(|(good, byte)| good != byte).unwrap();
            prop_assert!(walked.good <= first as u64 && first as u64 >= end);
        }
    }
}
