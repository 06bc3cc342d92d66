use super::*;
use crate::judgement::expression::Expression;

fn all() -> Vec<Preset> {
    names().map(|name| Preset::named(name).unwrap_or_else(|| panic!("{name} can't be read"))).collect()
}

/// Without this test, a slip in a file would look as if there were no such preset.
#[test]
fn every_preset_can_be_read_and_says_where_it_is_documented() {
    assert_eq!(all().len(), 16);
    assert!(Preset::named("nope").is_none());
    for preset in all() {
        assert!(preset.documentation.iter().all(|url| url.starts_with("https://")), "{}", preset.name);
        assert!(!preset.documentation.is_empty() && !preset.about.is_empty() && !preset.write.is_empty());
        assert!(preset.example.contains(&format!("preset: {}\n", preset.name)), "{}", preset.name);
        assert!(preset.example.lines().count() <= 5, "{}", preset.name);
    }
    assert!(names().is_sorted());
}

/// The operator names the audiences: nobody else knows them. A preset has no key that is a secret or a file.
#[test]
fn a_preset_names_no_audience_and_no_file() {
    for preset in all() {
        let text = Value::from(preset.settings.clone()).to_string();
        for key in ["audiences", "tenants", "File", "jwksURL", "introspection"] {
            assert!(!text.contains(&format!("{key}\"")), "{}: {key}", preset.name);
        }
        assert!(preset.settings.contains_key("algorithms"), "{}", preset.name);
        assert!(preset.settings.contains_key("accessTokens"), "{}", preset.name);
    }
}

/// A preset binds to what never changes hands, where the issuer has such a claim.
#[test]
fn a_presets_own_mapping_and_rules_are_not_weak() {
    for preset in all() {
        let claims = preset.claims();
        let username = &preset.settings["claimMappings"]["username"]["expression"];
        let username = Expression::compile(username.as_str().unwrap()).unwrap();
        assert_eq!(claims.weak(&username), [], "{}", preset.name);
        for rule in preset.rules() {
            let weak = claims.weak(&Expression::compile(rule).unwrap());
            assert_eq!(weak, [], "{}: {rule}", preset.name);
        }
    }
}
