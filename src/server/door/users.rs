//! Basic authentication. A password is checked with bcrypt, which is slow on purpose: one at a time, away from the
//! tasks that answer, and each pair of name and password once. Who does not exist is checked against a stand-in, so that
//! time tells nothing.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::SHA256_OUTPUT_LEN;
use aws_lc_rs::hmac;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::config::Secret;

/// Checks that may wait for their turn, and for how long.
const MOST_WAITING: usize = 16;
const PATIENCE: Duration = Duration::from_secs(5);
/// Refused pairs that are remembered.
const MOST_REFUSED: usize = 1024;

/// What is decided about a pair of name and password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Comes in.
    Good,
    /// Does not exist.
    Bad,
    /// Too many others wait to be checked.
    Busy,
}

/// A keyed digest: what is remembered of a name or a pair. The key lives in this process and is never written.
type Digest = [u8; SHA256_OUTPUT_LEN];

/// Who may come in.
pub(super) struct Users {
    /// What it was made from.
    pub(super) configured: Vec<(String, Secret)>,
    shared: Arc<Shared>,
    waiting: Semaphore,
    turn: Arc<Semaphore>,
}

struct Shared {
    key: hmac::Key,
    /// Hashes by the digest of the name.
    hashes: HashMap<Digest, Arc<Secret>>,
    stand_in: Arc<Secret>,
    decided: Mutex<Decided>,
}

#[derive(Default)]
struct Decided {
    /// The pair that was last good, by name: no more than there are users.
    good: HashMap<Digest, Digest>,
    refused: HashSet<Digest>,
    /// The same, oldest first.
    order: VecDeque<Digest>,
}

impl Users {
    /// `None`: there are no users, so nobody is asked.
    pub(super) fn new(users: &[(String, Secret)]) -> Option<Users> {
        let (_, first) = users.first()?;
        let mut secret = Zeroizing::new(Digest::default());
        // Even with a key that is no secret no two pairs would have one digest.
        let _ = aws_lc_rs::rand::fill(secret.as_mut());
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref());
        let hashes = users.iter().map(|(name, hash)| (digest(&key, name.as_bytes()), Arc::new(hash.clone())));
        let hashes = hashes.collect();
        // The cost of the users, then the well-formed salt and sum of nobody.
        let start = first.expose().get(..7).unwrap_or("$2y$10$");
        let stand_in = Arc::new(Secret::new(format!("{start}{:.<53}", "")));
        let shared = Arc::new(Shared { key, hashes, stand_in, decided: Mutex::default() });
        Some(Users {
            configured: users.to_vec(),
            shared,
            waiting: Semaphore::new(MOST_WAITING),
            turn: Arc::new(Semaphore::new(1)),
        })
    }

    /// Decides about `user:password`.
    pub(super) async fn check(&self, pair: Zeroizing<Vec<u8>>) -> Verdict {
        let shared = &self.shared;
        let Some(colon) = pair.iter().position(|byte| *byte == b':') else { return Verdict::Bad };
        let (name, _) = pair.split_at(colon);
        let (name, whole) = (digest(&shared.key, name), digest(&shared.key, &pair));
        if let Some(verdict) = shared.remembered(&name, &whole) {
            return verdict;
        }
        let Ok(_waiting) = self.waiting.try_acquire() else { return Verdict::Busy };
        let Ok(Ok(turn)) = timeout(PATIENCE, Arc::clone(&self.turn).acquire_owned()).await else {
            return Verdict::Busy;
        };
        // Another request may have brought the same pair before.
        if let Some(verdict) = shared.remembered(&name, &whole) {
            return verdict;
        }
        let shared = Arc::clone(shared);
        let checking = tokio::task::spawn_blocking(move || {
            // Held until it is decided, even when the client no longer waits for it.
            let _turn = turn;
            let password = pair.get(colon.saturating_add(1)..).unwrap_or_default();
            let known = shared.hashes.get(&name);
            let hash = known.unwrap_or(&shared.stand_in);
            let matches = bcrypt::verify(password, hash.expose()).unwrap_or(false);
            let good = matches & known.is_some();
            shared.decided().remember(name, whole, good);
            if good { Verdict::Good } else { Verdict::Bad }
        });
        checking.await.unwrap_or(Verdict::Bad)
    }
}

