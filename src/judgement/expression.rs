//! CEL expressions of the configuration: compiled at load, run on claims.
//!
//! The language is CEL without timestamps, durations, structs and optionals. What an expression may name is a closed
//! list that `check` holds it to at load, so that a slip of the pen stops the start and not a request. At run time a
//! missing claim, a wrong type or an overflow is an error, and every caller turns an error into a refusal.

mod answer;
mod check;

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use cel::objects::{Key, Map as CelMap};
use cel::{Context, Env, ExecutionError, IdedExpr, Value as CelValue};
use serde_json::{Map, Value};

use check::Claims;

/// Longest source in bytes: with `PARSER_STACK` the bound on how deep the parser can recurse.
pub const MAX_SOURCE: usize = 2048;

/// Stack in bytes for parsing the longest source, whatever it nests. The ANTLR runtime recurses in its prediction before
/// the parser's own depth limit is asked, and about a hundred brackets overflow the 2 MiB that threads usually have.
/// Half of this is enough in a debug build; only what is used becomes memory.
const PARSER_STACK: usize = 64 << 20;

/// The standard functions and macros; declaring them takes longer than most expressions run.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A compiled CEL expression and its source.
#[derive(Clone)]
pub struct Expression {
    source: String,
    syntax: Arc<IdedExpr>,
    claims: Claims,
}

/// What an expression may look at.
#[derive(Clone, Copy, Debug)]
pub struct Variables<'a> {
    /// The subject token's claims.
    pub claims: &'a Map<String, Value>,
    /// The requesting client's id.
    pub client: &'a str,
    /// The audience asked for.
    pub audience: &'a str,
    /// The scope tokens asked for.
    pub scopes: &'a [String],
}

/// [`Variables`] for any number of expressions. An expression that names its claims has these converted to CEL's own form
/// and no others; for those that look at all of them that is done once.
pub struct Scene<'a> {
    variables: Variables<'a>,
    others: Vec<(Other, &'a Map<String, Value>)>,
    whole: OnceCell<Context<'static, 'static>>,
}

/// Somebody whose claims an expression may look at besides the subject's, where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Other {
    /// `actor`: the actor token's claims.
    Actor,
    /// `requested`: what is known of the requested subject.
    Requested,
}

/// Why an expression did not compile or gave no answer. The text names no claim values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ExpressionError(pub String);

impl Expression {
    /// Compiles CEL; refuses a reference to a variable that [`Variables`] does not have or to a function that CEL
    /// does not have, and whatever is longer, deeper or more nested than a rule needs to be.
    pub fn compile(source: &str) -> Result<Self, ExpressionError> {
        Self::compile_about(source, &[])
    }

    /// The same, with these variables besides. Where one of them is not there at run time, the expression fails.
    pub fn compile_about(source: &str, others: &[Other]) -> Result<Self, ExpressionError> {
        if source.len() > MAX_SOURCE {
            return Err(ExpressionError(format!("longer than {MAX_SOURCE} bytes")));
        }
        let (syntax, claims) = parse(source, others)?;
        Ok(Self { source: source.to_owned(), syntax: Arc::new(syntax), claims })
    }

    /// Runs the expression; anything but a boolean is an error.
    pub fn holds(&self, variables: Variables<'_>) -> Result<bool, ExpressionError> {
        self.holds_in(&variables.scene())
    }

    /// Runs the expression; anything but a string is an error.
    pub fn text(&self, variables: Variables<'_>) -> Result<String, ExpressionError> {
        self.text_in(&variables.scene())
    }

    /// Runs the expression and gives its answer as JSON: a string, a boolean, a number, or lists and maps (with strings
    /// for keys) of them, no deeper and no larger than a claim needs to be. Anything else is an error.
    pub fn value_in(&self, scene: &Scene<'_>) -> Result<Value, ExpressionError> {
        answer::to_json(&self.run(scene)?)
    }

    /// Like [`Expression::text`], for several expressions about the same variables.
    pub fn text_in(&self, scene: &Scene<'_>) -> Result<String, ExpressionError> {
        match self.run(scene)? {
            CelValue::String(text) => Ok(text.as_ref().clone()),
            other => Err(ExpressionError(format!("gives a {}, not a string", other.type_of()))),
        }
    }

    /// Like [`Expression::holds`], for several expressions about the same variables.
    pub fn holds_in(&self, scene: &Scene<'_>) -> Result<bool, ExpressionError> {
        match self.run(scene)? {
            CelValue::Bool(answer) => Ok(answer),
            other => Err(ExpressionError(format!("gives a {}, not a boolean", other.type_of()))),
        }
    }

