//! Stores on a real disk: what is saved, what is read again, and what is said when something is wrong.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::store::Open;
use super::*;
use crate::telemetry::Recorder;

const VERSION: u32 = 3;

/// A state directory that is gone after the test.
struct Place {
    temporary: TempDir,
    directory: Directory,
}

impl Place {
    fn new() -> Place {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Directory::open(&temporary.path().join("state")).unwrap();
        Place { temporary, directory }
    }

    fn store(&self) -> Store {
        self.directory.store("paris", "jobs")
    }

    /// A store with the given contents, on the disk.
    fn written(&self, base: &[&str], changes: &[&str]) -> Store {
        let mut store = self.store();
        rewrite(&mut store, base).unwrap();
        for change in changes {
            store.append(change.as_bytes()).unwrap();
        }
        store
    }

    /// Names of the files beside the state file.
    fn others(&self) -> Vec<String> {
        let folder = self.store().path().parent().unwrap().to_owned();
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != "jobs.state");
        names.sort();
        names
    }
}

fn rewrite(store: &mut Store, base: &[&str]) -> io::Result<()> {
    store.rewrite(VERSION, &mut |writer| base.iter().try_for_each(|frame| writer.frame(frame.as_bytes())))
}

/// `b:` and `c:` before frames of base and changes.
fn load(store: &mut Store) -> (Loaded, Vec<String>) {
    let mut visited = Vec::new();
    let loaded = store.load(VERSION, &mut |part, payload| {
        let part = if part == Part::Base { 'b' } else { 'c' };
        visited.push(format!("{part}:{}", String::from_utf8(payload.to_vec()).unwrap()));
        Ok(())
    });
    (loaded, visited)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `body` logs at info and above, and how often it counted a failed save and a file set aside.
fn noted(body: impl FnOnce()) -> (Vec<String>, [u64; 2]) {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber =
        tracing_subscriber::fmt().with_ansi(false).without_time().with_writer(move || writer.clone()).finish();
    let (recorder, reader) = Recorder::local();
    metrics::with_local_recorder(&recorder, || tracing::subscriber::with_default(subscriber, body));
    let text = reader.own_metrics()();
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
        line.parse().unwrap()
    };
    let counts =
        ["netbackup_exporter_state_save_failures_total", "netbackup_exporter_state_set_aside_total"].map(value);
    let lines = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    (lines.lines().map(|line| line.trim_start().to_owned()).collect(), counts)
}

#[test]
fn what_is_saved_is_read_again_and_goes_on() {
    let place = Place::new();
    let mut store = place.store();
    assert_eq!(load(&mut store), (Loaded::Nothing, vec![]));
    assert!(store.wants_rewrite() && !store.path().parent().unwrap().exists(), "reading makes nothing");
    assert!(store.append(b"too early").is_err());
    rewrite(&mut store, &["one", "", "two"]).unwrap();
    assert!(!store.wants_rewrite());
    store.append(b"three").unwrap();

    let mut store = place.store();
    assert_eq!(load(&mut store), (Loaded::Whole, ["b:one", "b:", "b:two", "c:three"].map(Into::into).to_vec()));
    assert!(!store.wants_rewrite());
    store.append(b"four").unwrap();
    let expected = (Loaded::Whole, ["b:one", "b:", "b:two", "c:three", "c:four"].map(Into::into).to_vec());
    assert_eq!(load(&mut place.store()), expected);
    // The same store again.
    assert_eq!(load(&mut store), expected);

    rewrite(&mut store, &["all"]).unwrap();
    store.append(b"five").unwrap();
    assert_eq!(load(&mut place.store()), (Loaded::Whole, ["b:all", "c:five"].map(Into::into).to_vec()));
    assert_eq!(place.others(), Vec::<String>::new());
}

