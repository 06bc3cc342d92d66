//! A case: a section's requirement, how it is tried, and how the answers are judged.

use super::answer::Observation;
use super::inputs::{Inputs, Need};
use super::judge::{SeenAnswers, clearly_refused};
use super::request::{CaseRequest, exchange};
use super::verdict::{CaseResult, CaseVerdict, Level, skip};

/// One requirement and how it is tried.
#[derive(Clone, Copy)]
pub struct ConformanceCase {
    /// Its name, unique.
    pub id: &'static str,
    /// The section of the requirement, for instance `RFC 8693 2.1`.
    pub section: &'static str,
    /// How binding it is.
    pub level: Level,
    /// The requirement.
    pub title: &'static str,
    /// What is sent, as a difference from the plain exchange.
    pub sent: &'static str,
    /// What is expected.
    pub expected: &'static str,
    /// The inputs that the case needs.
    pub needs: &'static [Need],
    /// What must work before the answer means anything.
    pub premise: Premise,
    /// How it is tried.
    pub play: Play,
}

/// What must work before a case's answer means anything: a server that refuses everything also refuses what must be
/// refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Premise {
    /// Nothing.
    None,
    /// The plain exchange.
    Exchange,
    /// The plain exchange with the actor token, whose issued token has `act`.
    Delegation,
}

/// Makes the first request of a case.
type First = fn(&Inputs) -> CaseRequest;
/// Makes the second request from the first answer, which may also decide the case.
type Second = fn(&SeenAnswers<'_>) -> Result<CaseRequest, CaseVerdict>;
/// Judges the answers.
type Judge = fn(&SeenAnswers<'_>) -> CaseResult;

/// How a case is tried. The functions see the inputs and the answers, and nothing else.
#[derive(Clone, Copy)]
pub enum Play {
    /// Without a request.
    Look(fn(&Inputs) -> CaseResult),
    /// With one request.
    Ask(First, Judge),
    /// With two requests.
    AskTwice(First, Second, Judge),
}

/// What comes next in a case.
#[derive(Debug)]
pub enum CaseStep {
    /// Send this request, and return with its answer.
    Ask(Box<CaseRequest>),
    /// The case is decided.
    Done(CaseVerdict),
}

/// A MUST with the values that most cases have.
pub(super) const fn must(id: &'static str, section: &'static str, title: &'static str) -> ConformanceCase {
    ConformanceCase {
        id,
        section,
        level: Level::Must,
        title,
        sent: "the plain exchange",
        expected: "",
        needs: &[],
        premise: Premise::Exchange,
        play: Play::Look(|_| Ok(())),
    }
}

/// A SHOULD with the values that most cases have.
pub(super) const fn should(id: &'static str, section: &'static str, title: &'static str) -> ConformanceCase {
    must(id, section, title).level(Level::Should)
}

/// A MAY with the values that most cases have.
pub(super) const fn may(id: &'static str, section: &'static str, title: &'static str) -> ConformanceCase {
    must(id, section, title).level(Level::May)
}

/// A case is written as a chain of what differs from the usual values. A group of cases begins with what they share.
impl ConformanceCase {
    pub(super) const fn named(self, id: &'static str, title: &'static str) -> Self {
        Self { id, title, ..self }
    }

    pub(super) const fn of(self, section: &'static str) -> Self {
        Self { section, ..self }
    }

    pub(super) const fn level(self, level: Level) -> Self {
        Self { level, ..self }
    }

    pub(super) const fn sends(self, sent: &'static str) -> Self {
        Self { sent, ..self }
    }

    pub(super) const fn expects(self, expected: &'static str) -> Self {
        Self { expected, ..self }
    }

    pub(super) const fn needs(self, needs: &'static [Need]) -> Self {
        Self { needs, ..self }
    }

    pub(super) const fn after(self, premise: Premise) -> Self {
        Self { premise, ..self }
    }

    pub(super) const fn looks(self, judge: fn(&Inputs) -> CaseResult) -> Self {
        Self { play: Play::Look(judge), ..self }
    }

    pub(super) const fn asks(self, send: First, judge: Judge) -> Self {
        Self { play: Play::Ask(send, judge), ..self }
    }

    pub(super) const fn asks_twice(self, send: First, then: Second, judge: Judge) -> Self {
        Self { play: Play::AskTwice(send, then, judge), ..self }
    }
}

impl ConformanceCase {
    /// The next step after these answers, one for each request so far.
    pub fn next(&self, with: &Inputs, seen: &[Observation]) -> CaseStep {
        match self.play(with, seen) {
            Ok(request) => CaseStep::Ask(Box::new(request)),
            Err(verdict) => CaseStep::Done(verdict.of_level(self.level)),
        }
    }

    fn play(&self, with: &Inputs, seen: &[Observation]) -> Result<CaseRequest, CaseVerdict> {
        if let Some(need) = self.needs.iter().find(|need| !with.has(**need)) {
            return Err(CaseVerdict::Skipped(need.missing()));
        }
        let mut answers = seen.iter();
        let mut plain = None;
        if self.premise != Premise::None {
            let Some(answer) = answers.next() else { return Ok(exchange(with)) };
            works(answer)?;
            plain = Some(answer);
        }
        if self.premise == Premise::Delegation {
            let Some(answer) = answers.next() else {
                return Ok(exchange(with).actor(&with.token(Need::Actor)));
            };
            delegates(answer)?;
        }
        let (send, then, judge) = match self.play {
            Play::Look(judge) => return over(judge(with)),
            Play::Ask(send, judge) => (send, None, judge),
            Play::AskTwice(send, then, judge) => (send, Some(then), judge),
        };
        let Some(first) = answers.next() else { return Ok(send(with)) };
        let mut seen = SeenAnswers { with, plain, first, answer: first };
        if let Some(then) = then {
            match answers.next() {
                None => return then(&seen),
                Some(second) => seen.answer = second,
            }
        }
        over(judge(&seen))
    }
}

/// Whether the plain exchange works.
fn works(answer: &Observation) -> CaseResult {
    if answer.issued() { Ok(()) } else { skip(format!("the plain exchange: {}", answer.told())) }
}

/// Whether the exchange with the actor token issues a token that names an actor.
fn delegates(answer: &Observation) -> CaseResult {
    match (answer.issued(), clearly_refused(answer), answer.claims()) {
        (false, Some(told), _) => Err(CaseVerdict::Unsupported(format!("an exchange with the actor token: {told}"))),
        (false, None, _) => skip(format!("the exchange with the actor token: {}", answer.told())),
        (true, _, None) => skip("the token is opaque: needs --introspection-endpoint"),
        (true, _, Some(claims)) if claims.contains_key("act") => Ok(()),
        (true, _, Some(_)) => skip("the actor token is ignored (see actor)"),
    }
}

fn over(judged: CaseResult) -> Result<CaseRequest, CaseVerdict> {
    Err(judged.err().unwrap_or(CaseVerdict::Pass))
}

#[cfg(test)]
pub(super) mod tests;
