//! Noticing that a file has changed, by looking at it every second.
//!
//! Looking finds what events of the kernel miss: files on network mounts, and a directory or a link on the way to the file
//! that is exchanged (as Kubernetes does it), without a watch on each of them. It costs a system call a file and second.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::sleep;

use crate::config::FileIdentity;

/// Two looks that agree make a change, so one takes effect within 5 s.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A file that changes at every look is read all the same.
const MOST_LOOKS: usize = 3;

/// Watches files for changes.
#[derive(Debug)]
pub struct Watch {
    files: Vec<PathBuf>,
    seen: Vec<Option<FileIdentity>>,
}

impl Watch {
    /// Watches `files` from now on.
    pub async fn new(files: Vec<PathBuf>) -> Watch {
        let seen = look_at(files.clone()).await.unwrap_or_default();
        Watch { files, seen }
    }

    /// Completes when a file is not as it was when [`Watch::look`] was last called, and has come to rest.
    pub async fn changed(&self) {
        let mut before = Some(self.seen.clone());
        let mut looks = 0;
        loop {
            sleep(LOOK_EVERY).await;
            let now = look_at(self.files.clone()).await;
            if now.as_ref().is_none_or(|now| *now == self.seen) {
                (before, looks) = (now, 0);
                continue;
            }
            looks += 1;
            if now == before || looks >= MOST_LOOKS {
                return;
            }
            before = now;
        }
    }

    /// Remembers how the files are now.
    pub async fn look(&mut self) {
        if let Some(seen) = look_at(self.files.clone()).await {
            self.seen = seen;
        }
    }

    /// Whether every file is as it was when [`Watch::look`] was last called.
    pub async fn is_at_rest(&self) -> bool {
        look_at(self.files.clone()).await.is_some_and(|now| now == self.seen)
    }

    /// Whether it watches all of `files`.
    pub fn watches(&self, files: &[PathBuf]) -> bool {
        files.iter().all(|file| self.files.contains(file))
    }

    /// The same, but files that `before` knew count as changed if they are not as it last saw them.
    pub fn seen(mut self, before: &Watch) -> Watch {
        for (file, seen) in self.files.iter().zip(&mut self.seen) {
            if let Some((_, known)) = before.files.iter().zip(&before.seen).find(|(known, _)| *known == file) {
                *seen = *known;
            }
        }
        self
    }
}

/// How the files are now; `None`: the process is stopping.
async fn look_at(files: Vec<PathBuf>) -> Option<Vec<Option<FileIdentity>>> {
    let look =
        move || files.iter().map(|file| std::fs::metadata(file).ok().map(|found| FileIdentity::of(&found))).collect();
    tokio::task::spawn_blocking(look).await.ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tokio::time::timeout;

    use super::*;

    /// Whether a change is seen within the time that the contract gives, of which reading needs a part too.
    async fn notices(watch: &mut Watch, change: impl FnOnce()) -> bool {
        change();
        let noticed = timeout(Duration::from_secs(4), watch.changed()).await.is_ok();
        watch.look().await;
        noticed
    }

    #[tokio::test]
    async fn every_way_of_changing_a_file_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let (plain, missing) = (path("plain"), path("missing"));
        let write = |path: &Path, text: &str| std::fs::write(path, text).unwrap();
        write(&plain, "one");
        // As Kubernetes mounts a secret: file -> ..data/file, ..data -> a directory that is exchanged.
        for version in ["v1", "v2"] {
            std::fs::create_dir(path(version)).unwrap();
            write(&path(version).join("key"), "same");
        }
        std::os::unix::fs::symlink("v1", path("..data")).unwrap();
        std::os::unix::fs::symlink("..data/key", path("key")).unwrap();
        let mut watch = Watch::new(vec![plain.clone(), missing.clone(), path("key")]).await;

        assert!(!notices(&mut watch, || {}).await);
        assert!(notices(&mut watch, || write(&plain, "two")).await, "written in place, of the same size");
        let renamed = || {
            write(&path("new"), "two");
            std::fs::rename(path("new"), &plain).unwrap();
        };
        assert!(notices(&mut watch, renamed).await, "renamed over, as editors do");
        assert!(notices(&mut watch, || write(&missing, "")).await, "appeared");
        assert!(notices(&mut watch, || std::fs::remove_file(&missing).unwrap()).await, "vanished");
        let swapped = || {
            std::os::unix::fs::symlink("v2", path("..tmp")).unwrap();
            std::fs::rename(path("..tmp"), path("..data")).unwrap();
        };
        assert!(notices(&mut watch, swapped).await, "a link on the way exchanged");
    }

    #[tokio::test]
    async fn a_new_watch_knows_what_the_old_one_has_not_seen() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "one").unwrap();
        let old = Watch::new(vec![path.clone()]).await;
        std::fs::write(&path, "three").unwrap();
        let new = Watch::new(vec![directory.path().join("other"), path]).await.seen(&old);
        timeout(Duration::from_secs(4), new.changed()).await.unwrap();
    }
}
