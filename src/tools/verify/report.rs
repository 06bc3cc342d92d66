//! The report: one line for each check, in the order of the checks, and a verdict. It never shows the token, and it shows
//! claims on request only.

use std::fmt::{Display, Write};

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::judgement::jose::claims::WrongType;
use crate::judgement::jose::jws::JwsError;
use crate::judgement::jose::keys::KeySet;
use crate::judgement::jose::verify::{Expectations, TokenError, VerifiedToken};
use crate::words::refusal::{Reason, Refusal};

/// Claims that may be shown.
const SHOWN: [&str; 9] = ["iss", "sub", "aud", "azp", "act", "may_act", "iat", "nbf", "exp"];
/// The checks in their order.
const STEPS: [&str; 6] = ["form", "alg", "key", "signature", "iss", "times"];

/// The lines that are printed.
#[derive(Default)]
pub(super) struct TokenReport(pub(super) String);

impl TokenReport {
    pub(super) fn ok(&mut self, check: &str, text: &str) {
        self.line("ok", check, text);
    }

    pub(super) fn failed(&mut self, check: &str, text: &str) {
        self.line("failed", check, text);
    }

    pub(super) fn unchecked(&mut self, check: &str, text: &str) {
        self.line("skipped", check, text);
    }

    pub(super) fn keys(&mut self, keys: &KeySet, source: &dyn Display) {
        let plural = if keys.len() == 1 { "" } else { "s" };
        self.ok("keys", &format!("{} usable key{plural} of {source}", keys.len()));
        for left_out in keys.left_out() {
            self.unchecked("keys", &left_out.to_string());
        }
    }

    pub(super) fn key(&mut self, kid: Option<&str>) {
        match kid {
            // The kid is the token's own text: it is quoted and cut.
            Some(kid) => self.ok("key", &format!("{:?}", kid.chars().take(128).collect::<String>())),
            None => self.ok("key", "no kid: the keys that fit the alg were tried"),
        }
    }

    /// The token passed every check of `jose::verify`.
    pub(super) fn verified(&mut self, token: &VerifiedToken, expect: &Expectations<'_>, now: Timestamp) {
        self.ok("form", "a compact JWS with claims");
        self.ok("alg", &token.algorithm().map_or_else(String::new, |algorithm| format!("{algorithm:?}")));
        self.key(token.kid());
        self.ok("signature", "made with this key");
        self.ok("iss", &format!("{:?}", expect.issuer.chars().take(256).collect::<String>()));
        let leeway = expect.leeway.as_secs();
        self.ok("times", &format!("exp, nbf and iat hold at {now}, leeway {leeway} s"));
        self.ok("sub", "present");
    }

    /// The token failed a check of `jose::verify` and passed those before it.
    pub(super) fn failed_token(&mut self, error: TokenError) {
        let step = match error {
            TokenError::Jws(JwsError::KeyMismatch) | TokenError::KeyUnknown => "key",
            TokenError::Jws(JwsError::Algorithm) | TokenError::AlgorithmNotAllowed => "alg",
            TokenError::Jws(JwsError::Signature) => "signature",
            TokenError::Jws(_) => "form",
            TokenError::Issuer => "iss",
            TokenError::Expired(_) | TokenError::NotYetValid { .. } => "times",
            TokenError::ClaimMissing("sub") => "sub",
            TokenError::ClaimMissing(name) | TokenError::ClaimType(WrongType(name)) => name,
        };
        // An unknown alg and a missing iss are found before the other checks, while the token is read.
        let early = matches!(error, TokenError::Jws(JwsError::Algorithm)) || step == "form";
        let passed = match step {
            _ if early => 0,
            "sub" => STEPS.len(),
            "exp" | "nbf" | "iat" => STEPS.len() - 1,
            step => STEPS.iter().position(|one| *one == step).unwrap_or_default(),
        };
        let missing_issuer = step == "iss" && !matches!(error, TokenError::Issuer);
        for step in STEPS.iter().take(if missing_issuer { 0 } else { passed }) {
            self.ok(step, "");
        }
        self.failed(step, &format!("{error} ({})", error.reason()));
    }

    /// The checks of `token::accept`, and which of them failed. `judged` says whether `aud` was compared with anything but
    /// the token's own `azp`.
    pub(super) fn accepted(&mut self, refusal: Option<&Refusal>, judged: bool, rules: usize) {
        const STEPS: [&str; 4] = ["kind", "aud", "bound", "rules"];
        let failed = refusal.map(|refusal| match refusal.reason {
            Reason::SubjectTokenAudience => 1,
            Reason::SubjectTokenBound => 2,
            Reason::SubjectTokenRule => 3,
            _ => 0,
        });
        for (at, step) in STEPS.iter().enumerate().take(failed.unwrap_or(STEPS.len())) {
            match at {
                0 => self.ok(step, "an access token or an ID token"),
                1 if judged => self.ok(step, "contains the required audience"),
                1 => self
                    .unchecked(step, "the token's azp was taken for the client; --client says who presents the token"),
                2 => self.ok(step, "no cnf"),
                _ => self.ok(step, &format!("{rules} of the configuration hold")),
            }
        }
        if let (Some(refusal), Some(step)) = (refusal, failed.and_then(|at| STEPS.get(at))) {
            self.failed(step, &format!("{} ({})", refusal.detail, refusal.reason));
        }
    }

    pub(super) fn claims(&mut self, claims: &Map<String, Value>) {
        for (name, value) in claims.iter().filter(|(name, _)| SHOWN.contains(&name.as_str())) {
            let time = value.as_i64().and_then(|seconds| Timestamp::from_second(seconds).ok());
            match time {
                Some(time) => self.line("claim", name, &format!("{value} ({time})")),
                None => self.line("claim", name, &value.to_string()),
            }
        }
    }

    fn line(&mut self, outcome: &str, check: &str, text: &str) {
        let line = format!("{outcome:<8} {check:<10} {text}");
        let _ = writeln!(self.0, "{}", line.trim_end());
    }
}
