//! An exchange of the story: printed, sent, and explained with its audit line.

use serde_json::Value;

use crate::tools::demo::walk::client::Call;
use crate::tools::demo::walk::error::WalkError;
use crate::tools::demo::walk::stage::Stage;
use crate::tools::demo::walk::teller::Teller;

/// The audit line's reason when no permission names the client.
pub(super) const NO_CLIENT: &str = "client_not_permitted";

/// How an exchange ended.
pub(super) struct Attempt {
    pub(super) status: u16,
    /// The issued token; empty if none was issued.
    pub(super) token: String,
    line: Value,
}

impl Attempt {
    /// Sends an exchange to Cambio.
    pub(super) async fn of(exchange: &Call, stage: &Stage, teller: &mut Teller<'_>) -> Result<Self, WalkError> {
        teller.curl(exchange, None)?;
        let (reply, line) = stage.audited(exchange).await?;
        teller.reply(&reply)?;
        teller.audit(&line)?;
        Ok(Self { status: reply.status, token: reply.access_token().unwrap_or_default(), line })
    }

    /// Sends an exchange to the identity provider, past Cambio.
    pub(super) async fn past_cambio(exchange: Call, stage: &Stage, teller: &mut Teller<'_>) -> Result<Self, WalkError> {
        let exchange = stage.directly(exchange);
        teller.curl(&exchange, None)?;
        let reply = exchange.send().await?;
        teller.reply(&reply)?;
        Ok(Self { status: reply.status, token: reply.access_token().unwrap_or_default(), line: Value::Null })
    }

    /// A text of the audit line.
    pub(super) fn audited(&self, field: &str) -> Option<&str> {
        self.line.get(field)?.as_str()
    }
}

/// Sends an exchange that Cambio must refuse with this reason, and prints what the refusal `shows`.
pub(super) async fn refused(
    exchange: &Call,
    stage: &Stage,
    teller: &mut Teller<'_>,
    reason: &str,
    shows: &str,
) -> Result<(), WalkError> {
    let attempt = Attempt::of(exchange, stage, teller).await?;
    let holds = attempt.status != 200 && attempt.token.is_empty() && attempt.audited("reason") == Some(reason);
    teller.check(shows, holds)
}
