//! The book held against a log that is as bad as a primary may be: rows that are committed late, rows that are removed,
//! ids that begin anew, stamps of clocks that are ahead, answers that are lost, and an exporter that is killed before or
//! after it has kept what it counted. Every event has a type of its own, so that its counter says how often it counted.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::FutureExt;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::log::{Book, Event, Log, MOST_RECENT, Now, OVERLAP_MS, PAGE, Question, SAME_STAMP_MS};

/// Small, so that there are many.
const SMALL_PAGE: usize = 7;
const START_MS: u64 = 1_764_194_400_000;
const SAME_STAMP: i64 = SAME_STAMP_MS.cast_signed();

/// What happens at the primary.
#[derive(Debug, Clone)]
enum Change {
    Write(usize),
    /// Takes an id now, and can be read so many milliseconds later.
    WriteLate(u64),
    /// By the clock of a producer that is ahead.
    WriteAhead(u64),
    Wait(u64),
    /// Removes the oldest, so that so many are left.
    Purge(usize),
    /// An upgrade: the table is a new one.
    BeginIdsAnew,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Publish,
    CrashBeforeKeeping,
    CrashAfterKeeping,
}

#[derive(Debug, Clone)]
enum Step {
    Change(Change),
    /// What changes before its n-th request; which request fails, after how many rows; how it ends.
    Poll(Option<(usize, Change)>, Option<(usize, usize)>, End),
}

struct Row {
    event: Event,
    number: usize,
    visible_ms: u64,
}

#[derive(Default)]
struct Primary {
    now_ms: u64,
    next_id: u64,
    written: usize,
    rows: BTreeMap<u64, Row>,
    /// Of every event that there has been.
    stamps: BTreeSet<(u64, i64)>,
    requests: usize,
    during: Option<(usize, Change)>,
    failing: Option<(usize, usize)>,
}

fn kind(number: usize) -> String {
    format!("e{number}")
}

impl Primary {
    fn write(&mut self, visible_after: u64, ahead: u64) {
        self.now_ms += 1;
        let (id, number) = (self.next_id, self.written);
        let mut created = i64::try_from(self.now_ms + ahead).unwrap();
        // Two events of the same id and the same stamp are one to everybody who reads the log. It takes ids that begin anew
        // in the very second that an event before was ahead by.
        while self.stamps.range((id, created - SAME_STAMP)..=(id, created + SAME_STAMP)).next().is_some() {
            created += SAME_STAMP;
            self.now_ms += SAME_STAMP.unsigned_abs();
        }
        self.stamps.insert((id, created));
        let event = Event { id, created_ms: Some(created), severity: "INFO".to_owned(), kind: kind(number) };
        self.rows.insert(id, Row { event, number, visible_ms: self.now_ms + visible_after });
        (self.next_id, self.written) = (id + 1, number + 1);
    }

    fn change(&mut self, change: &Change) {
        match *change {
            Change::Write(events) => (0..events).for_each(|_| self.write(0, 0)),
            Change::WriteLate(after) => self.write(after, 0),
            Change::WriteAhead(ahead) => self.write(0, ahead),
            Change::Wait(ms) => self.now_ms += ms,
            Change::Purge(left) => {
                while self.rows.len() > left {
                    self.rows.pop_first();
                }
            }
            Change::BeginIdsAnew => {
                // It takes its time.
                self.now_ms += 2_000;
                self.rows.clear();
                self.next_id = 1;
            }
        }
    }

    fn visible(&self) -> impl DoubleEndedIterator<Item = &Row> {
        self.rows.values().filter(|row| row.visible_ms <= self.now_ms)
    }
}

impl Log for Primary {
    type Error = &'static str;

    fn now(&self) -> Now {
        Now { wall_ms: self.now_ms, primary_ms: self.now_ms }
    }

    async fn read(&mut self, question: Question, take: &mut (dyn FnMut(Event) + Send)) -> Result<bool, &'static str> {
        self.requests += 1;
        if let Some((_, change)) = self.during.take_if(|(request, _)| *request == self.requests) {
            self.change(&change);
        }
        let (rows, most): (Vec<&Row>, usize) = match question {
            Question::Newest => (self.visible().rev().collect(), usize::from(PAGE)),
            Question::After(id) => (self.visible().filter(|row| row.event.id > id).collect(), SMALL_PAGE),
            Question::MadeAfter(ms) => (self.visible().filter(|row| row.event.created_ms > ms).collect(), usize::MAX),
        };
        let failing = self.failing.filter(|(request, _)| *request == self.requests);
        let handed = failing.map_or(most, |(_, rows)| rows.min(most));
        rows.iter().take(handed).for_each(|row| take(row.event.clone()));
        if failing.is_some() { Err("lost") } else { Ok(rows.len() > most) }
    }
}

