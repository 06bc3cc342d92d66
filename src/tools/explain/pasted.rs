//! A request as somebody pastes it: a curl command, or the body of a request.

use crate::edge::explain::question::ExplainQuestion;
use crate::tools::explain::gate::Gate;
use crate::tools::failure::CommandFailure;
use crate::words::oauth::form;
use crate::words::secret::Secret;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What a pasted request says.
pub(super) struct Pasted {
    url: Option<String>,
    form: Secret,
    authorization: Option<Secret>,
}

/// Options of curl with a value that say nothing about the request that Cambio judges.
const OTHERS: [&str; 14] = [
    "-X",
    "--request",
    "-o",
    "--output",
    "-A",
    "--user-agent",
    "-w",
    "--write-out",
    "--cacert",
    "--max-time",
    "-m",
    "--connect-timeout",
    "--retry",
    "-e",
];

impl Pasted {
    /// Reads a curl command or a body.
    ///
    /// # Errors
    /// The command can't be read, or it has an option that explain does not know.
    pub(super) fn read(text: &Secret) -> Result<Self, CommandFailure> {
        let text = text.expose().trim();
        let Some(command) = text.strip_prefix("curl").filter(|rest| rest.starts_with(char::is_whitespace)) else {
            let body: String = text.lines().map(str::trim).collect();
            return Ok(Self { url: None, form: Secret::new(body), authorization: None });
        };
        let words = shlex::split(&command.replace("\\\r\n", " ").replace("\\\n", " "));
        let words = words.ok_or_else(|| CommandFailure("the curl command has an open quotation mark".to_owned()))?;
        Self::of_curl(words)
    }

    fn of_curl(words: Vec<String>) -> Result<Self, CommandFailure> {
        let (mut url, mut fields, mut authorization) = (None, Vec::new(), None);
        let mut words = words.into_iter().flat_map(split);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| CommandFailure(format!("curl: {word} has no value")));
            match word.as_str() {
                "-d" | "--data" | "--data-raw" | "--data-ascii" | "--data-binary" => fields.push(literal(value()?)?),
                "--data-urlencode" => fields.push(encoded(&literal(value()?)?)),
                "-u" | "--user" => authorization = Some(Secret::new(format!("Basic {}", STANDARD.encode(value()?)))),
                "-H" | "--header" => {
                    let header = value()?;
                    if let Some((name, text)) = header.split_once(':')
                        && name.trim().eq_ignore_ascii_case("authorization")
                    {
                        authorization = Some(Secret::new(text.trim()));
                    }
                }
                "--url" => url = Some(value()?),
                option if OTHERS.contains(&option) => drop(value()?),
                option if option.starts_with("--data") || option == "-F" || option == "--form" => {
                    return Err(CommandFailure(format!("curl: explain does not read {option}: use --data-urlencode")));
                }
                option if option.starts_with('-') => {}
                _ => url = Some(word),
            }
        }
        Ok(Self { url, form: Secret::new(fields.join("&")), authorization })
    }

    /// Adds the request to a question. The realm is the one at whose token endpoint the command is directed.
    pub(super) fn ask(self, question: &mut ExplainQuestion, gate: &Gate) {
        if let Some(url) = &self.url {
            question.realm = realm(url, gate);
        }
        (question.form, question.authorization) = (Some(self.form), self.authorization);
    }
}

/// `-d"x"` and `--data=x` as two words.
fn split(word: String) -> Vec<String> {
    let short = ["-d", "-u", "-H", "-X", "-o"];
    if let Some(option) = short.iter().find(|option| word.len() > 2 && word.starts_with(**option)) {
        return vec![(*option).to_owned(), word.split_at(2).1.to_owned()];
    }
    match word.split_once('=') {
        Some((option, value)) if option.starts_with("--") => vec![option.to_owned(), value.to_owned()],
        _ => vec![word],
    }
}

fn literal(value: String) -> Result<String, CommandFailure> {
    if value.starts_with('@') {
        return Err(CommandFailure("curl: explain reads no file of the command: paste the value".to_owned()));
    }
    Ok(value)
}

/// `name=content` as curl encodes it.
fn encoded(value: &str) -> String {
    match value.split_once('=') {
        Some(("", content)) => form::encode(content),
        Some((name, content)) => format!("{name}={}", form::encode(content)),
        None => form::encode(value),
    }
}

/// The realm whose token endpoint a URL is.
fn realm(url: &str, gate: &Gate) -> Option<String> {
    let path = url.split_once("://").map_or(url, |(_, rest)| rest.find('/').map_or("", |at| rest.split_at(at).1));
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let fits = |realm: &crate::adapters::config::Realm| match &realm.endpoints {
        Some(endpoints) => endpoints.token == path,
        None => path.strip_prefix(&realm.path).is_some_and(|rest| rest.starts_with('/')),
    };
    let realms = &gate.generation().config.realms;
    realms.values().find(|realm| fits(realm)).map(|realm| realm.name.clone())
}
