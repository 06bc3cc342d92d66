//! The second half of the story: a token of another company becomes one of corp's.

use serde_json::Value;

use crate::tools::demo::walk::roles::{Roles, claim, kid};
use crate::tools::demo::walk::stage::{PARTNER, Stage};
use crate::tools::demo::walk::teller::Teller;
use crate::tools::demo::walk::{WalkError, refused};

/// Tells it and returns Carol's token. On the way in, the owner permits corp's tokens only; on the way out, partner's too.
pub(super) async fn tell(stage: &Stage, teller: &mut Teller<'_>) -> Result<String, WalkError> {
    teller.step("Carol works for another company. She logs in there, at the issuer `partner`.")?;
    let login = stage.foreign_login();
    teller.curl(&login, Some("CAROL"))?;
    let carol = login.send().await?.access_token().unwrap_or_default();
    let before = Roles::of_token(&carol).unwrap_or_default();
    teller.claim("iss", &claim(&carol, "iss"))?;
    teller.roles("her token's roles", &before)?;
    teller.check("her token is partner's, with partner's roles", {
        claim(&carol, "iss").ends_with("/realms/partner") && before.has("partner-app", "partner_user")
    })?;

    teller.step(
        "front-end-app got it from her and wants one for back-end-api. cambio.yaml trusts partner for its own \
         subjects;\n   the owner has permitted corp's tokens only.",
    )?;
    let why = ("issuer_not_permitted", "refused: the owner has said nothing about partner");
    refused(stage, teller, &stage.foreign_exchange(&carol), why).await?;

    teller.step(
        "The owner permits partner's tokens, and says which role they bring: theirs are not back-end-api's.",
    )?;
    teller.indented(PARTNER)?;
    stage.write_permissions(PARTNER).await?;
    teller.check("the file is in force without a restart", true)?;

    teller.step("front-end-app tries again. With `mint`, Cambio issues the token itself.")?;
    let issued = allowed(stage, teller, &carol, "mint").await?;
    teller.check("its sub is qualified, so that it is no local user's", {
        claim(&issued, "sub") == format!("partner#{}", claim(&carol, "sub"))
    })?;
    let after = Roles::of_token(&issued).unwrap_or_default();
    teller
        .check("it has the mapped role and nothing else", after.only("back-end-api", &["backend_reader"]))?;

    let (from, to) = ("issuance: mint", "issuance: translate");
    teller.step(
        "With `translate`, the identity provider says which local user Carol is; the owner changes one word:",
    )?;
    let translated = PARTNER.replace(from, to);
    teller.indented(translated.lines().find(|line| line.contains(to)).unwrap_or_default())?;
    stage.write_permissions(&translated).await?;
    let issued = allowed(stage, teller, &carol, "translate").await?;
    let local = stage.login().send().await?.access_token().unwrap_or_default();
    teller.check("its sub is the local user's to whom she is linked (in this demo Alice)", {
        !claim(&issued, "sub").is_empty() && claim(&issued, "sub") == claim(&local, "sub")
    })?;
    let after = Roles::of_token(&issued).unwrap_or_default();
    teller.check("it has that user's role, and the mapped one", {
        after.only("back-end-api", &["backend_reader", "backend_user"])
    })?;
    Ok(carol)
}

/// An exchange of Carol's token that is allowed: shows the token as one of corp's, and returns it.
async fn allowed(
    stage: &Stage,
    teller: &mut Teller<'_>,
    carol: &str,
    issuance: &str,
) -> Result<String, WalkError> {
    let exchange = stage.foreign_exchange(carol);
    teller.curl(&exchange, None)?;
    let (reply, line) = stage.audited(&exchange).await?;
    teller.reply(&reply)?;
    teller.audit(&line)?;
    let issued = reply.access_token().unwrap_or_default();
    for name in ["iss", "sub"] {
        teller.claim(name, &claim(&issued, name))?;
    }
    teller.roles("its roles", &Roles::of_token(&issued).unwrap_or_default())?;
    let corp = stage.login().send().await?.access_token().unwrap_or_default();
    let kids = stage.certs().send().await?.kids();
    teller.check("it is a token of corp, by a key in corp's certs", {
        line.get("issuance").and_then(Value::as_str) == Some(issuance)
            && claim(&issued, "iss") == claim(&corp, "iss")
            && kid(&issued).is_some_and(|kid| kids.contains(&kid))
    })?;
    Ok(issued)
}
