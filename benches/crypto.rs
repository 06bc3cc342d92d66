//! The bare cryptography of one minted token, on one thread, for `bench/mint` to hold Cambio against.
//!
//! ```text
//! crypto issuer CLAIMS [COUNT]
//!     a foreign issuer: a new RSA key's JWK set, and CLAIMS signed with it, a line each; COUNT tokens with a `jti` each
//! crypto pairs SUBJECT ISSUED SECONDS
//!     verifies the RS256 token in the file SUBJECT (which `issuer` printed) and signs the message of the token in the
//!     file ISSUED by ES256, over and over; prints how often, and the CPU seconds that it took
//! ```
//!
//! Both keys are parsed once; what is counted is `verify_sig` and `sign` of aws-lc-rs and nothing else.

#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
    RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Pairs between two looks at the clock.
const BATCH: u32 = 50;

fn main() {
    // `cargo bench` adds an argument of its own.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["issuer", claims] => issuer(claims, 1),
        ["issuer", claims, count] => issuer(claims, count.parse().unwrap()),
        ["pairs", subject, issued, seconds] => pairs(subject, issued, seconds.parse().unwrap()),
        _ => println!("crypto is run by bench/mint"),
    }
}

fn issuer(claims: &str, count: u32) {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = pair.public_key();
    let (n, e) = (public.modulus(), public.exponent());
    let [n, e] = [n, e].map(|number| URL_SAFE_NO_PAD.encode(number.big_endian_without_leading_zero()));
    println!(r#"{{"keys":[{{"kty":"RSA","use":"sig","alg":"RS256","kid":"partner-1","n":"{n}","e":"{e}"}}]}}"#);

    let header = r#"{"alg":"RS256","typ":"JWT","kid":"partner-1"}"#;
    let members: serde_json::Map<String, serde_json::Value> = serde_json::from_str(claims).unwrap();
    for number in 1..=count {
        let mut members = members.clone();
        members.insert("jti".to_owned(), format!("onrtte:{number:08}").into());
        let claims = serde_json::Value::from(members).to_string();
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
        println!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
    }
}

fn pairs(subject: &str, issued: &str, seconds: f64) {
    let text = fs::read_to_string(subject).unwrap();
    let (keys, token) = text.trim_end().split_once('\n').unwrap();
    let member = |name: &str| {
        let start = format!("\"{name}\":\"");
        let (number, _) = keys.split_once(&start).unwrap().1.split_once('"').unwrap();
        URL_SAFE_NO_PAD.decode(number).unwrap()
    };
    let key = RsaPublicKeyComponents { n: member("n"), e: member("e") };
    let verifier = key.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();

    let issued = fs::read_to_string(issued).unwrap();
    let (to_sign, _) = issued.rsplit_once('.').unwrap();
    let signer = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let random = SystemRandom::new();

    let pair = || {
        verifier.verify_sig(black_box(message.as_bytes()), black_box(&signature)).unwrap();
        black_box(signer.sign(&random, black_box(to_sign.as_bytes())).unwrap());
    };
    for _ in 0..BATCH {
        pair();
    }
    let (before, end) = (cpu_seconds(), Instant::now() + Duration::from_secs_f64(seconds));
    let mut count = 0;
    while Instant::now() < end {
        for _ in 0..BATCH {
            pair();
        }
        count += BATCH;
    }
    println!("{count} {:.6}", cpu_seconds() - before);
}

/// CPU time of this process's only thread, by the kernel's scheduler statistics.
fn cpu_seconds() -> f64 {
    let text = fs::read_to_string("/proc/self/schedstat").unwrap();
    let nanoseconds: u64 = text.split(' ').next().unwrap().parse().unwrap();
    Duration::from_nanos(nanoseconds).as_secs_f64()
}