/// How often each event has counted.
fn counts(book: &Book) -> BTreeMap<String, u64> {
    let mut all = book.clone();
    all.counters.shown();
    all.counters.to_show().map(|(_, kind, _, events)| (kind.to_owned(), events)).collect()
}

#[derive(Default)]
struct Exporter {
    book: Book,
    kept: Option<Vec<u8>>,
    served: BTreeMap<String, u64>,
    /// Events of the baseline, which never count, and those that were about to come when it was read.
    baseline: BTreeSet<usize>,
    excused: BTreeSet<usize>,
    /// Events that must have counted.
    due: BTreeSet<usize>,
}

impl Exporter {
    fn poll(&mut self, primary: &mut Primary, end: End) {
        primary.requests = 0;
        let at_first: BTreeSet<usize> = primary.visible().map(|row| row.number).collect();
        let had_begun = self.book != Book::default();
        let polled = self.book.follow(primary).now_or_never().expect("the model answers at once");
        if polled.is_ok() && !had_begun {
            self.baseline = primary.visible().map(|row| row.number).collect();
            let first = primary.visible().rev().take(usize::from(PAGE)).last().map_or(0, |row| row.event.id);
            let coming = primary.rows.values().filter(|row| row.visible_ms > primary.now_ms && row.event.id < first);
            self.excused = coming.map(|row| row.number).collect();
        }
        // A failed poll keeps nothing, and what it has counted is served by the next one.
        let is_kept = polled.is_ok() && !matches!(end, End::CrashBeforeKeeping);
        if is_kept {
            self.kept = Some(postcard::to_allocvec(&self.book).unwrap());
            // What comes or goes meanwhile may be seen, or not.
            let seen = primary.visible().map(|row| row.number).filter(|number| at_first.contains(number));
            self.due.extend(seen.filter(|number| !self.baseline.contains(number) && !self.excused.contains(number)));
            let now = counts(&self.book);
            for (kind, served) in &self.served {
                assert!(now.get(kind) >= Some(served), "{kind} fell from {served}");
            }
            self.served = now;
            self.hold_against_the_truth();
        }
        if !matches!(end, End::Publish) {
            self.book = self.kept.as_ref().map(|kept| postcard::from_bytes(kept).unwrap()).unwrap_or_default();
        }
    }

    fn hold_against_the_truth(&self) {
        let counts = counts(&self.book);
        for (kind, count) in &counts {
            assert!(*count <= 1, "{kind} counted {count} times");
        }
        let count = |number: &usize| counts.get(&kind(*number)).copied().unwrap_or(0);
        for number in &self.due {
            assert_eq!(count(number), 1, "event {number} is due");
        }
        for number in &self.baseline {
            assert_eq!(count(number), 0, "event {number} is of the baseline");
        }
    }
}

fn run(steps: &[Step]) {
    let mut primary = Primary { now_ms: START_MS, next_id: 1, ..Primary::default() };
    let mut exporter = Exporter::default();
    for step in steps {
        match step {
            Step::Change(change) => primary.change(change),
            Step::Poll(during, failing, end) => {
                (primary.during, primary.failing) = (during.clone(), *failing);
                exporter.poll(&mut primary, *end);
                (primary.during, primary.failing) = (None, None);
            }
        }
    }
    for _ in 0..2 {
        exporter.poll(&mut primary, End::Publish);
        primary.change(&Change::Wait(OVERLAP_MS / 2));
    }
}

