//! A collector whose last snapshot survives a restart as the samples that it was served as.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::{Collector, Display, Inheritance, PollContext, Polled, Seen, blocking, compat, families};
use crate::clock::{Stamp, from_unix_ms, unix_ms};
use crate::exposition::{Family, Rendered};
use crate::netbackup;
use crate::reason::Failure;
use crate::state::{Loaded, Store, Unreadable};

/// Raised when the contents of the file change their meaning.
const VERSION: u32 = 1;

/// See the module.
pub struct Kept<C> {
    collector: C,
    file: Arc<Mutex<File>>,
}

struct File {
    store: Store,
    /// A checksum of where the primary is asked: another address may lead to another primary.
    address: u32,
    /// Whether the snapshot may hold what [`compat`] adds.
    go_names: bool,
    /// Of the samples that are in the file.
    hash: Option<u64>,
}

impl<C: Collector> Kept<C> {
    /// The same collector of the primary at `address`, kept in `store`.
    pub fn new(collector: C, address: &str, display: Display, store: Store) -> Kept<C> {
        let address = crc32fast::hash(address.as_bytes());
        Kept { collector, file: Arc::new(Mutex::new(File { store, address, go_names: display.go_names, hash: None })) }
    }
}

impl File {
    fn restore(&mut self) -> Option<Polled> {
        let mut found = None;
        let loaded = self.store.load(VERSION, &mut |_, bytes| {
            let (received, rest) = bytes.split_first_chunk().ok_or(Unreadable("it is no snapshot"))?;
            let (address, samples) = rest.split_first_chunk().ok_or(Unreadable("it is no snapshot"))?;
            found = Some((u64::from_le_bytes(*received), u32::from_le_bytes(*address), samples.to_vec()));
            Ok(())
        });
        let (received_ms, address, samples) = found.filter(|_| loaded == Loaded::Whole)?;
        if address != self.address {
            return None;
        }
        // Written by another release, or with other names, it may mean something else: then the first poll shows what is
        // true now.
        let rendered = Rendered::restore(&samples, |name| known(name, self.go_names))?;
        let written = from_unix_ms(received_ms)?;
        let received = self.store.touched().map_or(written, |touched| touched.max(written));
        self.hash = Some(hash(&samples));
        Some(Polled { rendered, received: Stamp::of(received), rejected: 0, denied: None })
    }

    /// Goes on with the file of another one, which keeps ours and is used no more.
    fn take_over(&mut self, old: &mut File) {
        std::mem::swap(&mut self.store, &mut old.store);
        self.hash = old.hash.filter(|_| old.address == self.address);
    }

    /// Failures are counted and logged by the store.
    fn keep(&mut self, polled: &Polled) {
        let received = polled.received.wall;
        let samples = polled.rendered.export();
        let new = Some(hash(&samples));
        if self.hash == new && self.store.is_sound() {
            self.store.touch(received);
            return;
        }
        let mut frame = unix_ms(received).to_le_bytes().to_vec();
        frame.extend_from_slice(&self.address.to_le_bytes());
        frame.extend_from_slice(&samples);
        let kept: io::Result<()> = self.store.rewrite(VERSION, &mut |base| base.frame(&frame));
        self.hash = new.filter(|_| kept.is_ok());
        if kept.is_ok() {
            self.store.touch(received);
        }
    }
}

impl<C: Collector> Collector for Kept<C> {
    fn restore(&self) -> BoxFuture<'_, Option<Polled>> {
        let file = Arc::clone(&self.file);
        async move { blocking(move || lock(&file).restore()).await.ok().flatten() }.boxed()
    }

    fn poll<'a>(&'a self, context: &'a PollContext) -> BoxFuture<'a, Result<Polled, Failure>> {
        async move {
            let polled = self.collector.poll(context).await?;
            let file = Arc::clone(&self.file);
            blocking(move || {
                lock(&file).keep(&polled);
                polled
            })
            .await
        }
        .boxed()
    }

    fn memory(&self) -> Option<Inheritance> {
        Some(Arc::clone(&self.file) as Inheritance)
    }

    fn inherit(&self, memory: Inheritance) -> BoxFuture<'_, ()> {
        async move {
            let (file, Ok(old)) = (Arc::clone(&self.file), memory.downcast::<Mutex<File>>()) else { return };
            // The lock may be held by a poll that was dropped while it kept its samples.
            let _ = blocking(move || lock(&file).take_over(&mut lock(&old))).await;
        }
        .boxed()
    }

    fn examine(&self) -> BoxFuture<'_, Result<Seen, netbackup::Error>> {
        self.collector.examine()
    }

    fn is_optional(&self) -> bool {
        self.collector.is_optional()
    }

    fn is_bounded(&self) -> bool {
        self.collector.is_bounded()
    }

    fn credential_changes(&self) -> u64 {
        self.collector.credential_changes()
    }

    fn credential_changed(&self, since: u64) -> BoxFuture<'_, ()> {
        self.collector.credential_changed(since)
    }
}

fn known(name: &str, go_names: bool) -> Option<&'static Family> {
    let more = compat::ALL.into_iter().filter(|_| go_names);
    families().chain(more).find(|family| family.name == name)
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

fn lock(file: &Mutex<File>) -> std::sync::MutexGuard<'_, File> {
    // One task polls, so nobody waits; and a file after a panic knows itself whether it is whole.
    file.lock().unwrap_or_else(PoisonError::into_inner)
}