    /// The source, as the configuration has it.
    pub fn source(&self) -> &str {
        &self.source
    }

    fn run(&self, scene: &Scene<'_>) -> Result<CelValue, ExpressionError> {
        let outcome = match &self.claims {
            Claims::Named(names) => {
                let members = names.iter().filter_map(|name| scene.variables.claims.get_key_value(name));
                scene.context(members).resolve(&self.syntax)
            }
            Claims::All => {
                let all = || scene.context(scene.variables.claims.iter());
                scene.whole.get_or_init(all).resolve(&self.syntax)
            }
        };
        outcome.map_err(|error| ExpressionError(self.describe(&error)))
    }

    /// An error in words. The library's own text prints the values at hand, which are claims.
    fn describe(&self, error: &ExecutionError) -> String {
        match error {
            // A computed key is a value too.
            ExecutionError::NoSuchKey(key) if self.source.contains(key.as_str()) => {
                format!("there is no {key}")
            }
            ExecutionError::NoSuchKey(_) => "there is no such key".to_owned(),
            ExecutionError::NoSuchOverload(overload) => overload.to_string(),
            ExecutionError::FunctionError { function, .. } => format!("{function} failed"),
            ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
                "division by zero".to_owned()
            }
            ExecutionError::Overflow(..) => "overflow".to_owned(),
            ExecutionError::IndexOutOfBounds(_) => "an index is out of bounds".to_owned(),
            _ => "it does not fit the types of the claims".to_owned(),
        }
    }
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Expression({:?})", self.source)
    }
}

impl<'a> Variables<'a> {
    /// A scene for expressions about these variables.
    pub fn scene(self) -> Scene<'a> {
        Scene { variables: self, others: Vec::new(), whole: OnceCell::new() }
    }

    /// Converts to CEL's values, of the claims only these.
    fn context<'m>(self, claims: impl Iterator<Item = (&'m String, &'m Value)>) -> Context<'static, 'static> {
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        context.add_variable_from_value("claims", object(claims));
        context.add_variable_from_value("client", self.client);
        context.add_variable_from_value("audience", self.audience);
        let scopes = self.scopes.iter().map(|scope| CelValue::from(scope.as_str())).collect();
        context.add_variable_from_value("scopes", CelValue::List(Arc::new(scopes)));
        context
    }
}

impl<'a> Scene<'a> {
    /// The same with the claims of somebody else, if he is there.
    #[must_use]
    pub fn with(mut self, other: Other, claims: Option<&'a Map<String, Value>>) -> Self {
        self.whole = OnceCell::new();
        self.others.extend(claims.map(|claims| (other, claims)));
        self
    }

    fn context<'m>(
        &self,
        claims: impl Iterator<Item = (&'m String, &'m Value)>,
    ) -> Context<'static, 'static> {
        let mut context = self.variables.context(claims);
        for (other, claims) in &self.others {
            context.add_variable_from_value(other.variable(), object(claims.iter()));
        }
        context
    }
}

impl Other {
    fn variable(self) -> &'static str {
        match self {
            Self::Actor => "actor",
            Self::Requested => "requested",
        }
    }
}

/// Parses and checks, on a thread of its own for the sake of its stack. The ANTLR runtime also has assertions about its
/// own state; input that trips one is then a problem in a configuration file, not the end of a reload.
fn parse(source: &str, others: &[Other]) -> Result<(IdedExpr, Claims), ExpressionError> {
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(PARSER_STACK)
            .spawn_scoped(scope, || parse_here(source, others))
            .map_err(|error| ExpressionError(format!("can't be compiled: {error}")))?
            .join()
            .unwrap_or_else(|_| Err(ExpressionError("is no CEL: the parser gave up".to_owned())))
    })
}

fn parse_here(source: &str, others: &[Other]) -> Result<(IdedExpr, Claims), ExpressionError> {
    let syntax = ENVIRONMENT.parser().parse(source).map_err(|errors| {
        let message = errors.errors.first().map_or("", |error| error.msg.as_str());
        ExpressionError(format!("is no CEL: {message}"))
    })?;
    let others: Vec<_> = others.iter().map(|other| other.variable()).collect();
    let claims = check::check(&syntax, &others)?;
    Ok((syntax, claims))
}

