//! The options that say where the tokens come from: three for each token.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, value_parser};

use super::tokens::{TokenInput, TokenOrigin};
use crate::adapters::config::load::Environment;
use crate::tools::conformance::inputs::Need;
use crate::words::oauth::urn::TokenType;
use crate::words::secret::Secret;

/// The names of one token's options, and what the token is.
struct TokenOption {
    need: Option<Need>,
    name: &'static str,
    file: &'static str,
    command: &'static str,
    kind: &'static str,
    token: &'static str,
}

macro_rules! options {
    ($($need:expr, $name:literal, $token:literal;)*) => {
        [$(TokenOption {
            need: $need,
            name: $name,
            file: concat!($name, "-file"),
            command: concat!($name, "-command"),
            kind: concat!($name, "-type"),
            token: $token,
        }),*]
    };
}

const OPTIONS: [TokenOption; 13] = options! {
    None, "subject-token", "the subject token";
    Some(Need::Actor), "actor-token", "the actor token";
    Some(Need::SecondActor), "second-actor-token", "a token of another actor";
    Some(Need::ExpiredActor), "expired-actor-token", "an actor token that has expired";
    Some(Need::MayAct), "may-act-token", "a subject token whose may_act names the client and the actor";
    Some(Need::OtherMayAct), "other-may-act-token", "a subject token whose may_act names another party";
    Some(Need::EmptyMayAct), "empty-may-act-token", "a subject token whose may_act is an empty object";
    Some(Need::MalformedMayAct), "malformed-may-act-token", "a subject token whose may_act is no object";
    Some(Need::ExpiredSubject), "expired-subject-token", "a subject token that has expired";
    Some(Need::EarlySubject), "early-subject-token", "a subject token that is not valid yet";
    Some(Need::RevokedSubject), "revoked-subject-token", "a subject token that was revoked";
    Some(Need::UntrustedSubject), "untrusted-subject-token", "a subject token of an issuer that the server does not trust";
    Some(Need::IdToken), "id-token", "an ID token of the subject";
};

/// The values of the options, in the order of [`OPTIONS`].
#[derive(Debug)]
pub(super) struct TokenArguments(Vec<TokenArgument>);

#[derive(Debug)]
struct TokenArgument {
    file: Option<PathBuf>,
    command: Option<String>,
    kind: Option<String>,
}

impl Args for TokenArguments {
    fn augment_args(command: Command) -> Command {
        OPTIONS.iter().fold(command, |command, option| {
            let heading = if option.need.is_none() { "Subject token" } else { "Tokens for single cases" };
            let argument = |name: &'static str, value: &'static str, help: String| {
                let argument = Arg::new(name).long(name).value_name(value).help(help);
                argument.help_heading(heading).hide_short_help(option.need.is_some())
            };
            command
                .arg(
                    argument(option.file, "FILE", format!("File with {}", option.token))
                        .value_parser(value_parser!(PathBuf))
                        .conflicts_with(option.command),
                )
                .arg(argument(option.command, "COMMAND", format!("Shell command that prints {}", option.token)))
                .arg(argument(option.kind, "TYPE", "Token type, as a URI or a short name such as jwt".to_owned()))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for TokenArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = OPTIONS.iter().map(|option| TokenArgument {
            file: matches.get_one(option.file).cloned(),
            command: matches.get_one(option.command).cloned(),
            kind: matches.get_one(option.kind).cloned(),
        });
        Ok(Self(given.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl TokenArguments {
    /// The tokens that an option names or that the environment holds.
    pub(super) fn sources(&self, environment: &dyn Environment) -> Vec<TokenInput> {
        let mut found = Vec::new();
        let mut usual = TokenType::AccessToken.urn().to_owned();
        for (option, given) in OPTIONS.iter().zip(&self.0) {
            let kind = match &given.kind {
                None if option.need == Some(Need::IdToken) => TokenType::IdToken.urn().to_owned(),
                None => usual.clone(),
                Some(kind) => TokenType::from_name(kind).map_or(kind.clone(), |kind| kind.urn().to_owned()),
            };
            if option.need.is_none() {
                usual.clone_from(&kind);
            }
            let variable = format!("CAMBIO_{}", option.name.to_ascii_uppercase().replace('-', "_"));
            let source = match (&given.file, &given.command) {
                (Some(file), _) => TokenOrigin::File(file.clone()),
                (None, Some(command)) => TokenOrigin::Command(command.clone()),
                (None, None) => match environment.var(&variable) {
                    Some(text) => TokenOrigin::Text(Secret::new(text)),
                    None => continue,
                },
            };
            found.push(TokenInput { need: option.need, source, kind });
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_that_a_case_needs_has_options() {
        let named: Vec<_> = OPTIONS.iter().filter_map(|option| Some((option.need?, option.name))).collect();
        assert_eq!(named, Need::TOKENS);
    }
}
