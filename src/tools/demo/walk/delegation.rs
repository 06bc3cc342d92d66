//! The third part of the story: Bob acts for Alice, and the token names him.

use serde_json::Value;

use crate::tools::demo::walk::attempt::{Attempt, refused};
use crate::tools::demo::walk::error::WalkError;
use crate::tools::demo::walk::roles::{claim, claims};
use crate::tools::demo::walk::stage::{DELEGATED, Stage};
use crate::tools::demo::walk::teller::Teller;

/// Tells it. At its beginning, the owner permits no delegation.
pub(super) async fn tell(stage: &Stage, teller: &mut Teller<'_>, alice: &str) -> Result<(), WalkError> {
    teller.step("Bob works at the service desk and has to act for Alice. He logs in.")?;
    let login = stage.login("bob");
    teller.curl(&login, Some("BOB"))?;
    let bob = login.send().await?.access_token().unwrap_or_default();
    teller.claim("sub", &claim(&bob, "sub"))?;
    teller.check("his token names him", !bob.is_empty() && claim(&bob, "sub") != claim(alice, "sub"))?;

    teller.step(
        "front-end-app sends both tokens: Alice is the subject, Bob the actor. The owner permits no delegation.",
    )?;
    let exchange = stage.delegated_exchange(alice, &bob);
    let shows = "refused: the audience permits no actor";
    refused(&exchange, stage, teller, "actor_token_unsupported", shows).await?;

    teller.step("The owner permits delegation, and says who may act, because Alice's token has no `may_act`:")?;
    teller.indented(DELEGATED)?;
    stage.write_permissions(DELEGATED).await?;
    teller.check("the file is in force without a restart", true)?;

    teller.step("front-end-app tries again.")?;
    let issued = Attempt::of(&exchange, stage, teller).await?.token;
    let act = claims(&issued).get("act").cloned().unwrap_or_default();
    teller.claim("sub", &claim(&issued, "sub"))?;
    teller.claim("act", &act.to_string())?;
    teller.check("the token's subject is Alice, and `act` names Bob", {
        claim(&issued, "sub") == claim(alice, "sub")
            && act.get("sub").and_then(Value::as_str) == Some(&claim(&bob, "sub"))
    })?;

    teller.step("Past Cambio, the identity provider accepts the actor token and ignores it.")?;
    let issued = Attempt::past_cambio(exchange, stage, teller).await?.token;
    teller.check("its token names no actor, and the answer does not say so", {
        claim(&issued, "sub") == claim(alice, "sub") && claims(&issued).get("act").is_none()
    })
}
