//! Observed requests: judged and audited, and answered by the identity provider whatever the judgement is.

use jiff::Timestamp;

use super::model::{Audience, Issuance, RealmPolicy};
use super::observed_until::ObservedUntil;

/// The targets that an exchange names.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// The values of `audience` (RFC 8693 section 2.1).
    pub audiences: Vec<String>,
    /// The values of `resource`.
    pub resources: Vec<String>,
}

/// Whether an exchange is observed: by its realm, or by each of its audiences. An audience whose tokens the identity provider
/// can't issue alone is never observed.
pub fn is_observed(
    targets: &Targets,
    realm: Option<ObservedUntil>,
    policy: Option<&RealmPolicy>,
    now: Timestamp,
) -> bool {
    let of_name = |name: &String| policy.and_then(|policy| policy.get(name));
    let named: Vec<_> = targets.audiences.iter().map(of_name).collect();
    let meant =
        targets.resources.iter().flat_map(|resource| policy.map_or(&[][..], |policy| policy.of_resource(resource)));
    if named.iter().flatten().copied().chain(meant).any(|audience| only_with_cambio(audience)) {
        return false;
    }
    let observes = |audience: &Audience| audience.observed_until.is_some_and(|until| until.is_on(now));
    let all_observe = || named.iter().all(|audience| audience.is_some_and(|audience| observes(audience)));
    let by_audiences = !named.is_empty() && targets.resources.is_empty() && all_observe();
    realm.is_some_and(|until| until.is_on(now)) || by_audiences
}

/// Whether some token for the audience comes into being only with Cambio: without it, there is no answer to observe.
pub fn only_with_cambio(audience: &Audience) -> bool {
    audience.issuances().iter().any(|issuance| matches!(issuance, Issuance::Mint | Issuance::Translate))
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
            let texts = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
            let targets = Targets { audiences: texts(audiences), resources: texts(resources) };
            let now = format!("{today}T12:00:00Z").parse().unwrap();
            let realm = if realm { until(day) } else { None };
            assert_eq!(is_observed(&targets, realm, Some(&policy), now), expected, "{targets:?} {today}");
        }
    }
}
