//! Observed requests: judged and audited, and answered by the identity provider whatever the judgement is.

use jiff::Timestamp;

use super::model::{Audience, Issuance, RealmPolicy};
use super::observed_until::ObservedUntil;
use crate::words::oauth::form::Form;

/// The targets that an exchange names.
#[derive(Clone, Debug, Default)]
pub struct Targets<'f> {
    /// The values of `audience` (RFC 8693 section 2.1).
    pub audiences: Vec<&'f str>,
    /// The values of `resource`.
    pub resources: Vec<&'f str>,
}

impl<'f> Targets<'f> {
    /// The targets that a form names.
    pub fn of(form: &'f Form) -> Self {
        let values = |name| form.fields().filter(|(key, _)| *key == name).map(|(_, value)| value).collect();
        Self { audiences: values("audience"), resources: values("resource") }
    }
}

/// Whether an exchange is observed: by its realm, or by each of its audiences. An audience whose tokens the identity provider
/// can't issue alone is never observed.
pub fn is_observed(
    targets: &Targets<'_>,
    realm: Option<ObservedUntil>,
    policy: Option<&RealmPolicy>,
    now: Timestamp,
) -> bool {
    let Targets { audiences, resources } = targets;
    let is_on = |until: Option<ObservedUntil>| until.is_some_and(|until| until.is_on(now));
    let of_name = |name: &&str| policy.and_then(|policy| policy.get(*name));
    let all_observe =
        || audiences.iter().all(|name| of_name(name).is_some_and(|audience| is_on(audience.observed_until)));
    if !is_on(realm) && (audiences.is_empty() || !resources.is_empty() || !all_observe()) {
        return false;
    }
    let meant = resources.iter().flat_map(|resource| policy.map_or(&[][..], |policy| policy.of_resource(resource)));
    !audiences.iter().filter_map(of_name).chain(meant).any(|audience| needs_cambio(audience))
}

fn needs_cambio(audience: &Audience) -> bool {
    audience.issuances().into_iter().any(Issuance::needs_cambio)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judgement::policy::samples;

    fn until(day: &str) -> Option<ObservedUntil> {
        ObservedUntil::new(day.parse().unwrap())
    }

    /// Audiences, resources, whether the realm observes, the day, and whether the exchange is observed.
    type Row<'r> = (&'r [&'r str], &'r [&'r str], bool, &'r str, bool);

    #[test]
    fn who_observes() {
        let day = "2027-01-31";
        let named = |name: &str, observed: bool, issuance| Audience {
            observed_until: observed.then(|| until(day)).flatten(),
            issuance,
            ..samples::audience(name, Vec::new())
        };
        let policy: RealmPolicy = [
            named("watched", true, Issuance::Reissue),
            named("held", false, Issuance::Forward),
            named("minted", false, Issuance::Mint),
            named("translated", true, Issuance::Translate),
        ]
        .into_iter()
        .collect();
        let cases: [Row<'_>; 12] = [
            (&["watched"], &[], false, day, true),
            (&["watched"], &[], false, "2027-02-01", false),
            (&["held"], &[], false, day, false),
            (&["watched", "held"], &[], false, day, false),
            (&["watched", "unknown"], &[], false, day, false),
            (&["watched"], &["https://unknown.example.org"], false, day, false),
            (&[], &[], false, day, false),
            (&[], &[], true, day, true),
            (&["unknown"], &[], true, day, true),
            (&["held", "watched"], &[], true, day, true),
            (&["minted", "watched"], &[], true, day, false),
            (&["translated"], &[], true, day, false),
        ];
        for (audiences, resources, realm, today, expected) in cases {
            let targets = Targets { audiences: audiences.to_vec(), resources: resources.to_vec() };
            let now = format!("{today}T12:00:00Z").parse().unwrap();
            let realm = if realm { until(day) } else { None };
            assert_eq!(is_observed(&targets, realm, Some(&policy), now), expected, "{targets:?} {today}");
        }
    }
}
