//! The second part of the story: Cambio exchanges a token of another company for a token of corp.

use crate::tools::demo::walk::attempt::{Attempt, refused};
use crate::tools::demo::walk::error::WalkError;
use crate::tools::demo::walk::roles::{ShownRoles, claim, kid};
use crate::tools::demo::walk::stage::{PARTNER, Stage};
use crate::tools::demo::walk::teller::Teller;

/// Tells it and returns Carol's token. At its beginning, the owner permits corp's tokens only; at its end, also partner's.
pub(super) async fn tell(stage: &Stage, teller: &mut Teller<'_>) -> Result<String, WalkError> {
    teller.step("Carol works for another company. She logs in there, at the issuer `partner`.")?;
    let login = stage.foreign_login();
    teller.curl(&login, Some("CAROL"))?;
    let carol = login.send().await?.access_token().unwrap_or_default();
    let before = ShownRoles::of_token(&carol).unwrap_or_default();
    teller.claim("iss", &claim(&carol, "iss"))?;
    teller.roles("roles in her token", &before)?;
    teller.check("partner issued her token, with partner's roles", {
        claim(&carol, "iss").ends_with("/realms/partner") && before.has("partner-app", "partner_user")
    })?;

    teller.step(
        "front-end-app received her token and requests one for back-end-api. cambio.yaml trusts partner as an issuer of \
         subject tokens;\n   the owner has permitted corp's tokens only.",
    )?;
    let shows = "refused: no permission names the issuer partner";
    refused(&stage.foreign_exchange(&carol), stage, teller, "issuer_not_permitted", shows).await?;

    teller.step("The owner permits partner's tokens, and maps a role of partner to a role of back-end-api:")?;
    teller.indented(PARTNER)?;
    stage.write_permissions(PARTNER).await?;
    teller.check("the file is in force without a restart", true)?;

    teller.step("front-end-app tries again. With `mint`, Cambio issues the token without the identity provider.")?;
    let issued = allowed(stage, teller, &carol, "mint").await?;
    teller.check("the issuer's name is a part of `sub`, so that no local user has this `sub`", {
        claim(&issued, "sub") == format!("partner#{}", claim(&carol, "sub"))
    })?;
    let after = ShownRoles::of_token(&issued).unwrap_or_default();
    teller.check("the token has the mapped role and no other", after.only("back-end-api", &["backend_reader"]))?;

    let (from, to) = ("issuance: mint", "issuance: translate");
    teller
        .step("With `translate`, the identity provider says which local user Carol is. The owner changes one word:")?;
    let translated = PARTNER.replace(from, to);
    teller.indented(translated.lines().find(|line| line.contains(to)).unwrap_or_default())?;
    stage.write_permissions(&translated).await?;
    let issued = allowed(stage, teller, &carol, "translate").await?;
    let local = stage.login("alice").send().await?.access_token().unwrap_or_default();
    teller.check("`sub` is the local user to whom Carol is linked (in this demo Alice)", {
        !claim(&issued, "sub").is_empty() && claim(&issued, "sub") == claim(&local, "sub")
    })?;
    let after = ShownRoles::of_token(&issued).unwrap_or_default();
    teller.check("the token has the local user's role and the mapped one", {
        after.only("back-end-api", &["backend_reader", "backend_user"])
    })?;
    Ok(carol)
}

/// Sends an exchange of Carol's token that Cambio must allow, and returns the issued token, which must be one of corp's.
async fn allowed(stage: &Stage, teller: &mut Teller<'_>, carol: &str, issuance: &str) -> Result<String, WalkError> {
    let attempt = Attempt::of(&stage.foreign_exchange(carol), stage, teller).await?;
    let issued = &attempt.token;
    for name in ["iss", "sub"] {
        teller.claim(name, &claim(issued, name))?;
    }
    teller.roles("its roles", &ShownRoles::of_token(issued).unwrap_or_default())?;
    let corp = stage.login("alice").send().await?.access_token().unwrap_or_default();
    let kids = stage.certs().send().await?.kids();
    teller.check("the issuer is corp, and the key is in corp's JWK set", {
        attempt.audited("issuance") == Some(issuance)
            && claim(issued, "iss") == claim(&corp, "iss")
            && kid(issued).is_some_and(|kid| kids.contains(&kid))
    })?;
    Ok(attempt.token)
}
