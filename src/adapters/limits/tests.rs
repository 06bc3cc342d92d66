use std::net::Ipv4Addr;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::words::clock::ManualClock;

const CLIENT: &str = "front-end-app";

fn rate(text: &str) -> Rate {
    Rate::parse(text).unwrap()
}

fn rules() -> LockoutRules {
    LockoutRules { wrong_secrets: 3, per_peer: rate("100/h"), longest: Duration::from_secs(300) }
}

/// Limits of the realm `corp` and the clock that they go by.
struct Scene {
    limits: RealmLimits,
    tables: Arc<LimitTables>,
    hand: Arc<ManualClock>,
}

fn scene(rates: RateLimits, lockout: LockoutRules) -> Scene {
    let (clock, hand) = Clock::manual(Timestamp::UNIX_EPOCH);
    let tables = Arc::new(LimitTables::new(&clock));
    Scene { limits: RealmLimits::new("corp", rates, Some(lockout), &tables, None), tables, hand }
}

impl Scene {
    fn pass(&self, time: Duration) {
        self.hand.advance(SignedDuration::try_from(time).unwrap());
    }
}

fn peer(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn wait(result: Result<(), Limited>) -> Option<(Limit, Duration)> {
    result.err().map(|limited| (limited.limit, limited.wait))
}

#[test]
fn rates_are_read_and_written_alike() {
    for (text, period) in [
        ("1/s", Some(1)),
        ("50/s", Some(1)),
        ("600/m", Some(60)),
        ("1000000/h", Some(3600)),
        ("1000001/h", None),
        ("0/s", None),
        ("05/s", None),
        ("+5/s", None),
        ("-5/s", None),
        ("5", None),
        ("5/", None),
        ("/s", None),
        ("5/d", None),
        ("5/S", None),
        ("5 /s", None),
        ("5/s ", None),
        ("0.5/s", None),
        ("99999999999/s", None),
    ] {
        let read = Rate::parse(text);
        assert_eq!(read.map(|rate| rate.period().as_secs()), period, "{text}");
        assert!(read.is_none_or(|rate| rate.to_string() == text), "{text}");
    }
}

#[test]
fn a_whole_rate_comes_at_once_and_then_its_share_of_the_period_is_due() {
    for (text, at_once, share) in [("1/s", 1, 1000), ("5/s", 5, 200), ("4/m", 4, 15_000), ("10/h", 10, 360_000)] {
        let scene = scene(RateLimits { per_peer: Some(rate(text)), ..RateLimits::default() }, rules());
        let (one, share) = (peer("192.0.2.1"), Duration::from_millis(share));
        for number in 0..at_once {
            assert_eq!(scene.limits.admit(one), Ok(()), "{text}: {number}");
        }
        for half in [share, share / 2] {
            assert_eq!(wait(scene.limits.admit(one)), Some((Limit::Peer, half)), "{text}");
            scene.pass(share / 2);
        }
        assert_eq!(scene.limits.admit(one), Ok(()), "{text}: one is due");
        assert_eq!(wait(scene.limits.admit(one)), Some((Limit::Peer, share)), "{text}: and no other");
        scene.pass(rate(text).period() * 2);
        assert_eq!((0..at_once + 3).filter(|_| scene.limits.admit(one).is_ok()).count(), at_once, "{text}");
    }
}

#[test]
fn one_host_is_one_peer() {
    for (name, one, other, are_one) in [
        ("IPv4", "192.0.2.1", "192.0.2.1", true),
        ("neighbours", "192.0.2.1", "192.0.2.2", false),
        ("IPv4 in IPv6", "192.0.2.1", "::ffff:192.0.2.1", true),
        ("neighbours in IPv6", "::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
        ("the first and the last of a /64", "2001:db8:1:2::", "2001:db8:1:2:ffff:ffff:ffff:ffff", true),
        ("two /64", "2001:db8:1:2::1", "2001:db8:1:3::1", false),
    ] {
        let scene = scene(RateLimits { per_peer: Some(rate("1/h")), ..RateLimits::default() }, rules());
        scene.limits.admit(peer(one)).unwrap();
        assert_eq!(scene.limits.admit(peer(other)).is_err(), are_one, "{name}");
        for _ in 0..3 {
            scene.limits.guessed_wrong(CLIENT, peer(one));
        }
        assert_eq!(scene.limits.may_guess(CLIENT, peer(other)).is_err(), are_one, "{name}");
    }
}

#[test]
fn what_a_peer_sends_beyond_its_own_limit_does_not_use_up_the_realms() {
    let rates = RateLimits { per_peer: Some(rate("2/h")), per_realm: Some(rate("3/h")), per_client: None };
    let scene = scene(rates, rules());
    let admitted = |text: &str| wait(scene.limits.admit(peer(text))).map(|(limit, _)| limit);
    let one = [(); 5].map(|()| admitted("192.0.2.1"));
    assert_eq!(one, [None, None, Some(Limit::Peer), Some(Limit::Peer), Some(Limit::Peer)]);
    assert_eq!([admitted("192.0.2.2"), admitted("192.0.2.2")], [None, Some(Limit::Realm)]);
}

#[test]
fn only_a_look_counts_nothing() {
    let scene = scene(RateLimits { per_client: Some(rate("2/h")), ..RateLimits::default() }, rules());
    for _ in 0..10 {
        assert_eq!(scene.limits.has_room(CLIENT), Ok(()));
    }
    let counted = [(); 3].map(|()| scene.limits.count_client(CLIENT).is_ok());
    assert_eq!(counted, [true, true, false]);
    let looked = scene.limits.has_room(CLIENT).unwrap_err();
    assert_eq!(looked.limit, Limit::Client);
    assert_eq!(scene.limits.has_room("reporting-app"), Ok(()), "each client has its own limit");
}

#[test]
fn a_changed_limit_begins_anew_and_an_unchanged_one_goes_on() {
    let rates =
        |client, peer| RateLimits { per_client: Some(rate(client)), per_peer: Some(rate(peer)), per_realm: None };
    let scene = scene(rates("1/h", "1/h"), rules());
    scene.limits.count_client(CLIENT).unwrap();
    scene.limits.admit(peer("192.0.2.1")).unwrap();
    for _ in 0..3 {
        scene.limits.guessed_wrong(CLIENT, peer("192.0.2.1"));
    }
    let next = RealmLimits::new("corp", rates("1/h", "2/h"), Some(rules()), &scene.tables, Some(&scene.limits));
    assert!(next.count_client(CLIENT).is_err(), "unchanged");
    assert_eq!([(); 3].map(|()| next.admit(peer("192.0.2.1")).is_ok()), [true, true, false], "changed");
    assert!(next.may_guess(CLIENT, peer("192.0.2.1")).is_err(), "wrong secrets stay counted");
    let off = RealmLimits::new("corp", RateLimits::default(), None, &scene.tables, Some(&next));
    off.admit(peer("192.0.2.1")).unwrap();
    off.count_client(CLIENT).unwrap();
    off.may_guess(CLIENT, peer("192.0.2.1")).unwrap();
}

/// The lock-out of [`CLIENT`] at a peer, in seconds; 0 if there is none.
fn locked(scene: &Scene, of: IpAddr) -> u64 {
    wait(scene.limits.may_guess(CLIENT, of)).map_or(0, |(limit, wait)| {
        assert_eq!(limit, Limit::WrongSecrets);
        wait.as_secs()
    })
}

#[test]
fn lock_outs_double_up_to_the_longest() {
    let (scene, one) = (scene(RateLimits::default(), rules()), peer("192.0.2.1"));
    let mut lasted = Vec::new();
    for _ in 0..13 {
        scene.limits.guessed_wrong(CLIENT, one);
        let seconds = locked(&scene, one);
        lasted.push(seconds);
        scene.pass(Duration::from_secs(seconds).saturating_sub(Duration::from_millis(1)));
        assert_eq!(scene.limits.may_guess(CLIENT, one).is_err(), seconds > 0, "until the last moment");
        scene.pass(Duration::from_millis(u64::from(seconds > 0)));
        assert_eq!(locked(&scene, one), 0, "and no longer");
    }
    assert_eq!(lasted, [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
}

#[test]
fn secrets_that_were_shown_together_lock_out_once() {
    let (scene, one) = (scene(RateLimits::default(), rules()), peer("192.0.2.1"));
    for _ in 0..50 {
        scene.limits.guessed_wrong(CLIENT, one);
    }
    assert_eq!(locked(&scene, one), 1);
}

#[test]
fn the_client_is_locked_out_at_the_guesser_only() {
    let (scene, one) = (scene(RateLimits::default(), rules()), peer("192.0.2.1"));
    for _ in 0..3 {
        scene.limits.guessed_wrong(CLIENT, one);
    }
    let elsewhere = RealmLimits::new("partner", RateLimits::default(), Some(rules()), &scene.tables, None);
    for (name, limits, client, peer, is_locked) in [
        ("the pair", &scene.limits, CLIENT, "192.0.2.1", true),
        ("the client at its own address", &scene.limits, CLIENT, "192.0.2.2", false),
        ("another client", &scene.limits, "reporting-app", "192.0.2.1", false),
        ("another realm", &elsewhere, CLIENT, "192.0.2.1", false),
    ] {
        assert_eq!(limits.may_guess(client, self::peer(peer)).is_err(), is_locked, "{name}");
    }
}

#[test]
fn wrong_secrets_are_forgotten_after_a_right_one_and_after_the_longest_time() {
    let one = peer("192.0.2.1");
    for (name, forget, second) in [
        ("at once", None, 1),
        ("a right secret", Some(Duration::ZERO), 0),
        ("not yet", Some(Duration::from_secs(299)), 1),
        ("the longest time", Some(Duration::from_secs(300)), 0),
    ] {
        let scene = scene(RateLimits::default(), rules());
        scene.limits.guessed_wrong(CLIENT, one);
        scene.limits.guessed_wrong(CLIENT, one);
        match forget {
            Some(Duration::ZERO) => scene.limits.guessed_right(CLIENT, one),
            Some(time) => scene.pass(time),
            None => {}
        }
        scene.limits.guessed_wrong(CLIENT, one);
        assert_eq!(locked(&scene, one), second, "{name}");
    }
}

#[test]
fn spraying_is_bounded_and_a_right_secret_of_another_client_does_not_help() {
    let lockout = LockoutRules { per_peer: rate("10/h"), ..rules() };
    let (scene, one) = (scene(RateLimits::default(), lockout), peer("192.0.2.1"));
    let mut checked = 0;
    for number in 0..1000 {
        if scene.limits.may_guess(&format!("client-{number}"), one).is_ok() {
            checked += 1;
            scene.limits.guessed_wrong(&format!("client-{number}"), one);
        }
        scene.limits.guessed_right("their-own", one);
    }
    assert_eq!(checked, 10);
    let refused = wait(scene.limits.may_guess("their-own", one));
    assert_eq!(refused, Some((Limit::WrongSecretsOfPeer, Duration::from_secs(360))));
    scene.limits.may_guess("their-own", peer("192.0.2.2")).unwrap();
    scene.pass(Duration::from_secs(360));
    scene.limits.may_guess("client-0", one).unwrap();
}

/// A million peers and a million names: the tables are full, and nobody who has reached a limit got away.
#[test]
fn tables_stay_bounded_and_remember_who_has_reached_a_limit() {
    let rates = RateLimits { per_client: Some(rate("5/m")), per_peer: Some(rate("5/m")), per_realm: None };
    let (scene, one) = (scene(rates, rules()), peer("192.0.2.1"));
    for _ in 0..5 {
        scene.limits.admit(one).unwrap();
        scene.limits.count_client(CLIENT).unwrap();
        scene.limits.guessed_wrong(CLIENT, one);
    }
    scene.pass(Duration::from_millis(1100));
    scene.limits.guessed_wrong(CLIENT, one);
    let most = Table::<Arrivals>::MOST + Table::<WrongSecrets>::MOST;
    for number in 0..1_000_000_u32 {
        let other = IpAddr::from(Ipv4Addr::from_bits(0x0A00_0000 + number));
        scene.limits.admit(other).unwrap();
        let name = number.to_string();
        scene.limits.count_client(&name).unwrap();
        scene.limits.guessed_wrong(&name, other);
        assert!(number % 50_000 != 0 || scene.tables.entries() <= most);
    }
    assert_eq!(scene.tables.entries(), most);
    assert_eq!(scene.limits.admit(one).unwrap_err().limit, Limit::Peer);
    assert_eq!(scene.limits.count_client(CLIENT).unwrap_err().limit, Limit::Client);
    assert_eq!(locked(&scene, one), 2);
}

/// What has ended leaves the tables when others come.
#[test]
fn entries_end() {
    let scene = scene(RateLimits { per_peer: Some(rate("5/s")), ..RateLimits::default() }, rules());
    let flood = |from: u32| {
        for number in 0..200_000 {
            scene.limits.admit(IpAddr::from(Ipv4Addr::from_bits(from + number))).unwrap();
        }
        scene.tables.entries()
    };
    let full = flood(0x0A00_0000);
    assert!(full > Table::<Arrivals>::MOST * 9 / 10, "{full}");
    scene.pass(Duration::from_secs(10));
    for number in 0..20_000 {
        scene.limits.admit(IpAddr::from(Ipv4Addr::from_bits(0x0B00_0000 + number))).unwrap();
    }
    assert!(scene.tables.entries() < 21_000, "{}", scene.tables.entries());
}

#[test]
fn a_clock_that_is_set_changes_no_limit() {
    let scene = scene(RateLimits { per_peer: Some(rate("1/m")), ..RateLimits::default() }, rules());
    scene.hand.set(-SignedDuration::from_hours(1));
    scene.limits.admit(peer("192.0.2.1")).unwrap();
    scene.hand.set(SignedDuration::from_hours(2));
    assert_eq!(wait(scene.limits.admit(peer("192.0.2.1"))), Some((Limit::Peer, Duration::from_secs(60))));
}

#[test]
fn a_refusal_names_the_limit_and_what_came() {
    let rates = RateLimits { per_client: Some(rate("1/s")), per_peer: Some(rate("1/m")), per_realm: Some(rate("1/h")) };
    let (scene, one) = (scene(rates, rules()), peer("2001:db8::1"));
    scene.limits.admit(one).unwrap();
    scene.limits.count_client(CLIENT).unwrap();
    for _ in 0..3 {
        scene.limits.guessed_wrong(CLIENT, one);
    }
    let refusal = |checked: Result<(), Limited>| Refusal::from(checked.unwrap_err());
    for (refused, reason, seconds, detail) in [
        (
            refusal(scene.limits.admit(one)),
            Reason::RateLimited,
            60,
            "realms.corp.rateLimits.perPeer: 1/m is reached; free again in 60.000 s",
        ),
        (
            refusal(scene.limits.admit(peer("192.0.2.1"))),
            Reason::RateLimited,
            3600,
            "realms.corp.rateLimits.perRealm: 1/h is reached; free again in 3600.000 s",
        ),
        (
            refusal(scene.limits.count_client(CLIENT)),
            Reason::RateLimited,
            1,
            "realms.corp.rateLimits.perClient: 1/s is reached; free again in 1.000 s",
        ),
        (
            refusal(scene.limits.may_guess(CLIENT, one)),
            Reason::ClientLockedOut,
            1,
            "realms.corp.clientLockout.wrongSecrets: 3 is reached: 3 wrong secrets for this client from 2001:db8::/64; free again in 1.000 s",
        ),
    ] {
        let expected = Refusal::new(reason, detail).retry_after(Some(RetryAfter::after(Duration::from_secs(seconds))));
        assert_eq!(refused, expected);
    }
}
