//! Proof that a reader's work grows no faster than its input, for unit tests.
//!
//! [`assert_steps`] counts the bytes that a reader looks at, which is exact. [`assert_time`] is for readers that are made of
//! other crates' code: it compares the CPU time of the thread for an input and for one four times as long. Quadratic work
//! takes sixteen times as long, linear work four times; other threads and processes don't count.

use std::cell::Cell;
use std::hint::black_box;

use rustix::time::{ClockId, clock_gettime};

thread_local! {
    static VISITED: Cell<usize> = const { Cell::new(0) };
}

/// Adds to the thread's count.
pub(crate) fn count(bytes: usize) {
    VISITED.with(|visited| visited.set(visited.get() + bytes));
}

/// Asserts that `read` looks at no byte of an input more than `most` times, whatever the input's size, and that twice the
/// input is at most twice the work and a little.
pub(crate) fn assert_steps<T>(name: &str, most: usize, input: impl Fn(usize) -> Vec<u8>, read: impl Fn(&[u8]) -> T) {
    let steps = |size: usize| {
        let input = input(size);
        VISITED.with(|visited| visited.set(0));
        black_box(read(&input));
        (VISITED.with(Cell::get), input.len())
    };
    let mut before = None;
    for size in [1 << 13, 1 << 14, 1 << 15] {
        let (steps, length) = steps(size);
        assert!(steps > 0, "{name}: nothing is counted");
        assert!(steps <= most * length, "{name}: {steps} steps for {length} bytes");
        if let Some(before) = before {
            assert!(steps < before * 9 / 4 + 1024, "{name}: {before} steps, and {steps} for twice the input");
        }
        before = Some(steps);
    }
}

/// Asserts that four times the input takes less than eight times the CPU time, in the best of several runs.
pub(crate) fn assert_time<I, T>(name: &str, size: usize, input: impl Fn(usize) -> I, read: impl Fn(&I) -> T) {
    const RUNS: usize = 5;
    let (small, large) = (input(size), input(4 * size));
    let ratios = (0..RUNS).map(|_| nanoseconds(|| read(&large)) / nanoseconds(|| read(&small)).max(1.0));
    let best = ratios.fold(f64::MAX, f64::min);
    assert!(best < 8.0, "{name}: four times the input takes {best:.1} times as long");
}

/// CPU time of the thread for some work, in nanoseconds.
pub(crate) fn cpu_time(work: impl FnOnce()) -> f64 {
    let begin = now();
    work();
    now() - begin
}

/// CPU time of the thread for as many runs of `work` as take a millisecond, for one run.
fn nanoseconds<T>(work: impl Fn() -> T) -> f64 {
    const ENOUGH: f64 = 1e6;
    let begin = now();
    let mut runs = 0.0;
    loop {
        black_box(work());
        runs += 1.0;
        let spent = now() - begin;
        if spent > ENOUGH {
            return spent / runs;
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "only ratios are compared")]
fn now() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

#[test]
#[should_panic(expected = "for twice the input")]
fn quadratic_steps_are_found() {
    assert_steps("quadratic", usize::MAX >> 20, |size| vec![0; size], |bytes| count(bytes.len() * bytes.len()));
}

#[test]
#[should_panic(expected = "times as long")]
fn quadratic_time_is_found() {
    let pairs = |bytes: &Vec<u8>| {
        bytes.iter().map(|one| bytes.iter().map(|other| usize::from(other ^ one)).sum::<usize>()).sum::<usize>()
    };
    assert_time("quadratic", 1 << 10, |size| vec![0_u8; size], pairs);
}
