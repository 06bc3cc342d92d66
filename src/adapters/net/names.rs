//! Looks names up (docs/decisions/0020). `getaddrinfo` can't be interrupted, so each lookup has a thread of its own, and
//! the threads are bounded: a resolver that is silent takes no other place than this one.
//!
//! For one host, one lookup runs at a time, and a failure is remembered for a moment. If a lookup takes long, the addresses
//! of the last one are used, for five minutes at most. Hosts whose last lookup failed
//! share few places, so that they never take the places of hosts that are well. The identity provider and the store have
//! places of their own.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

/// Longest time that a request waits for a lookup. The thread may hang for longer.
const LIMIT: Duration = Duration::from_secs(5);
/// How long a failure is remembered.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the addresses of a lookup stand in for the answer of a resolver that is silent.
const KNOWN_FOR: Duration = Duration::from_secs(300);
/// A resolver is silent after this part of the limit, if the addresses are known.
const SILENT: u32 = 5;
/// Stack of a lookup. Pages that are not touched take no memory.
const STACK: usize = 512 << 10;
/// Beyond so many, hosts without a running lookup are forgotten, and count as new.
const HOSTS: usize = 4096;

/// Lookups at one time of hosts that were found before, of new hosts, and of hosts that were not found.
const PLACES: [usize; 3] = [16, 32, 16];
/// Lookups at one time for the identity provider, and for the store.
const OWN_PLACES: [usize; 3] = [2, 2, 2];

static UPSTREAM: LazyLock<Arc<Names>> = LazyLock::new(|| Arc::new(Names::new(OWN_PLACES, LIMIT, resolve)));
static STORE: LazyLock<Arc<Names>> = LazyLock::new(|| Arc::new(Names::new(OWN_PLACES, LIMIT, resolve)));
static OTHERS: LazyLock<Arc<Names>> = LazyLock::new(|| Arc::new(Names::new(PLACES, LIMIT, resolve)));

/// For whom a name is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// For a connection to the identity provider.
    Upstream,
    /// For a connection to an issuer, a proxy or another server.
    Other,
    /// For a connection to the store.
    Store,
}

/// The addresses of a host, which is a name or an address without brackets.
///
/// # Errors
/// The name has no address, or no answer came in time.
pub(crate) async fn addresses(host: &str, port: u16, purpose: Purpose) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let names = match purpose {
        Purpose::Upstream => &*UPSTREAM,
        Purpose::Other => &*OTHERS,
        Purpose::Store => &*STORE,
    };
    let found = names.lookup(host).await?;
    Ok(found.iter().map(|address| SocketAddr::new(*address, port)).collect())
}

fn resolve(host: &str) -> io::Result<Vec<IpAddr>> {
    Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
}

/// What came of a lookup. The error goes to all who wait.
type Found = Result<Arc<[IpAddr]>, Arc<io::Error>>;

struct Names {
    places: [Arc<Semaphore>; 3],
    limit: Duration,
    resolve: fn(&str) -> io::Result<Vec<IpAddr>>,
    hosts: Mutex<HashMap<String, Host>>,
}

#[derive(Default)]
struct Host {
    running: Option<Running>,
    last: Last,
}

/// What is known of a host. The order is that of the places.
#[derive(Clone, Default)]
enum Last {
    /// The addresses, and when they were found.
    Good(Instant, Arc<[IpAddr]>),
    #[default]
    New,
    /// The last lookup failed, or has not ended.
    Bad(Option<(Instant, Arc<io::Error>)>),
}

#[derive(Clone)]
struct Running {
    began: Instant,
    found: watch::Receiver<Option<Found>>,
}

/// What a request for a host leads to.
enum Next {
    Join(Running),
    Start(usize),
    Fail(io::Error),
}

impl Names {
    fn new(places: [usize; 3], limit: Duration, resolve: fn(&str) -> io::Result<Vec<IpAddr>>) -> Self {
        let places = places.map(|count| Arc::new(Semaphore::new(count)));
        Self { places, limit, resolve, hosts: Mutex::default() }
    }

