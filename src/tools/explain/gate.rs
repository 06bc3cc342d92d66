//! The gate of a configuration, which serves nobody.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::runtime::Runtime;

use crate::adapters::config::Config;
use crate::adapters::config::load::Environment;
use crate::adapters::config::load::review::deciding;
use crate::adapters::net::via::Via;
use crate::edge::explain::explain;
use crate::edge::explain::explanation::Explanation;
use crate::edge::explain::question::ExplainQuestion;
use crate::edge::gateway::generation::Generation;
use crate::tools::failure::CommandFailure;
use crate::words::clock::Clock;

/// The gate of a configuration. It opens no connection.
pub struct Gate {
    generation: Generation,
    /// Never driven, so that the tasks that fetch keys never begin.
    _runtime: Runtime,
}

impl Gate {
    /// Loads a configuration as `serve` does. Files and variables with secrets may be missing, because no decision looks at them.
    ///
    /// # Errors
    /// `cambio.yaml` has a problem, or a variable that decides is not set. A broken audience file is no error: the gate
    /// refuses exchanges for its audience.
    pub fn load(path: &Path, environment: &dyn Environment) -> Result<Self, CommandFailure> {
        let config = deciding(path, environment).map_err(|problems| {
            let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
            CommandFailure(format!("the configuration can't be loaded:\n{}", lines.join("\n")))
        })?;
        Self::of(config)
    }

    /// The gate of a loaded configuration.
    ///
    /// # Errors
    /// A key source can't be set up.
    pub fn of(config: Config) -> Result<Self, CommandFailure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CommandFailure::of)?;
        let generation = {
            let _entered = runtime.enter();
            Generation::new(config, None, &Clock::System, &Arc::new(Via::new()))
        };
        Ok(Self { generation: generation.map_err(CommandFailure::of)?, _runtime: runtime })
    }

    /// The loaded configuration at run time.
    pub fn generation(&self) -> &Generation {
        &self.generation
    }

    /// Explains the decision about a request.
    ///
    /// # Errors
    /// The question can't be answered.
    pub fn explain(&self, question: &ExplainQuestion, now: Timestamp) -> Result<Explanation, CommandFailure> {
        explain(&self.generation, question, now).map_err(CommandFailure::of)
    }
}