/// JSON in CEL: whole numbers are `int` where they fit (a claim compares and adds like a literal), objects are maps.
fn value(json: &Value) -> CelValue {
    match json {
        Value::Null => CelValue::Null,
        Value::Bool(answer) => CelValue::Bool(*answer),
        Value::Number(number) => number
            .as_i64()
            .map(CelValue::Int)
            .or_else(|| number.as_u64().map(CelValue::UInt))
            .or_else(|| number.as_f64().map(CelValue::Float))
            .unwrap_or(CelValue::Null),
        Value::String(text) => CelValue::from(text.as_str()),
        Value::Array(items) => CelValue::List(Arc::new(items.iter().map(value).collect())),
        Value::Object(members) => object(members.iter()),
    }
}

fn object<'m>(members: impl Iterator<Item = (&'m String, &'m Value)>) -> CelValue {
    let map: HashMap<Key, CelValue> =
        members.map(|(name, member)| (Key::from(name.clone()), value(member))).collect();
    CelValue::Map(CelMap { map: Arc::new(map) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn claims() -> Map<String, Value> {
        let Value::Object(claims) = json!({
            "acr": "1", "groups": ["staff", "ops"], "email_verified": true, "exp": 1_800_000_000, "secret": "hunter2",
            "email": "a@example.org", "nested": {"a": {"b": 7}}, "ratio": 0.5, "nothing": null, "empty": []
        }) else {
            unreachable!()
        };
        claims
    }

    fn holds(source: &str) -> Result<bool, String> {
        let claims = claims();
        let scopes = ["email".to_owned(), "profile".to_owned()];
        let variables =
            Variables { claims: &claims, client: "front-end-app", audience: "back-end-api", scopes: &scopes };
        Expression::compile(source)
            .map_err(|error| format!("compile: {error}"))?
            .holds(variables)
            .map_err(|e| e.0)
    }

    #[test]
    fn expressions_that_hold_or_do_not() {
        for (source, expected) in [
            ("claims.acr == '1'", true),
            ("claims['acr'] == '2'", false),
            ("'staff' in claims.groups", true),
            ("claims.groups.exists(g, g.startsWith('op'))", true),
            ("claims.groups.all(g, g != 'x') && claims.groups.size() == 2", true),
            ("size(claims.groups.filter(g, g == 'ops')) == 1", true),
            ("claims.groups.map(g, g + '!')[0] == 'staff!'", true),
            ("claims.groups.exists_one(g, g == 'ops')", true),
            ("claims.email.matches('^[a-z]+@example[.]org$')", true),
            ("claims.email.endsWith('@evil.example')", false),
            ("claims.exp + 1 > 1800000000", true),
            ("claims.nested.a.b == 7", true),
            ("claims.ratio < 1.0", true),
            ("claims.nothing == null", true),
            ("has(claims.missing)", false),
            ("has(claims.missing) ? claims.missing == 'x' : true", true),
            ("client == 'front-end-app' && audience == 'back-end-api'", true),
            ("'email' in scopes && !('payments' in scopes)", true),
            (
                "int('12') == 12 && string(3) == '3' && double(1) == 1.0 && uint(1) == 1u && bool('true')",
                true,
            ),
            ("type(claims.acr) == string && bytes('a') == b'a' && dyn(1) == 1", true),
            ("claims.groups.exists(claims, claims == 'ops')", true),
            ("-claims.exp < 0 && 7 % 2 == 1 && 7 / 2 == 3 && 2 * 3 - 1 >= 5 && 1 <= 1", true),
            ("{'a': [1, 2]}['a'][1] == 2", true),
            ("claims.missing == 1 || true", true),
        ] {
            assert_eq!(holds(source), Ok(expected), "{source}");
        }
    }

    #[test]
    fn only_claims_that_are_named_are_converted() {
        let named = |names: &[&str]| Claims::Named(names.iter().map(|name| (*name).to_owned()).collect());
        for (source, expected) in [
            ("claims.acr == '1' && has(claims.missing)", named(&["acr", "missing"])),
            ("claims.groups.exists(g, g == claims.acr)", named(&["acr", "groups"])),
            ("claims.nested.a.b == 7", named(&["nested"])),
            ("claims.groups.exists(claims, claims == 'ops')", named(&["groups"])),
            ("client == 'a'", named(&[])),
            ("claims['acr'] == '1' && claims.email == ''", Claims::All),
            ("claims.groups.exists(g, g in claims)", Claims::All),
            ("size(claims) == 3", Claims::All),
        ] {
            assert_eq!(Expression::compile(source).unwrap().claims, expected, "{source}");
        }
    }

    #[test]
    fn a_runtime_error_is_an_error_and_shows_no_claim() {
        for (source, expected) in [
            ("claims.missing == 'x'", "there is no missing"),
            ("claims.acr", "gives a string, not a boolean"),
            ("claims[claims.secret] == 1", "there is no such key"),
            ("claims.secret + 1 == 2", "types of the claims"),
            ("claims.secret < 1", ""),
            ("claims.groups[7] == ''", ""),
            ("1 / 0 == 1", "division by zero"),
            ("9223372036854775807 + 1 == 0", "overflow"),
            ("claims.secret.matches('(')", "matches failed"),
            ("int(claims.secret) == 1", ""),
            ("claims.email_verified.size() == 1", ""),
            ("claims.secret", "not a boolean"),
        ] {
            let error = holds(source).expect_err(source);
            assert!(error.contains(expected), "{source}: {error}");
            assert!(!error.starts_with("compile"), "{source}: {error}");
            assert!(!error.contains("hunter2"), "{source}: {error}");
        }
    }

    #[test]
    fn what_is_refused_at_load() {
        let deep = "claims.groups.exists(a, claims.groups.exists(b, claims.groups.exists(c, true)))";
        let calls = format!("{}true{}", "size(".repeat(60), ")".repeat(60));
        let sum = vec!["1"; 60].join("+");
        for (source, expected) in [
            ("", "is no CEL"),
            ("claims.", "is no CEL"),
            ("claim.acr == '1'", "there is no variable claim"),
            ("now > 1", "there is no variable now"),
            ("claims.groups.exists(g, h == 'x')", "there is no variable h"),
            ("g == 'x' && claims.groups.exists(g, g == 'x')", "there is no variable g"),
            ("claims.groups.exists(g, true) && g == 'x'", "there is no variable g"),
            ("hasRole('x')", "there is no function hasRole"),
            ("claims.acr.lower() == 'x'", "there is no function lower"),
            ("timestamp('2026-01-01T00:00:00Z') == claims.t", "there is no function timestamp"),
            ("optional.of(1).hasValue()", "there is no"),
            ("claims.?acr.orValue('') == ''", "there is no"),
            ("Thing{a: 1} == 1", "structs are not supported"),
            (deep, "comprehensions are nested"),
            (&calls, "deep"),
            (&sum, "deep"),
        ] {
            let error = Expression::compile(source).expect_err(source);
            assert!(error.0.contains(expected), "{source}: {error}");
        }
    }

    /// This runs on a thread with 2 MiB of stack, as Tokio's threads do.
    #[test]
    fn the_deepest_expression_that_passes_also_runs() {
        assert_eq!(holds(&format!("{}true{}", "dyn(".repeat(49), ")".repeat(49))), Ok(true));
    }

    #[test]
    fn the_longest_chains_neither_pass_nor_overflow_the_stack() {
        for link in
            ["1+", "!", "-", "a.", "[", "(", "{1:", "true?1:", "a[", "f(", "1<", "x&&", "''+", "1 in "]
        {
            let source = link.repeat(MAX_SOURCE / link.len());
            assert!(Expression::compile(&source).is_err(), "{link}");
            let closed = format!("{}1", link.repeat((MAX_SOURCE - 1) / link.len()));
            let _ = Expression::compile(&closed).map(drop);
        }
        assert!(Expression::compile(&"1".repeat(MAX_SOURCE + 1)).is_err());
    }

    #[test]
    fn text_is_a_string_or_an_error() {
        let claims = claims();
        let variables = Variables { claims: &claims, client: "", audience: "", scopes: &[] };
        let text = |source: &str| Expression::compile(source).unwrap().text(variables);
        assert_eq!(text("'partner#' + claims.acr"), Ok("partner#1".to_owned()));
        assert!(text("1").is_err());
        assert!(text("claims.missing").is_err());
    }

    #[test]
    fn a_value_is_what_a_claim_can_hold_or_an_error() {
        let claims = claims();
        let scene = Variables { claims: &claims, client: "c", audience: "", scopes: &[] }.scene();
        let value = |source: &str| Expression::compile(source).unwrap().value_in(&scene);
        for (source, expected) in [
            ("'p-' + claims.acr", json!("p-1")),
            ("claims.email_verified", json!(true)),
            ("claims.exp", json!(1_800_000_000)),
            ("1u", json!(1)),
            ("claims.ratio", json!(0.5)),
            ("claims.groups.map(g, g + '!')", json!(["staff!", "ops!"])),
            (
                "{'client': client, 'list': [1, {'a': true}]}",
                json!({"client": "c", "list": [1, {"a": true}]}),
            ),
        ] {
            assert_eq!(value(source), Ok(expected), "{source}");
        }
        let wide = format!("[{}]", vec!["claims.groups"; 100].join(","));
        for (source, text) in [
            ("claims.nothing", "which no claim can hold"),
            ("[claims.nothing]", "which no claim can hold"),
            ("b'x'", "which no claim can hold"),
            ("{1: 2}", "keys are no strings"),
            ("1.0 / 0.0", "no finite number"),
            ("[[[[[[[[[[1]]]]]]]]]]", "more than a claim may hold"),
            (&wide, "more than a claim may hold"),
            ("claims.missing", "there is no missing"),
        ] {
            let error = value(source).expect_err(source);
            assert!(error.0.contains(text), "{source}: {error}");
            assert!(!error.0.contains("staff"), "{source}: {error}");
        }
    }

    #[test]
    fn somebody_else_is_there_where_he_may_be_and_is() {
        let (claims, other) = (claims(), claims().into_iter().take(1).collect::<Map<_, _>>());
        let plain = || Variables { claims: &claims, client: "c", audience: "a", scopes: &[] }.scene();
        let actor = Expression::compile_about("actor.acr == claims.acr", &[Other::Actor]).unwrap();
        assert_eq!(actor.holds_in(&plain().with(Other::Actor, Some(&other))), Ok(true));
        assert!(actor.holds_in(&plain()).is_err(), "nobody acts");
        assert!(actor.holds_in(&plain().with(Other::Requested, Some(&other))).is_err(), "somebody else does");
        let whole = Expression::compile_about("size(claims) > size(requested)", &[Other::Requested]).unwrap();
        assert_eq!(whole.holds_in(&plain().with(Other::Requested, Some(&other))), Ok(true));
        for (source, others) in
            [("actor.x", &[][..]), ("requested.x", &[Other::Actor]), ("actor.x", &[Other::Requested])]
        {
            let error = Expression::compile_about(source, others).unwrap_err();
            assert!(error.0.contains("there is no variable"), "{source}: {error}");
        }
    }

    /// Expressions over claims of every type, most of them ill-typed.
    fn some_expression() -> impl Strategy<Value = String> {
        let leaf = proptest::sample::select(vec![
            "claims",
            "claims.acr",
            "claims.groups",
            "claims.exp",
            "claims.nested",
            "claims.ratio",
            "claims.nothing",
            "claims.empty",
            "claims.missing",
            "scopes",
            "0",
            "-9223372036854775808",
            "1u",
            "1e308",
            "''",
            "'('",
            "b'x'",
            "true",
            "[]",
            "{}",
            "string",
        ]);
        leaf.prop_map(str::to_owned).prop_recursive(4, 24, 3, |inner| {
            let operators =
                proptest::sample::select(vec!["+", "-", "*", "/", "%", "==", "<", ">=", "in", "&&", "||"]);
            let calls = proptest::sample::select(vec![
                "size", "int", "uint", "double", "string", "bytes", "bool", "type", "dyn", "-", "!",
            ]);
            let methods = proptest::sample::select(vec!["contains", "startsWith", "matches", "size"]);
            let macros = proptest::sample::select(vec!["all", "exists", "exists_one", "map", "filter"]);
            prop_oneof![
                (inner.clone(), operators, inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
                (calls, inner.clone()).prop_map(|(call, a)| format!("{call}({a})")),
                (inner.clone(), methods, inner.clone()).prop_map(|(a, call, b)| format!("{a}.{call}({b})")),
                (inner.clone(), macros, inner.clone())
                    .prop_map(|(a, call, b)| format!("{a}.{call}(x, x == {b})")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}[{b}]")),
                (inner.clone(), inner.clone(), inner.clone())
                    .prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
                (inner.clone(), inner).prop_map(|(a, b)| format!("{{{a}: [{b}]}}")),
            ]
        })
    }

    proptest! {
        #[test]
        fn running_never_panics_and_shows_no_claim(source in some_expression()) {
            if let Ok(expression) = Expression::compile(&source) {
                let claims = claims();
                let variables = Variables { claims: &claims, client: "c", audience: "a", scopes: &[] };
                for error in [expression.holds(variables).err(), expression.text(variables).err()].into_iter().flatten() {
                    prop_assert!(!error.0.contains("staff") && !error.0.contains("1800000000"), "{}", error);
                }
            }
        }

        #[test]
        fn compiling_never_panics(source in r#"([a-z0-9 .,:?!&|+<>=(){}\[\]'"\\\n`-]|claims|true|in|has|\PC){0,60}"#) {
            let _ = Expression::compile(&source);
        }
    }
}
