use std::sync::Condvar;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Long enough for a lookup that works, and short for one that hangs.
const SOON: Duration = Duration::from_millis(200);

/// A gate that lookups wait for.
struct Gate(Mutex<bool>, Condvar);

impl Gate {
    const fn closed() -> Self {
        Self(Mutex::new(false), Condvar::new())
    }

    fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }

    fn pass(&self) {
        drop(self.1.wait_while(self.0.lock().unwrap(), |open| !*open).unwrap());
    }
}

static SILENCE: Gate = Gate::closed();
static COUNTED: Gate = Gate::closed();
static LOST: Gate = Gate::closed();
static ASKED: AtomicUsize = AtomicUsize::new(0);
static LOOKUPS: AtomicUsize = AtomicUsize::new(0);

/// Answers by the first letters of the name.
fn scripted(host: &str) -> io::Result<Vec<IpAddr>> {
    match host.split('-').next() {
        Some("silent") => {
            SILENCE.pass();
            Ok(vec![])
        }
        Some("counted") => {
            LOOKUPS.fetch_add(1, Ordering::Relaxed);
            COUNTED.pass();
            Ok(vec!["192.0.2.1".parse().unwrap()])
        }
        Some("lost") => {
            // The first question is answered, and the second is lost.
            if ASKED.fetch_add(1, Ordering::Relaxed) > 0 {
                LOST.pass();
            }
            Ok(vec!["192.0.2.8".parse().unwrap()])
        }
        Some("unknown") => Err(io::Error::new(io::ErrorKind::NotFound, "no such name")),
        _ => Ok(vec!["192.0.2.7".parse().unwrap()]),
    }
}

fn names(places: [usize; 3]) -> Arc<Names> {
    Arc::new(Names::new(places, SOON, scripted))
}

/// Names that hang take their own places, and waiting for them ends; all others go on.
#[tokio::test]
async fn a_silent_resolver_takes_nobody_elses_place() {
    let names = names([1, 2, 1]);
    assert!(names.lookup("good-before").await.is_ok());
    let asked = ["silent-1", "silent-2", "silent-3"].map(|host| {
        let names = Arc::clone(&names);
        tokio::spawn(async move { names.lookup(host).await })
    });
    for one in asked {
        assert_eq!(one.await.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
    assert!(names.lookup("good-before").await.is_ok(), "a host that was found before");
    let began = Instant::now();
    assert!(names.lookup("silent-1").await.is_err());
    assert!(began.elapsed() < SOON, "its lookup still hangs, and nobody waits for it again");
    assert_eq!(names.places.iter().map(|places| places.available_permits()).sum::<usize>(), 2);
    SILENCE.open();
}

#[tokio::test]
async fn requests_for_one_host_share_a_lookup_and_its_failure_for_a_moment() {
    let names = names([4, 4, 4]);
    let asked = [(); 8].map(|()| {
        let names = Arc::clone(&names);
        tokio::spawn(async move { names.lookup("counted-1").await })
    });
    tokio::task::yield_now().await;
    COUNTED.open();
    for one in asked {
        assert_eq!(one.await.unwrap().unwrap().len(), 1);
    }
    assert_eq!(LOOKUPS.load(Ordering::Relaxed), 1);
    for _ in 0..2 {
        let error = names.lookup("unknown-1").await.unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (io::ErrorKind::NotFound, "no such name"));
    }
}

#[tokio::test]
async fn addresses_and_local_names_are_found() {
    for (host, purpose) in [("127.0.0.1", Purpose::Upstream), ("::1", Purpose::Other), ("localhost", Purpose::Other)] {
        let found = addresses(host, 80, purpose).await.unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 80), "{host}: {found:?}");
        assert!(!found.is_empty(), "{host}");
    }
}

/// A resolver that loses a question delays connections to a known host for a moment, and stops none.
#[tokio::test]
async fn known_addresses_are_used_while_a_lookup_hangs() {
    let names = names([1, 1, 1]);
    let known = names.lookup("lost-1").await.unwrap();
    let began = Instant::now();
    assert_eq!(names.lookup("lost-1").await.unwrap(), known, "whoever asked waits for a part of the limit");
    assert!(began.elapsed() >= SOON / SILENT);
    assert_eq!(names.lookup("lost-1").await.unwrap(), known, "later callers");
    tokio::time::sleep(SOON).await;
    assert_eq!(names.lookup("lost-1").await.unwrap(), known, "as long as the lookup hangs");
    assert_eq!(ASKED.load(Ordering::Relaxed), 2, "nobody asks again meanwhile");
    let old = Instant::now().checked_sub(KNOWN_FOR).unwrap();
    names.hosts().get_mut("lost-1").unwrap().last = Last::Good(old, known);
    assert_eq!(names.lookup("lost-1").await.unwrap_err().kind(), io::ErrorKind::TimedOut, "old addresses");
    LOST.open();
}
