//! A converted permission never allows more than Keycloak's did.

use proptest::prelude::*;

use super::*;

/// A policy whose kind is not understood, or whose lists are in any writing.
#[derive(Clone, Debug)]
struct AnyPolicy {
    kind: &'static str,
    logic: Option<&'static str>,
    strategy: Option<&'static str>,
    /// Names of clients, or numbers of policies that an aggregated policy applies.
    clients: Vec<usize>,
    applied: Vec<usize>,
    /// How the lists are written.
    writing: usize,
}

const CLIENTS: [&str; 4] = ["a", "b", "public", "disabled"];

fn any_policy() -> impl Strategy<Value = AnyPolicy> {
    let kind = prop::sample::select(vec![
        "client",
        "client",
        "client",
        "aggregate",
        "aggregate",
        "role",
        "time",
        "group",
        "js",
    ]);
    let logic = prop::sample::select(vec![Some("POSITIVE"), Some("POSITIVE"), Some("NEGATIVE"), None]);
    let strategy = prop::sample::select(vec![Some("UNANIMOUS"), Some("AFFIRMATIVE"), Some("CONSENSUS"), None]);
    let numbers = |length| prop::collection::vec(0..4_usize, length);
    (kind, logic, strategy, numbers(1..4), numbers(0..4), 0..4_usize).prop_map(
        |(kind, logic, strategy, clients, applied, writing)| AnyPolicy {
            kind,
            logic,
            strategy,
            clients,
            applied,
            writing,
        },
    )
}

impl AnyPolicy {
    fn document(&self, at: usize) -> Value {
        let clients: Vec<_> = self.clients.iter().map(|client| CLIENTS[*client]).collect();
        // A policy applies earlier ones only: Keycloak accepts no circle.
        let applied: Vec<_> = self.applied.iter().filter(|one| **one < at).map(|one| format!("p{one}")).collect();
        let mut document = policy(self.kind, &format!("p{at}"), "", &json!({}));
        document["logic"] = self.logic.into();
        document["decisionStrategy"] = self.strategy.into();
        let (key, beside, list) = match self.kind {
            "client" => ("clients", "clients", json!(clients)),
            "aggregate" => ("applyPolicies", "policies", json!(applied)),
            _ => return document,
        };
        match self.writing {
            0 => document["config"][key] = list,
            1 => document["config"][key] = list.to_string().into(),
            2 => document[beside] = list,
            _ => {
                document["config"][key] = Value::Null;
                document[beside] = list.to_string().into();
            }
        }
        document
    }

    /// What Keycloak answers, if policies that nobody can know here answer as `unknown` says.
    fn grants(&self, at: usize, all: &[Self], client: &str, unknown: u32) -> bool {
        let free = unknown >> at & 1 == 1;
        let granted = match self.kind {
            "client" => self.clients.iter().any(|one| CLIENTS[*one] == client),
            "aggregate" => {
                let applied: Vec<_> = self.applied.iter().filter(|one| **one < at).collect();
                let votes: Vec<_> = applied.iter().map(|one| all[**one].grants(**one, all, client, unknown)).collect();
                match self.strategy {
                    _ if votes.is_empty() => free,
                    Some("AFFIRMATIVE") => votes.contains(&true),
                    // A majority was seen to be refused, and to be allowed.
                    Some("CONSENSUS") => votes.contains(&true) && free,
                    _ => !votes.contains(&false),
                }
            }
            _ => free,
        };
        granted != (self.logic == Some("NEGATIVE"))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn who_is_listed_was_allowed_whatever_is_not_known(
        policies in prop::collection::vec(any_policy(), 1..5),
        applied in prop::collection::vec(0..4_usize, 0..4),
        strategy in prop::sample::select(vec!["UNANIMOUS", "AFFIRMATIVE", "CONSENSUS"]),
    ) {
        let applied: Vec<_> = applied.into_iter().filter(|one| *one < policies.len()).collect();
        let names: Vec<_> = applied.iter().map(|one| format!("p{one}")).collect();
        let mut documents: Vec<_> = policies.iter().enumerate().map(|(at, one)| one.document(at)).collect();
        documents.push(permission(&names.iter().map(String::as_str).collect::<Vec<_>>(), strategy));
        let migration = migrated(&realm(&documents));
        let text = migration.files.get("api.yaml").map(String::as_str).unwrap_or_default();
        let listed: Vec<String> = text
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("- clients: "))
            .flat_map(|list| serde_json::from_str::<Vec<String>>(list).unwrap())
            .collect();
        for client in &listed {
            prop_assert_ne!(client, "disabled");
            for unknown in 0..16 {
                let votes: Vec<_> = applied.iter().map(|one| policies[*one].grants(*one, &policies, client, unknown)).collect();
                let granted = match strategy {
                    "UNANIMOUS" => !votes.is_empty() && !votes.contains(&false),
                    "AFFIRMATIVE" => votes.contains(&true),
                    _ => false,
                };
                prop_assert!(granted, "{} is listed: {:?} {:?} {}", client, policies, applied, strategy);
            }
        }
        // Whoever may have been allowed and is not listed is in the report.
        for client in ["a", "b"] {
            let may = (0..16).any(|unknown| {
                let votes: Vec<_> = applied.iter().map(|one| policies[*one].grants(*one, &policies, client, unknown)).collect();
                strategy == "UNANIMOUS" && !votes.is_empty() && !votes.contains(&false)
                    || strategy == "AFFIRMATIVE" && votes.contains(&true)
            });
            let quoted = format!("{client:?}");
            let told = migration.report.lines().any(|line| line.contains("may have allowed") && line.contains(&quoted));
            prop_assert!(!may || told || listed.contains(&client.to_owned()), "{} is dropped in silence: {}", client, migration.report);
        }
    }
}
