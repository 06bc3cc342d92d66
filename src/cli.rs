//! The command line and its commands. Each command defines its own arguments.

mod serve;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::tools::{
    check, config_file, conformance, demo, diff, explain, keys, learn, migrate, policy_test, replay, secrets, texts,
    verify,
};

/// Runs the command that the arguments name. The first argument is the name of the program.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match CommandLine::try_parse_from(arguments) {
        Ok(line) => execute(line.command),
        // Help and the version go to standard output, what is wrong with the arguments to standard error.
        Err(answer) => {
            let _ = answer.print();
            if answer.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
        }
    }
}

const EXIT_STATUS: &str = "\
Exit status: 0 success, 1 failure, 2 wrong arguments.
verify, conformance, explain and test print a verdict: 0 good, 1 bad, 2 no verdict.
diff and replay: 0 no difference, 1 differences, 2 trouble.";

/// Cambio stands in front of your identity provider and governs token exchange
#[derive(Debug, Parser)]
#[command(name = "cambio", bin_name = "cambio", version, after_help = EXIT_STATUS)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

/// A command with its arguments. The comments are the help texts.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gate
    #[command(args_override_self = true)]
    Serve(config_file::ConfigFileArguments),
    /// Check configuration and audience files as serve would, and print all errors at once
    #[command(args_override_self = true)]
    Check(check::CheckArguments),
    /// Ask the identity provider and the issuers whether they are set up for what the files say: check --online
    #[command(args_override_self = true)]
    Doctor(check::DoctorArguments),
    /// Say what the gate would decide about a request, why, and which permission is missing
    #[command(args_override_self = true)]
    Explain(Box<explain::ExplainArguments>),
    /// Run the tests of audience files (*.test.yaml)
    #[command(args_override_self = true)]
    Test(policy_test::TestArguments),
    /// Say which client gains or loses what between two configurations
    #[command(args_override_self = true)]
    Diff(diff::DiffArguments),
    /// Say which decisions of an audit log a changed configuration would decide otherwise
    #[command(args_override_self = true)]
    Replay(replay::ReplayArguments),
    /// Print the JSON Schema of a file, or the reference of the configuration
    #[command(args_override_self = true)]
    Schema(texts::SchemaArguments),
    /// Check the token on standard input, with a key set or with the rules of a configuration
    #[command(args_override_self = true)]
    Verify(verify::VerifyArguments),
    /// Test a token endpoint against RFC 8693, case by case
    Conformance(Box<conformance::command::ConformanceArguments>),
    /// Make, list and rotate signing keys
    #[command(args_override_self = true)]
    Keys(keys::KeysArguments),
    /// Make a key for refreshTokens.keyFiles
    SealKey(secrets::SealKeyArguments),
    /// Hash a client's secret from standard input, or make a secret and print its hash
    #[command(args_override_self = true)]
    ClientSecret(secrets::ClientSecretArguments),
    /// Write audience files that permit the exchanges of an audit log or of Keycloak's events
    #[command(args_override_self = true)]
    Learn(learn::LearnArguments),
    /// Write audience files that grant what another system granted
    Migrate(migrate::command::MigrateArguments),
    /// Show the main job on an embedded identity provider
    #[command(args_override_self = true)]
    Demo(demo::command::DemoArguments),
    /// Print the completions for a shell
    Completions(texts::CompletionsArguments),
    /// Print the manual page of a command, or write all of them into a folder
    Man(texts::ManArguments),
}

fn execute(command: Command) -> ExitCode {
    let status_of_failure = match command {
        // Their status 1 is a verdict.
        Command::Verify(_)
        | Command::Conformance(_)
        | Command::Explain(_)
        | Command::Test(_)
        | Command::Diff(_)
        | Command::Replay(_) => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    };
    let result = match command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Doctor(arguments) => check::run(&arguments.into()),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Test(arguments) => policy_test::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Schema(arguments) => texts::schema(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Conformance(arguments) => conformance::command::run(&arguments),
        Command::Keys(arguments) => keys::run(&arguments),
        Command::SealKey(arguments) => secrets::seal_key(&arguments),
        Command::ClientSecret(arguments) => secrets::client_secret(arguments),
        Command::Learn(arguments) => learn::run(&arguments),
        Command::Migrate(arguments) => migrate::command::run(&arguments),
        Command::Demo(arguments) => demo::command::run(&arguments),
        Command::Completions(arguments) => texts::completions(&arguments, CommandLine::command()),
        Command::Man(arguments) => texts::man(&arguments, CommandLine::command()),
    };
    result.unwrap_or_else(|failure| {
        eprintln!("cambio: {failure}");
        status_of_failure
    })
}