#[test]
fn stores_keep_to_themselves_and_to_their_owner() {
    let place = Place::new();
    let sites = ["paris", "..", "lock"];
    for site in sites {
        for name in ["jobs", "storage"] {
            rewrite(&mut place.directory.store(site, name), &[site, name]).unwrap();
        }
    }
    for site in sites {
        for name in ["jobs", "storage"] {
            let mut store = place.directory.store(site, name);
            let expected = vec![format!("b:{site}"), format!("b:{name}")];
            assert_eq!(load(&mut store), (Loaded::Whole, expected));
            assert_eq!(mode(store.path()), 0o600);
            assert_eq!(mode(store.path().parent().unwrap()), 0o700);
        }
    }
    assert_eq!(fs::read_dir(place.temporary.path()).unwrap().count(), 1, "nothing beside the directory");
}

#[test]
fn a_base_is_written_again_when_changes_outweigh_it() {
    let place = Place::new();
    let mut store = place.written(&["small"], &[]);
    let change = vec![7; 60 * 1024];
    for _ in 0..4 {
        store.append(&change).unwrap();
        assert!(!store.wants_rewrite(), "less than 256 KiB are few");
    }
    store.append(&change).unwrap();
    assert!(store.wants_rewrite());
    // The answer is the same after a restart.
    let mut store = place.store();
    assert_eq!(store.load(VERSION, &mut |_, _| Ok(())), Loaded::Whole);
    assert!(store.wants_rewrite());
    store.rewrite(VERSION, &mut |writer| (0..10).try_for_each(|_| writer.frame(&change))).unwrap();
    for _ in 0..9 {
        store.append(&change).unwrap();
        assert!(!store.wants_rewrite(), "less than the base");
    }
    store.append(&change).unwrap();
    store.append(&change).unwrap();
    assert!(store.wants_rewrite());
}

#[test]
fn a_torn_tail_is_cut_off_without_a_word() {
    let place = Place::new();
    let path = place.written(&["base"], &["first"]).path().to_owned();
    let good = fs::metadata(&path).unwrap().len();
    place.written(&["base"], &["first", "the last change"]);
    let whole = fs::read(&path).unwrap();
    let good = usize::try_from(good).unwrap();
    let cut = (good..=whole.len()).map(|length| (length, 0));
    for (length, zeros) in cut.chain([(good, 1), (good, 5000), (whole.len(), 1), (whole.len(), 5000)]) {
        let mut expected = vec!["b:base".to_owned(), "c:first".into()];
        expected.extend((length == whole.len()).then(|| "c:the last change".into()));
        fs::write(&path, [&whole[..length], &vec![0; zeros]].concat()).unwrap();
        let mut store = place.store();
        let noted = noted(|| {
            assert_eq!(load(&mut store), (Loaded::Whole, expected.clone()), "{length} bytes and {zeros} zeros");
            assert!(!store.wants_rewrite());
            store.append(b"next").unwrap();
            expected.push("c:next".into());
            assert_eq!(load(&mut place.store()), (Loaded::Whole, expected));
        });
        assert_eq!(noted, (vec![], [0, 0]));
    }
    assert_eq!(place.others(), Vec::<String>::new());
}

#[test]
fn every_wrong_byte_is_found_kept_and_survived() {
    let written = ["b:base", "b:more", "c:first", "c:second"].map(str::to_owned);
    let place = Place::new();
    let path = place.written(&["base", "more"], &[]).path().to_owned();
    let end_of_base = fs::metadata(&path).unwrap().len();
    place.written(&["base", "more"], &["first", "second"]);
    let whole = fs::read(&path).unwrap();
    for position in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[position] ^= 0x55;
        fs::write(&path, &bytes).unwrap();
        let mut store = place.store();
        let (lines, counts) = noted(|| {
            let (loaded, visited) = load(&mut store);
            assert!(written.starts_with(&visited), "byte {position}: {visited:?}");
            if (position as u64) < end_of_base {
                assert_eq!(loaded, Loaded::SetAside, "byte {position}");
                assert!(store.wants_rewrite() && !path.exists());
                rewrite(&mut store, &["anew"]).unwrap();
                assert_eq!(load(&mut place.store()), (Loaded::Whole, vec!["b:anew".into()]));
            } else {
                assert_eq!(loaded, Loaded::Prefix, "byte {position}");
                assert!(!store.wants_rewrite());
                store.append(b"next").unwrap();
                let expected = [visited, vec!["c:next".into()]].concat();
                assert_eq!(load(&mut place.store()), (Loaded::Whole, expected));
            }
        });
        assert_eq!(counts, [0, 1], "byte {position}");
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with("ERROR") && lines[0].contains(&*path.to_string_lossy()), "{lines:?}");
        let [aside] = &place.others()[..] else { panic!("{:?}", place.others()) };
        assert!(aside.starts_with("jobs.state.set-aside-") && lines[0].contains(aside.as_str()), "{lines:?}");
        let aside = path.with_file_name(aside);
        assert_eq!(fs::read(&aside).unwrap(), bytes);
        fs::remove_file(aside).unwrap();
    }
}

