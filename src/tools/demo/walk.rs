//! The story that `cambio demo` tells, with real HTTP: an exchange is refused until the audience's owner permits it,
//! and then says no more than the owner lists; the same for another company's token; and for somebody who acts for
//! somebody else.

mod client;
mod delegation;
mod foreign;
mod roles;
mod stage;
mod teller;

use std::io::Write;

use serde_json::Value;

use crate::tools::demo::walk::client::Call;
use crate::tools::demo::walk::roles::Roles;
use crate::tools::demo::walk::stage::{NOBODY, PERMITTED, Stage};
use crate::tools::demo::walk::teller::Teller;

/// Whether everything went as told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every step did.
    AsTold,
    /// At least one step did not.
    Otherwise,
}

/// The demo could not be set up, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// The identity provider did not start.
    #[error("the demo's identity provider: {0}")]
    Idp(#[from] super::IdpError),
    /// Cambio did not start.
    #[error("{0}")]
    Start(#[from] crate::edge::gateway::setup_error::StartError),
    /// No signing key could be made.
    #[error("a signing key: {0}")]
    Key(String),
    /// A file could not be written or read, or the output is closed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A request got no answer.
    #[error("a request to {0} got no answer: {1}")]
    NoAnswer(std::net::SocketAddr, String),
    /// Something that should happen within seconds did not.
    #[error("{0} did not happen in time")]
    Late(&'static str),
}

/// Tells the story once. With `once` it ends there, else it serves until Ctrl-C.
///
/// # Errors
/// When the demo can't be set up or a request gets no answer at all.
pub async fn run(once: bool, out: &mut (dyn Write + Send)) -> Result<Verdict, WalkError> {
    let mut teller = Teller::new(out);
    teller.text("Starting a small Keycloak-shaped identity provider, and Cambio in front of it.")?;
    let stage = Stage::set().await?;
    teller.text(&stage.introduction())?;
    tell(&stage, &mut teller).await?;
    let verdict = teller.summary()?;
    if !once {
        teller.text(&stage.farewell())?;
        tokio::signal::ctrl_c().await?;
    }
    stage.clear().await;
    Ok(verdict)
}

async fn tell(stage: &Stage, teller: &mut Teller<'_>) -> Result<(), WalkError> {
    teller.step("Alice logs in at front-end-app.")?;
    let login = stage.login();
    teller.curl(&login, Some("TOKEN"))?;
    let token = login.send().await?.access_token();
    let Some(before) = token.as_deref().and_then(Roles::of_token) else {
        return teller.check("she gets a token", false);
    };
    teller.roles("her token's roles", &before)?;
    teller.check("it has frontend_user and administrator", {
        before.has("front-end-app", "frontend_user") && before.has("front-end-app", "administrator")
    })?;
    let token = token.unwrap_or_default();

    teller.step("front-end-app wants a token for back-end-api. Its owner has permitted nobody yet.")?;
    refused(stage, teller, &stage.exchange(&token), NO_CLIENT).await?;

    teller
        .step("The owner of back-end-api permits front-end-app, in the file that the owner's team keeps:")?;
    teller.indented(PERMITTED)?;
    stage.write_permissions(PERMITTED).await?;
    teller.check("the file is in force without a restart", true)?;

    teller.step("front-end-app tries again.")?;
    let exchange = stage.exchange(&token);
    teller.curl(&exchange, None)?;
    let (reply, line) = stage.audited(&exchange).await?;
    teller.reply(&reply)?;
    teller.audit(&line)?;
    let after = reply.access_token().as_deref().and_then(Roles::of_token).unwrap_or_default();
    teller.roles("roles before", &before)?;
    teller.roles("roles after", &after)?;
    teller.check(
        "the new token has backend_user and nothing else",
        after.only("back-end-api", &["backend_user"]),
    )?;

    teller
        .step("A resource server finds the key of that token where it always looks: in the realm's certs.")?;
    let certs = stage.certs();
    teller.curl(&certs, None)?;
    let kids = certs.send().await?.kids();
    let kid = reply.access_token().as_deref().and_then(roles::kid);
    teller.check("its key is published", kid.is_some_and(|kid| kids.contains(&kid)))?;

    let carol = foreign::tell(stage, teller).await?;
    delegation::tell(stage, teller, &token).await?;

    teller.step(
        "The owner takes the permissions back. Neither Alice's token nor Carol's is exchanged any more.",
    )?;
    teller.indented(NOBODY)?;
    stage.write_permissions(NOBODY).await?;
    refused(stage, teller, &stage.exchange(&token), NO_CLIENT).await?;
    refused(stage, teller, &stage.foreign_exchange(&carol), NO_CLIENT).await?;

    teller.step(
        "Alice's exchange at the identity provider itself, past Cambio, shows what would have leaked.",
    )?;
    let direct = stage.directly(stage.exchange(&token));
    teller.curl(&direct, None)?;
    let reply = direct.send().await?;
    teller.reply(&reply)?;
    let leaked = reply.access_token().as_deref().and_then(Roles::of_token).unwrap_or_default();
    teller.roles("roles in its token", &leaked)?;
    teller.check("no owner was asked, and every realm role is still there", {
        !leaked.realm.is_empty() && leaked.realm == before.realm
    })
}

/// Nobody has permitted the client.
const NO_CLIENT: (&str, &str) = ("client_not_permitted", "refused: the client has no permission");

/// An exchange that is refused with this reason, and what that shows.
async fn refused(
    stage: &Stage,
    teller: &mut Teller<'_>,
    exchange: &Call,
    (reason, shows): (&str, &str),
) -> Result<(), WalkError> {
    teller.curl(exchange, None)?;
    let (reply, line) = stage.audited(exchange).await?;
    teller.reply(&reply)?;
    teller.audit(&line)?;
    let why = line.get("reason").and_then(Value::as_str);
    teller.check(shows, reply.status != 200 && reply.access_token().is_none() && why == Some(reason))
}
