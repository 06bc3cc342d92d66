//! The third part of the story: somebody acts for Alice, and the token says so.

use serde_json::Value;

use crate::tools::demo::walk::roles::{claim, claims};
use crate::tools::demo::walk::stage::{DELEGATED, Stage};
use crate::tools::demo::walk::teller::Teller;
use crate::tools::demo::walk::{WalkError, refused};

/// Tells it. On the way in, the owner permits no delegation.
pub(super) async fn tell(stage: &Stage, teller: &mut Teller<'_>, alice: &str) -> Result<(), WalkError> {
    teller.step("Bob sits at the service desk and is to do something for Alice. He logs in.")?;
    let login = stage.login_of_bob();
    teller.curl(&login, Some("BOB"))?;
    let bob = login.send().await?.access_token().unwrap_or_default();
    teller.claim("sub", &claim(&bob, "sub"))?;
    teller.check("his token is about him", !bob.is_empty() && claim(&bob, "sub") != claim(alice, "sub"))?;

    teller.step(
        "front-end-app sends both: Alice is the subject, Bob the actor. The owner permits no delegation.",
    )?;
    let exchange = stage.delegated_exchange(alice, &bob);
    refused(stage, teller, &exchange, ("actor_token_unsupported", "refused: nobody may act for anybody"))
        .await?;

    teller.step("The owner permits it, and says who may act, since Alice's token has no `may_act`:")?;
    teller.indented(DELEGATED)?;
    stage.write_permissions(DELEGATED).await?;
    teller.check("the file is in force without a restart", true)?;

    teller.step("front-end-app tries again.")?;
    teller.curl(&exchange, None)?;
    let (reply, line) = stage.audited(&exchange).await?;
    teller.reply(&reply)?;
    teller.audit(&line)?;
    let issued = reply.access_token().unwrap_or_default();
    let act = act(&issued);
    teller.claim("sub", &claim(&issued, "sub"))?;
    teller.claim("act", &act.to_string())?;
    teller.check("it is Alice's token, and says that Bob acts", {
        claim(&issued, "sub") == claim(alice, "sub")
            && act.get("sub").and_then(Value::as_str) == Some(&claim(&bob, "sub"))
    })?;

    teller.step("The identity provider alone, past Cambio, takes the actor token and forgets it.")?;
    let direct = stage.directly(exchange);
    teller.curl(&direct, None)?;
    let reply = direct.send().await?;
    teller.reply(&reply)?;
    let issued = reply.access_token().unwrap_or_default();
    teller.check("its token names no actor, and nobody is told", {
        claim(&issued, "sub") == claim(alice, "sub") && claims(&issued).get("act").is_none()
    })
}

fn act(token: &str) -> Value {
    claims(token).get("act").cloned().unwrap_or_default()
}