fn writing() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (1_usize..8).prop_map(Change::Write),
        3 => (0..OVERLAP_MS - 60_000).prop_map(Change::WriteLate),
        1 => (0_u64..20_000_000).prop_map(Change::WriteAhead),
        1 => (0_usize..20).prop_map(Change::Purge),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let end =
        prop_oneof![6 => Just(End::Publish), 1 => Just(End::CrashBeforeKeeping), 1 => Just(End::CrashAfterKeeping)];
    let poll = (option::weighted(0.2, (1_usize..4, writing())), option::weighted(0.3, (1_usize..4, 0_usize..9)), end);
    let step = prop_oneof![
        6 => writing().prop_map(Step::Change),
        3 => (0_u64..OVERLAP_MS).prop_map(|ms| Step::Change(Change::Wait(ms))),
        1 => Just(Step::Change(Change::BeginIdsAnew)),
        8 => poll.prop_map(|(during, failing, end)| Step::Poll(during, failing, end)),
    ];
    vec(step, 1..70)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn every_event_counts_exactly_once(steps in steps()) {
        run(&steps);
    }
}

#[test]
fn ids_that_begin_anew_and_pass_the_old_ones_while_nobody_looks_lose_nothing() {
    let poll = || Step::Poll(None, None, End::Publish);
    let change = Step::Change;
    let (write, wait) = (|events| change(Change::Write(events)), || change(Change::Wait(OVERLAP_MS * 2)));
    run(&[
        write(20),
        poll(),
        write(20),
        poll(),
        wait(),
        write(3),
        poll(),
        change(Change::BeginIdsAnew),
        write(120),
        poll(),
    ]);
    // The list stays empty for a while.
    run(&[
        write(20),
        poll(),
        write(20),
        poll(),
        change(Change::BeginIdsAnew),
        poll(),
        wait(),
        poll(),
        write(2),
        poll(),
        write(2),
    ]);
    // The way to them is cut off twice.
    let cut_off = |request| Step::Poll(None, Some((request, 5)), End::Publish);
    run(&[
        write(20),
        poll(),
        write(9),
        poll(),
        change(Change::BeginIdsAnew),
        write(50),
        cut_off(1),
        cut_off(2),
        cut_off(3),
        poll(),
    ]);
}

#[test]
fn ids_that_begin_anew_under_the_eyes_of_a_poll_lose_nothing() {
    let poll = |during| Step::Poll(during, None, End::Publish);
    let write = |events| Step::Change(Change::Write(events));
    let (wait, anew) = (|ms| Step::Change(Change::Wait(ms)), || Step::Change(Change::BeginIdsAnew));
    // Between the search that finds nothing and the page after it.
    let early = [write(1), poll(None), write(2), wait(94_785), write(8), wait(205_206), poll(None), write(2), anew()];
    run(&[&early[..], &[poll(Some((3, Change::Write(2))))]].concat());
    // The stamp of an event that is settled lies ahead of those that come.
    let ahead =
        [Step::Change(Change::WriteAhead(2_396_321)), poll(None), wait(77_443), write(7), wait(154_046), write(4)];
    let rest = [poll(None), wait(66_501), anew(), poll(None), poll(Some((1, Change::Write(1))))];
    run(&[&ahead[..], &rest].concat());
}

#[test]
fn ids_that_begin_anew_when_a_stamp_that_was_ahead_has_come_true_lose_nothing() {
    let change = Step::Change;
    let poll = || Step::Poll(None, None, End::Publish);
    let (ahead, wait) = (change(Change::WriteAhead(410_634)), |ms| change(Change::Wait(ms)));
    run(&[ahead, wait(407_634), poll(), change(Change::BeginIdsAnew), change(Change::Write(1))]);
}

#[test]
fn a_storm_is_read_once_and_not_remembered_without_end() {
    let mut primary = Primary { now_ms: START_MS, next_id: 1, ..Primary::default() };
    let mut book = Book::default();
    let mut poll = |primary: &mut Primary| {
        primary.requests = 0;
        book.follow(primary).now_or_never().unwrap().unwrap();
        (counts(&book).values().sum::<u64>(), primary.requests)
    };
    poll(&mut primary);
    primary.change(&Change::Write(MOST_RECENT + 3_000));
    let storm = u64::try_from(MOST_RECENT).unwrap() + 3_000;
    assert_eq!(poll(&mut primary), (storm, (MOST_RECENT + 3_000).div_ceil(SMALL_PAGE)));
    assert_eq!(poll(&mut primary), (storm, MOST_RECENT.div_ceil(SMALL_PAGE)));
    primary.change(&Change::Wait(OVERLAP_MS + 1));
    poll(&mut primary);
    assert_eq!(poll(&mut primary), (storm, 2), "only the last few are asked for again");
}