impl Shared {
    fn remembered(&self, name: &Digest, pair: &Digest) -> Option<Verdict> {
        let decided = self.decided();
        let good = decided.good.get(name).is_some_and(|good| verify_slices_are_equal(good, pair).is_ok());
        if good {
            return Some(Verdict::Good);
        }
        decided.refused.contains(pair).then_some(Verdict::Bad)
    }

    fn decided(&self) -> MutexGuard<'_, Decided> {
        self.decided.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Decided {
    fn remember(&mut self, name: Digest, pair: Digest, good: bool) {
        if good {
            self.good.insert(name, pair);
            return;
        }
        if self.refused.insert(pair) {
            self.order.push_back(pair);
        }
        while self.order.len() > MOST_REFUSED {
            if let Some(oldest) = self.order.pop_front() {
                self.refused.remove(&oldest);
            }
        }
    }
}

fn digest(key: &hmac::Key, bytes: &[u8]) -> Digest {
    let tag = hmac::sign(key, bytes);
    // A digest of this algorithm has this length.
    Digest::try_from(tag.as_ref()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "secret", at the lowest cost.
    fn users() -> Users {
        let hash = bcrypt::hash("secret", 4).unwrap();
        Users::new(&[("alice".to_owned(), Secret::new(hash))]).unwrap()
    }

    fn pair(text: &str) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(text.as_bytes().to_vec())
    }

    #[tokio::test]
    async fn only_the_right_pair_comes_in() {
        let users = users();
        for (text, expected) in [
            ("alice:secret", Verdict::Good),
            ("alice:wrong", Verdict::Bad),
            ("alice:", Verdict::Bad),
            ("alice:secret:x", Verdict::Bad),
            ("Alice:secret", Verdict::Bad),
            ("bob:secret", Verdict::Bad),
            (":secret", Verdict::Bad),
            ("alice", Verdict::Bad),
            ("alice:secret", Verdict::Good),
            ("alice:wrong", Verdict::Bad),
        ] {
            assert_eq!(users.check(pair(text)).await, expected, "{text}");
        }
        assert!(Users::new(&[]).is_none());
    }

    #[test]
    fn the_stand_in_is_a_hash_that_can_be_checked() {
        let users = users();
        let parts: bcrypt::HashParts = users.shared.stand_in.expose().parse().unwrap();
        assert_eq!(parts.get_cost(), 4, "that of the users");
        assert!(!bcrypt::verify("secret", users.shared.stand_in.expose()).unwrap());
    }

    #[tokio::test]
    async fn who_was_let_in_passes_while_others_are_checked() {
        let users = Arc::new(users());
        assert_eq!(users.check(pair("alice:secret")).await, Verdict::Good);
        assert_eq!(users.check(pair("alice:wrong")).await, Verdict::Bad);
        let _turn = Arc::clone(&users.turn).acquire_owned().await.unwrap();
        let flood: Vec<_> = (0..MOST_WAITING)
            .map(|n| {
                let users = Arc::clone(&users);
                tokio::spawn(async move { users.check(pair(&format!("alice:{n}"))).await })
            })
            .collect();
        while users.waiting.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(users.check(pair("alice:secret")).await, Verdict::Good);
        assert_eq!(users.check(pair("alice:wrong")).await, Verdict::Bad);
        assert_eq!(users.check(pair("alice:another")).await, Verdict::Busy);
        flood.iter().for_each(tokio::task::JoinHandle::abort);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        let users = users();
        let _turn = Arc::clone(&users.turn).acquire_owned().await.unwrap();
        assert_eq!(users.check(pair("alice:secret")).await, Verdict::Busy);
        assert_eq!(users.waiting.available_permits(), MOST_WAITING);
    }

    #[test]
    fn refused_pairs_are_remembered_up_to_a_number() {
        let mut decided = Decided::default();
        let digest = |n: usize| {
            let mut digest = Digest::default();
            digest[..8].copy_from_slice(&n.to_ne_bytes());
            digest
        };
        for n in 0..MOST_REFUSED + 10 {
            decided.remember(digest(0), digest(n), false);
            decided.remember(digest(0), digest(n), false);
        }
        assert_eq!((decided.refused.len(), decided.order.len()), (MOST_REFUSED, MOST_REFUSED));
        assert!(!decided.refused.contains(&digest(9)) && decided.refused.contains(&digest(10)));
        assert!(decided.good.is_empty());
    }
}
