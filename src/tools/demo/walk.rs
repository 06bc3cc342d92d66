//! The story that `cambio demo` tells with real HTTP requests.
//!
//! Cambio refuses an exchange until the audience's owner permits it. The issued token then has only the roles that the
//! owner lists. The next parts exchange a token of another company, and let one user act for another.

mod attempt;
mod client;
mod delegation;
mod error;
mod foreign;
mod own;
mod roles;
mod stage;
mod teller;

use std::io::Write;

pub use error::WalkError;
pub use teller::WalkVerdict;

use crate::tools::demo::walk::attempt::{Attempt, NO_CLIENT, refused};
use crate::tools::demo::walk::own::Login;
use crate::tools::demo::walk::roles::ShownRoles;
use crate::tools::demo::walk::stage::{NOBODY, Stage};
use crate::tools::demo::walk::teller::Teller;

/// Tells the story once. With `once` it ends there; without, it serves until Ctrl-C.
///
/// # Errors
/// When the demo can't be set up or a request gets no answer at all.
pub async fn run(once: bool, out: &mut (dyn Write + Send)) -> Result<WalkVerdict, WalkError> {
    let mut teller = Teller::new(out);
    teller.text("Starting a small identity provider that imitates Keycloak, and Cambio in front of it.")?;
    let stage = Stage::set().await?;
    teller.text(&stage.introduction())?;
    match own::tell(&stage, &mut teller).await? {
        Some(alice) => go_on(&stage, &mut teller, &alice).await?,
        None => teller.check("Alice gets a token", false)?,
    }
    let verdict = teller.summary()?;
    if !once {
        teller.text(&stage.farewell())?;
        tokio::signal::ctrl_c().await?;
    }
    stage.clear().await;
    Ok(verdict)
}

/// The parts after the first, and the end.
async fn go_on(stage: &Stage, teller: &mut Teller<'_>, alice: &Login) -> Result<(), WalkError> {
    let carol = foreign::tell(stage, teller).await?;
    delegation::tell(stage, teller, &alice.token).await?;

    teller.step("The owner removes the permissions. Cambio exchanges neither Alice's token nor Carol's now.")?;
    teller.indented(NOBODY)?;
    stage.write_permissions(NOBODY).await?;
    let shows = "refused: no permission names the client";
    refused(&stage.exchange(&alice.token), stage, teller, NO_CLIENT, shows).await?;
    refused(&stage.foreign_exchange(&carol), stage, teller, NO_CLIENT, shows).await?;

    teller.step("For comparison: Alice's exchange at the identity provider itself, past Cambio.")?;
    let leaked = Attempt::past_cambio(stage.exchange(&alice.token), stage, teller).await?;
    let leaked = ShownRoles::of_token(&leaked.token).unwrap_or_default();
    teller.roles("roles in the issued token", &leaked)?;
    teller.check("no owner had to permit it, and the token keeps every realm role", {
        !leaked.realm.is_empty() && leaked.realm == alice.roles.realm
    })
}
