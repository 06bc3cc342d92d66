//! What is minted stays within every limit of the audience file: generated files, tokens and requests.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;

const ROLES: [&str; 4] = ["a", "b", "c", "d"];
const TOKENS: [&str; 4] = ["email", "profile", "phone", "x"];

fn some_roles() -> impl Strategy<Value = BTreeSet<String>> {
    subsequence(ROLES.to_vec(), 0..=3).prop_map(|roles| set(&roles))
}

fn some_line() -> impl Strategy<Value = RoleMapping> {
    let role = || select(ROLES.to_vec()).prop_map(str::to_owned);
    let source = prop_oneof![
        role().prop_map(RoleSource::Own),
        role().prop_map(RoleSource::Realm),
        role().prop_map(|role| RoleSource::Client { client: "account".to_owned(), role }),
        role().prop_map(RoleSource::Group),
        select(TOKENS.to_vec()).prop_map(|token| RoleSource::Scope(token.to_owned())),
        role()
            .prop_map(|role| { RoleSource::When(Expression::compile(&format!("'{role}' in claims.groups")).unwrap()) }),
    ];
    let issuers = select(vec![None, Some(vec!["corp"]), Some(vec!["partner"]), Some(vec!["corp", "partner"])]);
    (source, role(), issuers).prop_map(|(from, to, issuers)| RoleMapping {
        from,
        to: format!("to-{to}"),
        issuers: issuers.map(|names| listed(&names)),
    })
}

prop_compose! {
    fn some_audience()(
        own: bool,
        realm in some_roles(),
        map in proptest::collection::vec(some_line(), 0..4),
        fixed in some_roles(),
        default in some_roles(),
        permitted in subsequence(TOKENS.to_vec(), 0..=4),
        rfc9068: bool,
        (keycloak, flat) in select(vec![(true, false), (false, true), (true, true)]),
        lifetime in 1..400i64,
        any_claim: bool,
    ) -> Audience {
        let mut target = minting();
        target.roles.own = own;
        target.roles.realm = realm;
        target.roles.map = map;
        target.roles.fixed = fixed.iter().map(|role| format!("fixed-{role}")).collect();
        target.roles.default = default.iter().map(|role| format!("default-{role}")).collect();
        target.roles.output = RoleOutput { keycloak, claim: flat.then(|| "roles".to_owned()) };
        target.permissions[0].scopes = listed(&permitted);
        target.token.lifetime = SignedDuration::from_secs(lifetime);
        target.token.profile = if rfc9068 { Profile::Rfc9068 } else { Profile::Keycloak };
        if any_claim {
            target.token.claims = Names::Any;
        }
        target
    }
}

prop_compose! {
    fn some_claims()(
        realm in some_roles(),
        own in some_roles(),
        others in some_roles(),
        groups in some_roles(),
        scope in subsequence(TOKENS.to_vec(), 0..=4),
    ) -> Map<String, Value> {
        let mut claims = keycloak_claims();
        claims.extend(object(json!({
            "realm_access": {"roles": realm}, "scope": scope.join(" "), "groups": groups, "roles": ["root"],
            "resource_access": {"back-end-api": {"roles": own}, "account": {"roles": others}}
        })));
        claims
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// What is minted meets its contract and stays within every limit, whoever's the subject token is; and no role is
    /// there that the file does not name, unless it is the audience's own in a token of the realm.
    #[test]
    fn what_is_minted_stays_within_the_file(
        target in some_audience(),
        claims in some_claims(),
        own: bool,
        asked in proptest::option::of(subsequence(TOKENS.to_vec(), 0..=4)),
    ) {
        let text = asked.as_ref().map(|tokens| tokens.join(" "));
        let request = Asked { own, scope: text.as_deref(), ..OWN };
        if let Ok(contract) = contract(&target, &request, &claims) {
            let minted = mint(&target, &request, &claims).unwrap();
            prop_assert!(minted.scope.iter().all(|token| contract.scope_permitted.contains(token)));
            prop_assert!(contract.scope_requested.as_ref().is_none_or(|asked| minted.scope.is_subset(asked)));
            let left = if own && !target.token.within_subject { i64::MAX } else { 120 };
            prop_assert!(minted.expires <= NOW + target.token.lifetime.as_secs().min(left));
            let before = RoleNames::read(&claims).unwrap();
            let realm_before = if own { before.realm.clone() } else { BTreeSet::new() };
            prop_assert!(minted.roles.realm.is_subset(&(&target.roles.realm & &realm_before)));
            let issuer = if own { "corp" } else { "partner" };
            let mut flat: BTreeSet<String> = minted.roles.realm.clone();
            for (client, roles) in &minted.roles.clients {
                prop_assert_eq!(client, "back-end-api");
                flat.extend(roles.iter().cloned());
                for role in roles {
                    let named = target.roles.fixed.contains(role)
                        || target.roles.default.contains(role)
                        || target.roles.map.iter().any(|line| line.to == *role && line.is_about(issuer, "corp"));
                    let owned = own && target.roles.own && before.clients.get(client).is_some_and(|own| own.contains(role));
                    prop_assert!(named || owned, "{}", role);
                }
            }
            // What a resource server reads, in whichever claim, is what was granted.
            let written = RoleNames::read(&minted.claims).unwrap();
            let expected = if target.roles.output.keycloak { minted.roles.clone() } else { RoleNames::default() };
            prop_assert_eq!(written, expected);
            if target.roles.output.claim.is_some() {
                let listed: BTreeSet<String> = minted.claims.get("roles").and_then(Value::as_array)
                    .into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
                prop_assert_eq!(listed, flat);
            } else if !own {
                prop_assert!(!minted.claims.contains_key("roles"));
            }
            if !own {
                prop_assert_eq!(minted.claims["sub"].as_str(), Some("partner#user-1"));
                prop_assert!(!minted.claims.contains_key("sid") && !minted.claims.contains_key("groups"));
            }
        }
    }
}
