//! Who may use a directory, and how it is kept from others.

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn it_is_made_with_its_parents_and_nobody_else_may_enter() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("a/b/./c");
    let directory = Directory::open(&path).unwrap();
    assert_eq!(directory.path(), path);
    for part in ["a", "a/b", "a/b/c"] {
        assert_eq!(mode(&temporary.path().join(part)), 0o700, "{part}");
    }
    assert_eq!(mode(&path.join(LOCK)), 0o600);
    assert_eq!(fs::read_to_string(path.join(LOCK)).unwrap(), format!("{}\n", std::process::id()));
}

#[test]
fn a_second_one_is_refused_while_anything_of_the_first_lives() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path();
    let refused = || match Directory::open(path) {
        Err(error @ OpenError::InUse { pid: Some(pid), .. }) if pid == std::process::id() => error.to_string(),
        other => panic!("{other:?}"),
    };
    let first = Directory::open(path).unwrap();
    let message = refused();
    assert!(message.contains(&*path.to_string_lossy()), "{message}");
    assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
    let second = first.clone();
    drop(first);
    refused();
    let store = second.store("paris", "jobs");
    drop(second);
    refused();
    drop(store);
    // An old process id, longer than ours.
    fs::write(path.join(LOCK), "4294967295 and more\n").unwrap();
    let _again = Directory::open(path).unwrap();
    refused();
    // Whoever holds it need not have written anything yet.
    fs::write(path.join(LOCK), "").unwrap();
    let error = Directory::open(path).unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
}

#[test]
fn what_cannot_be_a_directory_is_unusable() {
    let temporary = tempfile::tempdir().unwrap();
    let file = temporary.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = Directory::open(&path).unwrap_err();
        assert!(matches!(error, OpenError::Unusable { .. }), "{error:?}");
        assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
    fs::create_dir(temporary.path().join(LOCK)).unwrap();
    assert!(matches!(Directory::open(temporary.path()), Err(OpenError::Unusable { .. })));
}

#[test]
fn only_a_directory_of_our_own_is_tightened() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path();
    let after_opening = || {
        set_mode(path, 0o755);
        drop(Directory::open(path).unwrap());
        mode(path)
    };
    assert_eq!(after_opening(), 0o700, "it was empty");
    assert_eq!(after_opening(), 0o700, "it holds our lock");
    fs::create_dir(path.join("site-paris")).unwrap();
    assert_eq!(after_opening(), 0o700, "it holds a site");
    fs::write(path.join("foreign"), "").unwrap();
    assert_eq!(after_opening(), 0o755, "it holds something else");
    assert_eq!(after_opening(), 0o755, "nor the next time, when it holds our lock beside that");
}

#[test]
fn no_site_leaves_the_directory_or_meets_another() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = Directory::open(temporary.path()).unwrap();
    let folder = |site| {
        let store = directory.store(site, "jobs");
        assert_eq!(store.path().file_name().unwrap(), "jobs.state");
        let folder = store.path().parent().unwrap();
        assert_eq!(folder.parent().unwrap(), temporary.path(), "{site}");
        folder.file_name().unwrap().to_str().unwrap().to_owned()
    };
    assert_eq!(folder(".."), "site-..");
    assert_eq!(folder("."), "site-.");
    assert_eq!(folder("Paris_1.example-2"), "site-Paris_1.example-2");
    assert_eq!(folder("../lock"), "site-..%2Flock");
    assert_eq!(folder("a%2Fb"), "site-a%252Fb");
    assert_eq!(folder("é\0"), "site-%C3%A9%00");
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 1, "nothing is touched yet");
}

#[test]
fn a_lock_that_was_removed_is_taken_again() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("state");
    let first = Directory::open(&path).unwrap();
    first.hold().unwrap();
    fs::remove_dir_all(&path).unwrap();
    first.hold().unwrap();
    assert_eq!(mode(&path), 0o700);
    assert!(matches!(Directory::open(&path), Err(OpenError::InUse { .. })));
    fs::remove_file(path.join(LOCK)).unwrap();
    let second = Directory::open(&path).unwrap();
    let error = first.hold().unwrap_err();
    assert!(error.to_string().contains("in use"), "{error}");
    drop(second);
    first.hold().unwrap();
}
