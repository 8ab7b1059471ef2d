//! The jobs that ended before the simulator started.

use super::job::Job;
use super::script::Author;

const DAY_MS: i64 = 86_400_000;

/// `count` finished jobs: nine in ten ended within the last 24 h, the others before that, none beyond `retention`.
/// Ids ascend with the start.
pub(crate) fn draw(author: &Author, count: usize, now: i64, retention: i64, next_id: &mut i64) -> Vec<Job> {
    let mut dice = author.dice(0);
    // Whoever keeps jobs for ever has not had the primary for ever.
    let retention = retention.min(30 * DAY_MS);
    let recent = DAY_MS.min(retention).max(2);
    let mut spans: Vec<(i64, i64, i64)> = Vec::with_capacity(count);
    while spans.len() < count {
        let old = dice.u8(0..10) == 0 && retention > recent + 1;
        let age = if old { dice.i64(recent..retention) } else { dice.i64(1..recent) };
        let end = (now - age) / 1_000 * 1_000;
        let stamp = (end + dice.i64(0..999)).min(now);
        // Now and then several jobs end in one and the same millisecond.
        let together = if dice.u8(0..5) == 0 { dice.usize(2..5) } else { 1 };
        for _ in 0..together.min(count - spans.len()) {
            let length = if dice.u8(0..20) == 0 { dice.i64(3_600..30_000) } else { dice.i64(5..1_800) } * 1_000;
            spans.push((end - length, end, stamp));
        }
    }
    spans.sort_unstable();
    let mut jobs = Vec::with_capacity(count);
    let mut spans = spans.into_iter().peekable();
    while let Some((start, end, stamp)) = spans.next() {
        let (parent_id, kind) = (take_id(next_id, &mut dice), author.kind(&mut dice));
        let mut parent = author.born(&mut dice, kind, parent_id, 0, start);
        let (mut last_end, mut last_stamp) = (end, stamp);
        if Author::is_parent(kind) {
            for _ in 0..dice.u8(2..6) {
                let Some((start, end, stamp)) = spans.next() else { break };
                let child_id = take_id(next_id, &mut dice);
                let child = author.born(&mut dice, kind, child_id, parent_id, start);
                jobs.push(author.ended(&mut dice, child, end, stamp));
                parent.child_count += 1;
                (last_end, last_stamp) = (last_end.max(end), last_stamp.max(stamp));
            }
        }
        jobs.push(author.ended(&mut dice, parent, last_end, last_stamp));
    }
    jobs
}

fn take_id(next_id: &mut i64, dice: &mut fastrand::Rng) -> i64 {
    let id = *next_id;
    *next_id += if dice.u8(0..5) == 0 { dice.i64(2..6) } else { 1 };
    id
}
