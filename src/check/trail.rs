//! The steps of a site as they are taken, and the time that is left for them.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::LIMIT;
use super::report::{STEPS, Status, Step};
use crate::config::{Credential, Site};
use crate::netbackup::{Error, LONGEST_LOGOUT};

/// The steps taken so far.
pub(super) struct Trail {
    steps: Vec<Step>,
    /// When the site must be done, and how long that is from the start.
    pub(super) until: Instant,
    limit: Duration,
}

impl Trail {
    /// Signing out is a part of the time that a site may take.
    pub(super) fn new(site: &Site) -> Trail {
        let limit = match site.credential {
            Credential::Login(_) => LIMIT.saturating_sub(LONGEST_LOGOUT),
            _ => LIMIT,
        };
        Trail { steps: Vec::new(), until: Instant::now() + limit, limit }
    }

    /// What is left of the time.
    pub(super) fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// What is said of something that did not come in time.
    pub(super) fn timed_out(&self, awaited: &str) -> String {
        format!("timeout: {awaited} did not come within {} s", self.limit.as_secs())
    }

    pub(super) fn ok(&mut self, step: &'static str, message: impl Into<String>) {
        self.add(step, Status::Ok, message.into(), None);
    }

    pub(super) fn skip(&mut self, step: &'static str, message: impl Into<String>) {
        self.add(step, Status::Skipped, message.into(), None);
    }

    pub(super) fn warn(&mut self, step: &'static str, message: impl Into<String>, advice: Option<String>) {
        self.add(step, Status::Warning, message.into(), advice);
    }

    pub(super) fn find(&mut self, step: &'static str, message: impl Into<String>, advice: Option<String>) {
        self.add(step, Status::Finding, message.into(), advice);
    }

    /// A request of the step failed, and with it the step.
    pub(super) fn find_error(&mut self, step: &'static str, error: &Error) {
        self.find(step, error.finding(), error.advice());
    }

    pub(super) fn add(&mut self, step: &'static str, status: Status, message: String, advice: Option<String>) {
        self.steps.push(Step { step, status, message, advice });
    }

    /// What `work` comes to, if it does in time. `awaited` says what it waits for.
    pub(super) async fn within<T>(
        &mut self,
        step: &'static str,
        awaited: &str,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let done = timeout_at(self.until, work).await.ok();
        if done.is_none() {
            self.find(step, self.timed_out(awaited), None);
        }
        done
    }

    /// Every step, those left out included: they would have failed with `failed`.
    pub(super) fn finish(mut self) -> Vec<Step> {
        let failed = self.steps.iter().rev().find(|step| step.status == Status::Finding).map(|step| step.step);
        for step in STEPS {
            if !self.steps.iter().any(|taken| taken.step == step) {
                let message = format!("not tried, because {} failed", words(failed.unwrap_or("what comes before it")));
                self.skip(step, message);
            }
        }
        self.steps.sort_by_key(|step| STEPS.iter().position(|known| *known == step.step));
        self.steps
    }
}

/// The name of a step as people read it.
pub(super) fn words(step: &str) -> String {
    step.replace('_', " ")
}