#[test]
fn files_set_aside_in_one_second_have_names_of_their_own() {
    let place = Place::new();
    for count in 1..=5 {
        let store = place.written(&["base"], &[]);
        fs::write(store.path(), format!("nonsense {count}")).unwrap();
        assert_eq!(load(&mut place.store()).0, Loaded::SetAside);
        assert_eq!(place.others().len(), count);
    }
    let folder = place.store().path().parent().unwrap().to_owned();
    let mut texts: Vec<String> =
        place.others().iter().map(|name| fs::read_to_string(folder.join(name)).unwrap()).collect();
    texts.sort();
    assert_eq!(texts, [1, 2, 3, 4, 5].map(|count| format!("nonsense {count}")));
}

#[test]
fn foreign_files_are_set_aside_with_the_reason() {
    let place = Place::new();
    let reason_for = |spoil: &dyn Fn(&mut Store)| {
        let mut store = place.written(&["base"], &["change"]);
        spoil(&mut store);
        let (lines, counts) = noted(|| assert_eq!(load(&mut place.store()), (Loaded::SetAside, vec![])));
        assert_eq!((lines.len(), counts), (1, [0, 1]), "{lines:?}");
        lines[0].clone()
    };
    let line = reason_for(&|store| store.rewrite(VERSION + 1, &mut |writer| writer.frame(b"new")).unwrap());
    assert!(line.contains("contents have version 4, this exporter reads 3") && line.contains("new baseline"), "{line}");
    let line = reason_for(&|store| {
        let mut other = place.directory.store("paris", "storage");
        rewrite(&mut other, &["x"]).unwrap();
        fs::rename(other.path(), store.path()).unwrap();
    });
    assert!(line.contains("storage"), "{line}");
    let line = reason_for(&|store| fs::write(store.path(), "{}").unwrap());
    assert!(line.contains("no state file"), "{line}");
    let line = reason_for(&|store| fs::write(store.path(), "").unwrap());
    assert!(line.contains("no state file"), "{line}");
    let line = reason_for(&|store| {
        fs::remove_file(store.path()).unwrap();
        fs::create_dir(store.path()).unwrap();
    });
    assert!(line.contains("cannot be opened"), "{line}");
    let line = reason_for(&|store| {
        fs::remove_file(store.path()).unwrap();
        symlink("/dev/zero", store.path()).unwrap();
    });
    assert!(line.contains("not a regular file"), "{line}");
}

#[test]
fn a_visitor_may_refuse_or_panic() {
    let place = Place::new();
    let refuse = |at: &'static str| {
        let mut store = place.store();
        let loaded = store.load(VERSION, &mut |_, payload| match payload == at.as_bytes() {
            true if at.starts_with("panic") => std::panic::resume_unwind(Box::new(())),
            true => Err(Unreadable("not today")),
            false => Ok(()),
        });
        (loaded, store.wants_rewrite())
    };
    let write = || drop(place.written(&["base", "panic base"], &["first", "second", "panic change"]));
    write();
    assert_eq!(refuse("base"), (Loaded::SetAside, true));
    write();
    assert_eq!(refuse("panic base"), (Loaded::SetAside, true));
    write();
    assert_eq!(refuse("panic change"), (Loaded::SetAside, true), "nobody knows what it has done by then");
    write();
    assert_eq!(refuse("second"), (Loaded::Prefix, false));
    assert_eq!(load(&mut place.store()).1, ["b:base", "b:panic base", "c:first"]);
    assert_eq!(place.others().len(), 4);
}

