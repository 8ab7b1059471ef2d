//! A program that prints the API key: run at first need, its key kept until the primary refuses it. It runs once for all
//! who wait, without a shell, and what it says beside the key is never shown, because that may hold a secret.

use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::super::error::BuildError;
use super::file::without_newline;
use crate::config::{Secret, check_key};

/// The longest that it may take.
const LONGEST_RUN: Duration = Duration::from_secs(10);

/// The most that it may print.
const LARGEST: usize = 64 * 1024;

/// For what a program that has ended said last.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// A program that failed, or whose key was refused, is not run again sooner.
const SHORTEST_WAIT: Duration = Duration::from_secs(60);

pub(super) struct KeyCommand {
    site: Arc<str>,
    words: Vec<String>,
    /// Held while it runs.
    last: tokio::sync::Mutex<Option<Run>>,
    key: Mutex<Option<Secret>>,
    wanted: AtomicBool,
}

/// How the last run ended.
struct Run {
    at: Instant,
    problem: Option<String>,
}

impl KeyCommand {
    pub(super) fn new(site: &Arc<str>, words: &[String]) -> KeyCommand {
        KeyCommand {
            site: Arc::clone(site),
            words: words.to_vec(),
            last: tokio::sync::Mutex::default(),
            key: Mutex::default(),
            wanted: AtomicBool::new(false),
        }
    }

    /// The key as it was last printed.
    pub(super) fn current(&self) -> Option<Secret> {
        self.key.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The next [`KeyCommand::key`] runs it.
    pub(super) fn want(&self) {
        self.wanted.store(true, Relaxed);
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Relaxed)
    }

    /// The key, and whether it is another one than before.
    pub(super) async fn key(&self, is_refused: impl Fn(&Secret) -> bool) -> Result<(Secret, bool), BuildError> {
        let current = self.current();
        if let Some(key) = current
            && !self.is_wanted()
            && !is_refused(&key)
        {
            return Ok((key, false));
        }
        let mut last = self.last.lock().await;
        // Another may have run it while this one waited.
        let current = self.current();
        let is_due = self.is_wanted() || last.as_ref().is_none_or(|run| run.at.elapsed() >= SHORTEST_WAIT);
        match (&current, &*last) {
            (Some(key), _) if !is_due || !(self.is_wanted() || is_refused(key)) => return Ok((key.clone(), false)),
            (None, Some(Run { problem: Some(problem), .. })) if !is_due => return Err(self.failed(problem.clone())),
            _ => {}
        }
        self.wanted.store(false, Relaxed);
        let found = run(&self.words).await;
        let problem = found.as_ref().err().cloned();
        *last = Some(Run { at: Instant::now(), problem: problem.clone() });
        match found {
            Ok(key) => {
                let is_new = current.as_ref().is_some_and(|current| *current != key);
                *self.key.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.clone());
                Ok((key, is_new))
            }
            Err(problem) => match current.filter(|key| !is_refused(key)) {
                Some(key) => {
                    tracing::warn!(site = %self.site, problem, "api_key_command failed; the key from before stays in use");
                    Ok((key, false))
                }
                None => Err(self.failed(problem)),
            },
        }
    }

    fn failed(&self, problem: String) -> BuildError {
        BuildError::KeyCommand { site: Arc::clone(&self.site), problem }
    }
}

/// Runs the program. The error says what went wrong, never what was printed.
async fn run(words: &[String]) -> Result<Secret, String> {
    match tokio::time::timeout(LONGEST_RUN, run_to_end(words)).await {
        Ok(ended) => ended,
        // Dropping it has killed it, and what it had started.
        Err(_) => Err(format!("did not end within {LONGEST_RUN:?} and was stopped")),
    }
}

async fn run_to_end(words: &[String]) -> Result<Secret, String> {
    let (program, arguments) = words.split_first().ok_or("names no program")?;
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .process_group(0)
        .spawn()
        .map_err(|error| format!("could not be started ({})", error.kind()))?;
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    let (Some(mut stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err("could not be started (no pipe)".to_owned());
    };
    let mut complained = 0;
    let (printed, status) = {
        let mut drain = pin!(count(&mut stderr, &mut complained));
        let ended = async {
            let printed = read(&mut stdout).await?;
            let status = child.wait().await.map_err(|error| format!("could not be waited for ({})", error.kind()))?;
            Ok::<_, String>((printed, status))
        };
        let mut ended = pin!(ended);
        tokio::select! {
            ended = &mut ended => {
                let ended = ended?;
                // What it said last may still be in the pipe, whose other end somebody else may hold open.
                let _ = tokio::time::timeout(LAST_WORDS, &mut drain).await;
                ended
            }
            // Its end is that of standard error; the key is still to come.
            () = &mut drain => ended.await?,
        }
    };
    group.0 = None;
    key_of(&printed, status, complained)
}

/// A program with all that it has started: a script waits for what it calls, and killing it alone leaves that behind.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        // Gone already, most likely.
        let _ = self.0.map(|leader| kill_process_group(leader, Signal::KILL));
    }
}

fn key_of(printed: &[u8], status: ExitStatus, complained: usize) -> Result<Secret, String> {
    if !status.success() {
        return Err(format!(
            "ended with {status} and {complained} bytes on standard error, which are not shown because they may hold a secret; run it by hand as the exporter's user"
        ));
    }
    let key = std::str::from_utf8(printed).map_err(|_| "printed a key that is not UTF-8".to_owned())?;
    let key = without_newline(key);
    check_key(key).map_err(|problem| format!("printed a key that {problem}"))?;
    Ok(Secret::new(key.to_owned()))
}

async fn read(stdout: &mut (impl AsyncRead + Unpin)) -> Result<Zeroizing<Vec<u8>>, String> {
    // Whole from the start: a buffer that grows leaves copies behind.
    let mut printed = Zeroizing::new(Vec::with_capacity(LARGEST + 1));
    let most = u64::try_from(LARGEST).unwrap_or(u64::MAX).saturating_add(1);
    let read = stdout.take(most).read_to_end(&mut printed).await;
    read.map_err(|error| format!("could not be read ({})", error.kind()))?;
    if printed.len() > LARGEST {
        return Err(format!("printed more than {LARGEST} bytes"));
    }
    Ok(printed)
}

/// Reads to the end, so that the program is not held up, and keeps nothing but the length.
async fn count(stderr: &mut (impl AsyncRead + Unpin), length: &mut usize) {
    let mut buffer = Zeroizing::new([0; 4096]);
    while let Ok(read @ 1..) = stderr.read(&mut buffer[..]).await {
        *length = length.saturating_add(read);
    }
}
