//! Reads all audience files, at a start on all cores.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::version::{AudienceFile, Ground, VersionReader};
use crate::adapters::config::load::problem::ProblemList;

/// A thread for fewer files costs more than it saves.
const FILES_OF_A_THREAD: usize = 64;

/// Reads and checks the files, in their order. While requests are served (`serving`), one thread does all of it.
pub(super) fn read_all(
    ground: &Ground<'_>,
    paths: Vec<PathBuf>,
    serving: bool,
    report: &ProblemList,
) -> Vec<AudienceFile> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = if serving { 1 } else { cores.min(paths.len() / FILES_OF_A_THREAD) };
    if threads < 2 {
        let mut pause = Pause { rests: serving && cores == 1, since: Instant::now() };
        let reader = VersionReader { ground, report };
        return paths.into_iter().flat_map(|path| pause.after(reader.read(path))).collect();
    }
    let parts = paths.chunks(paths.len().div_ceil(threads));
    let base = report.base.as_path();
    let read = |part: &[PathBuf]| {
        let report = ProblemList::below(base);
        let reader = VersionReader { ground, report: &report };
        let files: Vec<_> = part.iter().flat_map(|path| reader.read(path.clone())).collect();
        (files, report)
    };
    let read = &read;
    thread::scope(|scope| {
        let reading: Vec<_> = parts.map(|part| (scope.spawn(move || read(part)), part)).collect();
        let mut all = Vec::with_capacity(paths.len());
        for (thread, part) in reading {
            // If a thread panicked, reading its part here panics, too, and ends the load as it should.
            let (files, found) = thread.join().unwrap_or_else(|_| read(part));
            all.extend(files);
            report.absorb(found);
        }
        all
    })
}

/// Leaves half of the time to requests if there is one core: under a quota of CPU time, a low priority is not enough.
struct Pause {
    rests: bool,
    since: Instant,
}

impl Pause {
    const LONGEST_WORK: Duration = Duration::from_millis(2);

    fn after<T>(&mut self, done: T) -> T {
        let worked = self.since.elapsed();
        if self.rests && worked >= Self::LONGEST_WORK {
            thread::sleep(worked);
            self.since = Instant::now();
        }
        done
    }
}