#[test]
fn leftovers_of_a_crash_are_removed() {
    let place = Place::new();
    let mut store = place.written(&["base"], &[]);
    let leftover = store.temporary();
    fs::write(&leftover, "half").unwrap();
    assert_eq!(load(&mut place.store()).0, Loaded::Whole);
    assert!(!leftover.exists());
    // A link that somebody has put there is removed and not followed.
    let target = place.temporary.path().join("precious");
    fs::write(&target, "precious").unwrap();
    symlink(&target, &leftover).unwrap();
    rewrite(&mut store, &["base"]).unwrap();
    assert_eq!(fs::read_to_string(target).unwrap(), "precious");
    assert!(!leftover.exists() && fs::symlink_metadata(store.path()).unwrap().is_file());
}

#[test]
fn a_rewrite_that_fails_leaves_the_old_file() {
    let place = Place::new();
    let mut store = place.written(&["base"], &["change"]);
    let too_large = vec![0; LARGEST_FRAME + 1];
    let (lines, counts) = noted(|| {
        assert!(store.rewrite(VERSION, &mut |_| Err(io::Error::other("no"))).is_err());
        assert!(store.wants_rewrite());
        assert!(store.append(b"not before a rewrite").is_err());
        // An error that is not handed on is one all the same.
        let swallowed = store.rewrite(VERSION, &mut |writer| {
            assert!(writer.frame(&too_large).is_err());
            writer.frame(b"what comes after")
        });
        assert!(swallowed.is_err());
        // In the way of the temporary file.
        fs::create_dir(store.temporary()).unwrap();
        assert!(rewrite(&mut store, &["new"]).is_err());
        fs::remove_dir(store.temporary()).unwrap();
    });
    assert_eq!((lines.len(), counts), (1, [4, 0]), "said once, counted each time: {lines:?}");
    assert!(
        lines[0].starts_with("ERROR") && lines[0].contains("paris") && lines[0].contains("jobs.state"),
        "{lines:?}"
    );
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        store.rewrite(VERSION, &mut |_| std::panic::resume_unwind(Box::new(())))
    }));
    assert!(panicked.is_err() && store.wants_rewrite());
    assert_eq!(load(&mut place.store()), (Loaded::Whole, vec!["b:base".into(), "c:change".into()]));
    assert_eq!(place.others(), Vec::<String>::new());
    let (lines, counts) = noted(|| {
        rewrite(&mut store, &["new"]).unwrap();
        store.append(b"works").unwrap();
    });
    assert_eq!((lines.len(), counts), (1, [0, 0]));
    assert!(lines[0].starts_with("INFO") && lines[0].contains("saved again"), "{lines:?}");
}

/// A device that takes no byte, as a full disk does.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_counted_and_survived() {
    let full = || File::options().read(true).write(true).open("/dev/full").unwrap();
    let place = Place::new();
    let mut store = place.written(&["base"], &[]);
    fs::remove_file(store.path()).unwrap();
    symlink("/dev/full", store.path()).unwrap();
    store.open = Some(Open { file: full(), base: 0, end: 0 });
    let (lines, counts) = noted(|| {
        let error = store.append(b"change").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(store.wants_rewrite());
        assert!(store.append(b"change").is_err());
    });
    assert_eq!((lines.len(), counts), (1, [2, 0]), "{lines:?}");
    assert!(lines[0].contains("make room"), "{lines:?}");
    // A small base fails when it is flushed, a large one before.
    for size in [1, 1_000_000] {
        let written = super::base::write_base(full(), VERSION, "jobs", &mut |writer| writer.frame(&vec![0; size]));
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
    rewrite(&mut store, &["anew"]).unwrap();
    store.append(b"works").unwrap();
    assert_eq!(load(&mut place.store()), (Loaded::Whole, vec!["b:anew".into(), "c:works".into()]));
}

