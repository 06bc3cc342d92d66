//! Slow hashes of client secrets: a few threads of their own, each with memory that it uses again.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::judgement::client::secret::HashMemory;
use crate::judgement::client::verify::{AuthenticatedClient, SlowSecret};
use crate::words::refusal::{Reason, Refusal, RetryAfter};

/// Most hashes at one time: each needs a processor, and its thread keeps 19 MiB, or what the configuration says.
const MOST_THREADS: usize = 2;
/// Most secrets that wait, and most of one client, so that guesses at one client's secret leave room for the others.
const MOST_WAITING: usize = 64;
const MOST_OF_CLIENT: usize = 16;
/// Longest wait before a hash is computed.
const TURN: Duration = Duration::from_secs(5);
/// A thread without work gives its memory back after this time.
const IDLE: Duration = Duration::from_secs(10);

type Checked = Result<AuthenticatedClient, Refusal>;

/// Checks secrets on its threads, which start with the first secret.
pub(super) struct Hasher(Arc<Work>);

#[derive(Default)]
struct Work {
    jobs: Mutex<Jobs>,
    wake: Condvar,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    threads: usize,
    idle: usize,
    ended: bool,
}

struct Job {
    slow: SlowSecret,
    done: oneshot::Sender<Checked>,
    queued: Instant,
}

impl Hasher {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// Whether the secret is the client's.
    ///
    /// # Errors
    /// It is not, or too many secrets wait.
    pub(super) async fn check(&self, slow: SlowSecret) -> Checked {
        let checked = self.push(slow)?;
        match tokio::time::timeout(TURN, checked).await {
            Ok(Ok(checked)) => checked,
            Ok(Err(_)) => Err(Refusal::new(Reason::Internal, "the check of a client secret ended early")),
            Err(_) => Err(busy()),
        }
    }

    fn push(&self, slow: SlowSecret) -> Result<oneshot::Receiver<Checked>, Refusal> {
        let mut jobs = self.0.jobs();
        jobs.waiting.retain(|job| !job.done.is_closed());
        let of_client = jobs.waiting.iter().filter(|job| job.slow.client_id() == slow.client_id()).count();
        if jobs.waiting.len() >= MOST_WAITING || of_client >= MOST_OF_CLIENT {
            return Err(busy());
        }
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        if jobs.idle == 0 && jobs.threads < processors.min(MOST_THREADS) {
            let work = Arc::clone(&self.0);
            let started = std::thread::Builder::new().name("secret".to_owned()).spawn(move || work.run());
            match started {
                Ok(_) => jobs.threads += 1,
                Err(_) if jobs.threads > 0 => {}
                Err(error) => return Err(unavailable(&format!("there can be no thread for a client secret: {error}"))),
            }
        }
        let (done, checked) = oneshot::channel();
        jobs.waiting.push_back(Job { slow, done, queued: Instant::now() });
        self.0.wake.notify_one();
        Ok(checked)
    }
}

impl Drop for Hasher {
    fn drop(&mut self) {
        self.0.jobs().ended = true;
        self.0.wake.notify_all();
    }
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher")
    }
}

impl Work {
    /// Checks secrets until the hasher is dropped.
    fn run(&self) {
        let mut memory = HashMemory::default();
        while let Some(job) = self.next(&mut memory) {
            if !job.done.is_closed() && job.queued.elapsed() < TURN {
                // A caller that has gone needs no word.
                let _ = job.done.send(job.slow.run(&mut memory));
            }
        }
    }

    /// The next secret. While there is none, the memory goes back.
    fn next(&self, memory: &mut HashMemory) -> Option<Job> {
        let nothing = |jobs: &mut Jobs| jobs.waiting.is_empty() && !jobs.ended;
        let mut jobs = self.jobs();
        jobs.idle += 1;
        let (waited, result) =
            self.wake.wait_timeout_while(jobs, IDLE, nothing).unwrap_or_else(PoisonError::into_inner);
        jobs = waited;
        if result.timed_out() {
            *memory = HashMemory::default();
            jobs = self.wake.wait_while(jobs, nothing).unwrap_or_else(PoisonError::into_inner);
        }
        jobs.idle -= 1;
        if jobs.ended { None } else { jobs.waiting.pop_front() }
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn busy() -> Refusal {
    unavailable("too many client secrets wait for their check").retry_after(Some(RetryAfter::seconds(1)))
}

pub(in crate::edge::gateway) fn unavailable(detail: &str) -> Refusal {
    Refusal::new(Reason::ClientAuthenticationUnavailable, detail)
}