    async fn lookup(self: &Arc<Self>, host: &str) -> io::Result<Arc<[IpAddr]>> {
        let until = Instant::now() + self.limit;
        let running = match self.next(host) {
            Next::Join(running) => running,
            Next::Fail(error) => return Err(error),
            Next::Start(places) => {
                let place = self.places.get(places).cloned().ok_or(io::ErrorKind::NotFound)?;
                let place = timeout(self.limit, place.acquire_owned()).await;
                let place = place.map_err(|_| late("too many names are being looked up"))?;
                self.start(host, place.map_err(io::Error::other)?)?
            }
        };
        self.join(host, running, until).await
    }

    fn next(&self, host: &str) -> Next {
        let hosts = self.hosts();
        let Some(known) = hosts.get(host) else { return Next::Start(1) };
        if let Some(running) = &known.running {
            return Next::Join(running.clone());
        }
        match &known.last {
            Last::Bad(Some((at, error))) if at.elapsed() < PAUSE => Next::Fail(again(error)),
            Last::Good(..) => Next::Start(0),
            Last::New => Next::Start(1),
            Last::Bad(_) => Next::Start(2),
        }
    }

    /// Starts the thread of a lookup, unless another request was first.
    fn start(self: &Arc<Self>, host: &str, place: OwnedSemaphorePermit) -> io::Result<Running> {
        let mut hosts = self.hosts();
        if hosts.len() >= HOSTS {
            hosts.retain(|_, host| host.running.is_some());
        }
        let known = hosts.entry(host.to_owned()).or_default();
        if let Some(running) = &known.running {
            return Ok(running.clone());
        }
        let (tell, found) = watch::channel(None);
        let running = Running { began: Instant::now(), found };
        let (names, name) = (Arc::clone(self), host.to_owned());
        let run = move || {
            let found = (names.resolve)(&name).map(Arc::from).map_err(Arc::new);
            names.ended(&name, &found);
            drop(place);
            tell.send_replace(Some(found));
        };
        std::thread::Builder::new().name("name".to_owned()).stack_size(STACK).spawn(run)?;
        known.running = Some(running.clone());
        Ok(running)
    }

    fn ended(&self, host: &str, found: &Found) {
        if let Some(known) = self.hosts().get_mut(host) {
            known.running = None;
            known.last = match found {
                Ok(addresses) => Last::Good(Instant::now(), Arc::clone(addresses)),
                Err(error) => Last::Bad(Some((Instant::now(), Arc::clone(error)))),
            };
        }
    }

    async fn join(&self, host: &str, mut running: Running, until: Instant) -> io::Result<Arc<[IpAddr]>> {
        let until = until.min(running.began + self.limit);
        let known = match self.hosts().get(host).map(|known| &known.last) {
            Some(Last::Good(found, addresses)) if found.elapsed() < KNOWN_FOR => Some(Arc::clone(addresses)),
            _ => None,
        };
        // A resolver that loses one question must not stop connections to a host whose addresses are known.
        let until = if known.is_some() { until.min(running.began + self.limit / SILENT) } else { until };
        let found = timeout(until.saturating_duration_since(Instant::now()), running.found.wait_for(Option::is_some));
        match found.await {
            Ok(Ok(found)) => match &*found {
                Some(Ok(addresses)) => Ok(Arc::clone(addresses)),
                Some(Err(error)) => Err(again(error)),
                None => Err(io::ErrorKind::NotFound.into()),
            },
            Ok(Err(_)) => Err(io::Error::other("the lookup ended early")),
            Err(_) => {
                if let Some(addresses) = known {
                    return Ok(addresses);
                }
                if let Some(known) = self.hosts().get_mut(host).filter(|known| known.running.is_some()) {
                    known.last = Last::Bad(None);
                }
                Err(late("the resolver does not answer"))
            }
        }
    }

    fn hosts(&self) -> MutexGuard<'_, HashMap<String, Host>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn late(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

fn again(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}

#[cfg(test)]
mod tests;