#[test]
fn a_partial_frame_is_cut_off_or_written_over() {
    let place = Place::new();
    let mut store = place.written(&["base"], &["change"]);
    // As if an append had broken off in the middle, and cutting it off had failed.
    let open = store.open.as_ref().unwrap();
    open.file.write_all_at(b"half a frame", open.end).unwrap();
    assert!(store.append(b"next").is_err(), "the file is not as this store left it");
    assert!(store.wants_rewrite());
    assert_eq!(load(&mut place.store()), (Loaded::Whole, vec!["b:base".into(), "c:change".into()]));
}

#[test]
fn a_directory_that_is_deleted_is_noticed_and_made_again() {
    let place = Place::new();
    let mut store = place.written(&["base"], &[]);
    let root = place.directory.path().to_owned();
    type Notice = fn(&mut Store);
    let notices: [Notice; 2] =
        [|store| assert!(store.append(b"lost").is_err()), |store| store.touch(SystemTime::now())];
    for notice in notices {
        fs::remove_dir_all(&root).unwrap();
        assert!(!store.wants_rewrite());
        let (lines, counts) = noted(|| {
            notice(&mut store);
            assert!(store.wants_rewrite());
            rewrite(&mut store, &["again"]).unwrap();
        });
        assert_eq!(counts, [1, 0]);
        assert!(lines.len() == 2 && lines[0].contains("removed or replaced"), "{lines:?}");
        assert_eq!((mode(&root), mode(store.path())), (0o700, 0o600));
        assert!(matches!(Directory::open(&root), Err(OpenError::InUse { .. })), "the lock is held again");
    }
    // Another process has taken the directory meanwhile: nothing of it is touched.
    fs::remove_dir_all(&root).unwrap();
    let other = Directory::open(&root).unwrap();
    let mut theirs = other.store("paris", "jobs");
    rewrite(&mut theirs, &["theirs"]).unwrap();
    assert!(store.append(b"ours").is_err());
    assert!(rewrite(&mut store, &["ours"]).is_err());
    assert_eq!(load(&mut theirs), (Loaded::Whole, vec!["b:theirs".into()]));
}

#[test]
fn a_second_writer_is_noticed() {
    let place = Place::new();
    let mut first = place.written(&["base"], &[]);
    let mut second = place.store();
    assert_eq!(load(&mut second).0, Loaded::Whole);
    second.append(b"by the second").unwrap();
    assert!(first.append(b"by the first").is_err());
    rewrite(&mut first, &["all"]).unwrap();
    assert!(second.append(b"by the second").is_err());
    assert_eq!(load(&mut place.store()), (Loaded::Whole, vec!["b:all".into()]));
}

#[test]
fn the_time_of_a_file_counts_only_when_we_have_set_it() {
    let place = Place::new();
    let mut store = place.store();
    store.touch(SystemTime::now());
    assert_eq!(store.touched(), None, "there is no file");
    rewrite(&mut store, &["base"]).unwrap();
    let at = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789);
    let shown = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
    let size = fs::metadata(store.path()).unwrap().len();
    let written = fs::metadata(store.path()).unwrap().modified().unwrap();
    store.touch(at);
    assert_eq!(store.touched(), Some(shown));
    let metadata = fs::metadata(store.path()).unwrap();
    assert_eq!((metadata.len(), metadata.modified().unwrap()), (size, written), "nothing is written");
    let mut again = place.store();
    assert_eq!(load(&mut again).0, Loaded::Whole);
    assert_eq!(again.touched(), Some(shown), "reading changes nothing");

    let file = File::options().write(true).open(store.path()).unwrap();
    file.set_times(fs::FileTimes::new().set_accessed(at)).unwrap();
    assert_eq!(again.touched(), None, "somebody else has set it");
    store.touch(SystemTime::now() + Duration::from_secs(3600));
    assert_eq!(store.touched(), None, "it is yet to come");
    store.touch(SystemTime::UNIX_EPOCH - Duration::from_secs(1));
    assert_eq!(store.touched(), None);
    store.touch(at);
    assert_eq!(store.touched(), Some(shown));
    store.broken = true;
    store.touch(at + Duration::from_secs(1));
    assert_eq!(store.touched(), None, "what is broken is not called fresh");
    assert_eq!(load(&mut store).0, Loaded::Whole);
    assert_eq!(store.touched(), Some(shown));
}

