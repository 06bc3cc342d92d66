//! The command line as a whole. Each command defines its own arguments.

use clap::{Parser, Subcommand};

use super::client_secret::ClientSecretArguments;
use super::completions::CompletionsArguments;
use super::config_file::ConfigFileArguments;
use super::keys::KeysArguments;
use super::man::ManArguments;
use super::schema::SchemaArguments;
use super::seal_key::SealKeyArguments;
use super::verify::VerifyArguments;
use crate::tools::conformance::command::ConformanceArguments;
use crate::tools::demo::command::DemoArguments;
use crate::tools::migrate::command::MigrateArguments;

const EXIT_STATUS: &str = "\
Exit status: 0 success, 1 failure, 2 wrong arguments.
verify and conformance print a verdict: 0 good, 1 bad, 2 no verdict.";

/// Cambio stands in front of your identity provider and governs token exchange
#[derive(Debug, Parser)]
#[command(name = "cambio", bin_name = "cambio", version, after_help = EXIT_STATUS)]
pub struct CommandLine {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// A command with its arguments. The comments are the help texts.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gate
    #[command(args_override_self = true)]
    Serve(ConfigFileArguments),
    /// Check configuration and audience files as serve would, and print all errors at once
    #[command(args_override_self = true)]
    Check(ConfigFileArguments),
    /// Print the JSON Schema of a file, or the reference of the configuration
    #[command(args_override_self = true)]
    Schema(SchemaArguments),
    /// Check the token on standard input, with a key set or with the rules of a configuration
    #[command(args_override_self = true)]
    Verify(VerifyArguments),
    /// Test a token endpoint against RFC 8693, case by case
    Conformance(Box<ConformanceArguments>),
    /// Make, list and rotate signing keys
    #[command(args_override_self = true)]
    Keys(KeysArguments),
    /// Make a key for refreshTokens.keyFiles
    SealKey(SealKeyArguments),
    /// Hash a client's secret from standard input, or make a secret and print its hash
    #[command(args_override_self = true)]
    ClientSecret(ClientSecretArguments),
    /// Write audience files that grant what another system granted
    Migrate(MigrateArguments),
    /// Show the main job on an embedded identity provider
    #[command(args_override_self = true)]
    Demo(DemoArguments),
    /// Print the completions for a shell
    Completions(CompletionsArguments),
    /// Print the manual page of a command, or write all of them into a folder
    Man(ManArguments),
}
