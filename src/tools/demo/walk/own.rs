//! The first part of the story: the exchange of Alice's token is refused, then permitted.

use crate::tools::demo::walk::attempt::{Attempt, NO_CLIENT, refused};
use crate::tools::demo::walk::error::WalkError;
use crate::tools::demo::walk::roles::{ShownRoles, kid};
use crate::tools::demo::walk::stage::{PERMITTED, Stage};
use crate::tools::demo::walk::teller::Teller;

/// A token and its roles.
pub(super) struct Login {
    pub(super) token: String,
    pub(super) roles: ShownRoles,
}

/// Tells it and returns Alice's login; none if she got no token.
pub(super) async fn tell(stage: &Stage, teller: &mut Teller<'_>) -> Result<Option<Login>, WalkError> {
    teller.step("Alice logs in at front-end-app.")?;
    let login = stage.login("alice");
    teller.curl(&login, Some("TOKEN"))?;
    let token = login.send().await?.access_token().unwrap_or_default();
    let Some(before) = ShownRoles::of_token(&token) else { return Ok(None) };
    teller.roles("roles in her token", &before)?;
    teller.check("her token has frontend_user and administrator", {
        before.has("front-end-app", "frontend_user") && before.has("front-end-app", "administrator")
    })?;

    teller.step("front-end-app requests a token for back-end-api. The owner of back-end-api has permitted nobody.")?;
    let exchange = stage.exchange(&token);
    refused(&exchange, stage, teller, NO_CLIENT, "refused: no permission names the client").await?;

    teller.step("The owner permits front-end-app in the audience file, which the owner's team keeps:")?;
    teller.indented(PERMITTED)?;
    stage.write_permissions(PERMITTED).await?;
    teller.check("the file is in force without a restart", true)?;

    teller.step("front-end-app tries again.")?;
    let issued = Attempt::of(&exchange, stage, teller).await?.token;
    let after = ShownRoles::of_token(&issued).unwrap_or_default();
    teller.roles("roles before", &before)?;
    teller.roles("roles after", &after)?;
    let only = after.only("back-end-api", &["backend_user"]);
    teller.check("the new token has backend_user and no other role", only)?;

    teller
        .step("A resource server finds the key of the new token where it finds every key: in the realm's JWK set.")?;
    let certs = stage.certs();
    teller.curl(&certs, None)?;
    let kids = certs.send().await?.kids();
    teller.check("the key is published", kid(&issued).is_some_and(|kid| kids.contains(&kid)))?;
    Ok(Some(Login { token, roles: before }))
}