#[test]
fn a_file_that_cannot_be_moved_is_said_and_not_used() {
    let place = Place::new();
    // Long enough for a file, too long for that file set aside; works for root, whom modes do not stop.
    let name: &'static str = Box::leak("n".repeat(235).into_boxed_str());
    let mut store = place.directory.store("paris", name);
    rewrite(&mut store, &["base"]).unwrap();
    store.append(b"change").unwrap();
    let whole = fs::read(store.path()).unwrap();

    let mut bytes = whole.clone();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(store.path(), &bytes).unwrap();
    let (lines, counts) = noted(|| assert_eq!(load(&mut store), (Loaded::Prefix, vec!["b:base".into()])));
    assert_eq!((lines.len(), counts), (1, [0, 0]), "{lines:?}");
    assert!(lines[0].contains("cannot be copied"), "{lines:?}");
    assert!(store.wants_rewrite() && store.append(b"next").is_err());
    assert_eq!(fs::read(store.path()).unwrap(), bytes, "the only evidence stays");

    bytes[0] ^= 1;
    fs::write(store.path(), &bytes).unwrap();
    let (lines, counts) = noted(|| assert_eq!(load(&mut store), (Loaded::SetAside, vec![])));
    assert_eq!((lines.len(), counts), (1, [0, 1]), "{lines:?}");
    assert!(lines[0].contains("neither be used nor be set aside"), "{lines:?}");
    assert!(store.wants_rewrite() && store.append(b"next").is_err());
    rewrite(&mut store, &["anew"]).unwrap();
    assert_eq!(load(&mut store), (Loaded::Whole, vec!["b:anew".into()]));
}

/// Restores the modes, so that the directory can be removed.
struct Locked(PathBuf);

impl Drop for Locked {
    fn drop(&mut self) {
        fs::set_permissions(&self.0, Permissions::from_mode(0o700)).unwrap();
    }
}

#[test]
fn a_directory_that_may_only_be_read() {
    let place = Place::new();
    let mut store = place.written(&["base"], &["change"]);
    let path = store.path().to_owned();
    let folder = Locked(path.parent().unwrap().to_owned());
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    fs::set_permissions(&folder.0, Permissions::from_mode(0o500)).unwrap();
    if File::create(folder.0.join("probe")).is_ok() {
        // Modes do not stop root.
        return;
    }
    assert_eq!(load(&mut store), (Loaded::Whole, vec!["b:base".into(), "c:change".into()]));
    assert!(store.wants_rewrite());
    let (lines, counts) = noted(|| assert!(rewrite(&mut store, &["new"]).is_err()));
    assert_eq!((lines.len(), counts), (1, [1, 0]));
    assert!(lines[0].contains("right to write"), "{lines:?}");
    fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    let (lines, counts) = noted(|| assert_eq!(load(&mut store), (Loaded::SetAside, vec![])));
    assert_eq!((lines.len(), counts), (1, [0, 0]), "{lines:?}");
    fs::set_permissions(&folder.0, Permissions::from_mode(0o700)).unwrap();
    let (_, counts) = noted(|| assert_eq!(load(&mut store), (Loaded::SetAside, vec![])));
    assert_eq!(counts, [0, 1], "a file without rights can be moved");
    rewrite(&mut store, &["new"]).unwrap();
}
