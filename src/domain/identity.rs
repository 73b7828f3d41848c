//! Who a caller is by the word of somebody else: an issuer of signed tokens (`OpenID` Connect), and the roles that its users have
//! here. A Kubernetes cluster is one: its service accounts are the users.

use super::{Grant, Rights, Role, wrong_patterns};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An issuer whose word counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Issuer {
    /// What it is called here; its users are called `name:user`.
    pub name: String,
    /// What its tokens call it: their `iss`, exactly.
    pub issuer: String,
    /// Whom its tokens must be meant for: one of their `aud`.
    #[serde(default = "audience")]
    pub audience: String,
    /// The claim that names the user.
    #[serde(default = "user_claim")]
    pub user_claim: String,
    /// What stands before the user's name here; default `name:`. Empty makes its users the same as those that tokens of this
    /// server name.
    #[serde(default)]
    pub user_prefix: Option<String>,
    /// The claim that lists the user's groups.
    #[serde(default = "groups_claim")]
    pub groups_claim: String,
    /// Who has which role: the first that fits without `queues`, and those before it that fit in their queues. Who fits none has
    /// none.
    pub roles: Vec<Binding>,
}

/// A role of some of an issuer's users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Binding {
    /// The role.
    pub role: Role,
    /// Users, as the claim names them; a `*` at the end stands for any rest.
    #[serde(default)]
    pub users: Vec<String>,
    /// Groups, alike.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The queues that the role counts in, alike; without it, everywhere.
    #[serde(default)]
    pub queues: Option<Vec<String>>,
}

fn audience() -> String {
    "slipway".to_owned()
}

fn user_claim() -> String {
    "sub".to_owned()
}

fn groups_claim() -> String {
    "groups".to_owned()
}

/// How far clocks may differ, in seconds.
const LEEWAY: i64 = 60;
/// The longest name of a user, with its prefix, in characters.
const MAX_USER: usize = 253;

/// Why the word of an issuer is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Its time has not come.
    #[error("it is not valid yet")]
    Early,
    /// It has no end.
    #[error("it does not say when it expires")]
    Endless,
    /// It is meant for somebody else.
    #[error("it is not meant for {0}")]
    Audience(String),
    /// It names no user that can be one here.
    #[error("its claim {0} names no user")]
    User(String),
    /// Its user has no role.
    #[error("no role is bound to {0}")]
    NoRole(String),
}

impl Issuer {
    /// The user and the rights that a token's claims mean at `now` (seconds since 1970). The signature and the issuer are
    /// checked before.
    ///
    /// # Errors
    /// [`Doubt`] says why they mean nobody.
    pub fn principal(&self, claims: &Map<String, Value>, now: i64) -> Result<(String, Rights), Doubt> {
        let second = |name: &str| claims.get(name).and_then(|value| value.as_i64().or_else(|| whole(value)));
        let expires = second("exp").ok_or(Doubt::Endless)?;
        if expires.saturating_add(LEEWAY) <= now {
            return Err(Doubt::Expired);
        }
        if second("nbf").is_some_and(|begins| begins.saturating_sub(LEEWAY) > now) {
            return Err(Doubt::Early);
        }
        if !texts(claims.get("aud")).any(|aud| aud == self.audience) {
            return Err(Doubt::Audience(self.audience.clone()));
        }
        let named = claims.get(&self.user_claim).and_then(Value::as_str).unwrap_or_default();
        let prefix = self.user_prefix.clone().unwrap_or_else(|| format!("{}:", self.name));
        let user = format!("{prefix}{named}");
        // As strict as the users that tokens of this server name.
        let plain = !named.is_empty() && !user.starts_with('@') && !user.contains(|c: char| c.is_control() || c == ',');
        if !plain || user.chars().count() > MAX_USER {
            return Err(Doubt::User(self.user_claim.clone()));
        }
        let groups: Vec<&str> = texts(claims.get(&self.groups_claim)).collect();
        let fits = |binding: &&Binding| {
            binding.users.iter().any(|pattern| matches(pattern, named))
                || binding.groups.iter().any(|pattern| groups.iter().any(|g| matches(pattern, g)))
        };
        let mut grants = Vec::new();
        for binding in self.roles.iter().filter(fits) {
            grants.push(Grant { role: binding.role, queues: binding.queues.clone() });
            if binding.queues.is_none() {
                break;
            }
        }
        Rights::of(grants).map(|rights| (user.clone(), rights)).ok_or(Doubt::NoRole(user))
    }

    /// What is wrong with it.
    #[must_use]
    pub fn wrong(&self) -> Option<String> {
        let named = (1..=63).contains(&self.name.len()) && self.name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !named {
            return Some("name: 1 to 63 of A-Z a-z 0-9 . _ -".into());
        }
        let empty = [("issuer", &self.issuer), ("audience", &self.audience), ("userClaim", &self.user_claim)];
        if let Some((field, _)) = empty.iter().find(|(_, text)| text.is_empty()) {
            return Some(format!("{field} is empty"));
        }
        if self.roles.is_empty() {
            return Some("roles: nobody has any, so nobody could come".into());
        }
        // Whoever may register with an issuer would be in.
        let open =
            |binding: &Binding| binding.role != Role::Viewer && binding.users.iter().chain(&binding.groups).any(|pattern| pattern == "*");
        if self.roles.iter().any(open) {
            return Some("roles: everybody (\"*\") may be a viewer at most".into());
        }
        if let Some(why) = self.roles.iter().filter_map(|binding| binding.queues.as_deref()).find_map(wrong_patterns) {
            return Some(format!("roles: queues: {why}"));
        }
        let nobody = |binding: &Binding| binding.users.is_empty() && binding.groups.is_empty();
        self.roles.iter().any(nobody).then(|| "roles: each names users or groups".into())
    }
}

/// A number that JSON writes with a fraction of nothing.
#[expect(clippy::cast_possible_truncation, reason = "seconds; what is out of range saturates, and both ends are refused")]
fn whole(value: &Value) -> Option<i64> {
    value.as_f64().map(|seconds| seconds as i64)
}

/// A text, or the texts of a list.
fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let (one, many) = match value {
        Some(Value::String(one)) => (Some(one.as_str()), None),
        Some(Value::Array(many)) => (None, Some(many.iter().filter_map(Value::as_str))),
        _ => (None, None),
    };
    one.into_iter().chain(many.into_iter().flatten())
}

fn matches(pattern: &str, text: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == text, |start| text.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cluster() -> Issuer {
        serde_json::from_value(json!({
            "name": "prod", "issuer": "https://kubernetes.default.svc",
            "roles": [
                {"role": "runner", "users": ["system:serviceaccount:slipway:slipway-glue"]},
                {"role": "submitter", "users": ["system:serviceaccount:ci:*"], "groups": ["ml-*"]},
                {"role": "viewer", "groups": ["*"]},
            ],
        }))
        .unwrap()
    }

    fn claims(over: &Value) -> Map<String, Value> {
        let mut claims =
            json!({"iss": "https://kubernetes.default.svc", "aud": ["slipway"], "exp": 1_000, "sub": "system:serviceaccount:ci:bot"});
        let (Value::Object(all), Value::Object(over)) = (&mut claims, over) else { unreachable!("both are objects") };
        all.extend(over.clone());
        all.clone()
    }

    #[test]
    fn claims_mean_a_user_and_the_first_role_that_fits() {
        let who = |over: Value| cluster().principal(&claims(&over), 900);
        assert_eq!(who(json!({})), Ok(("prod:system:serviceaccount:ci:bot".into(), Rights::everywhere(Role::Submitter))));
        assert_eq!(who(json!({"sub": "system:serviceaccount:slipway:slipway-glue"})).unwrap().1, Rights::everywhere(Role::Runner));
        assert_eq!(who(json!({"sub": "eve", "groups": ["x", "ml-vision"]})), Ok(("prod:eve".into(), Rights::everywhere(Role::Submitter))));
        assert_eq!(who(json!({"sub": "eve", "groups": "ops"})), Ok(("prod:eve".into(), Rights::everywhere(Role::Viewer))));
        assert_eq!(who(json!({"sub": "eve"})), Err(Doubt::NoRole("prod:eve".into())));
        assert_eq!(who(json!({"aud": "slipway"})).unwrap().1, Rights::everywhere(Role::Submitter));
        let plain = Issuer { user_prefix: Some(String::new()), user_claim: "email".into(), ..cluster() };
        let email = claims(&json!({"email": "eve@example.com", "groups": ["ml-a"]}));
        assert_eq!(plain.principal(&email, 900), Ok(("eve@example.com".into(), Rights::everywhere(Role::Submitter))));
    }

    #[test]
    fn roles_in_some_queues_add_to_the_first_that_counts_everywhere() {
        let roles = json!([
            {"role": "operator", "groups": ["ml-*"], "queues": ["ml-*"]},
            {"role": "viewer", "groups": ["*"]},
            {"role": "submitter", "groups": ["ml-*"], "queues": ["late"]},
        ]);
        let issuer = Issuer { roles: serde_json::from_value(roles).unwrap(), ..cluster() };
        let (_, rights) = issuer.principal(&claims(&json!({"groups": ["ml-vision"]})), 900).unwrap();
        let queue = |name: &str| name.parse().unwrap();
        assert!(rights.include_in(Role::Operator, &queue("ml-a")) && !rights.include_in(Role::Submitter, &queue("other")));
        assert!(rights.include(Role::Viewer) && !rights.include_in(Role::Submitter, &queue("late")), "what stands after it does not count");
        let (_, others) = issuer.principal(&claims(&json!({"groups": ["ops"]})), 900).unwrap();
        assert_eq!(others, Rights::everywhere(Role::Viewer));
        let bad = json!([{"role": "viewer", "users": ["a"], "queues": []}]);
        assert!(Issuer { roles: serde_json::from_value(bad).unwrap(), ..cluster() }.wrong().unwrap().contains("queues"));
    }

    #[test]
    fn claims_that_mean_nobody_are_told_apart() {
        let who = |over: Value, now| cluster().principal(&claims(&over), now).unwrap_err();
        assert_eq!(who(json!({}), 1_060), Doubt::Expired);
        assert!(cluster().principal(&claims(&json!({})), 1_059).is_ok(), "a minute is between clocks");
        assert_eq!(who(json!({"nbf": 961}), 900), Doubt::Early);
        assert_eq!(who(json!({"exp": null}), 900), Doubt::Endless);
        for aud in [json!(["other"]), json!("slipway2"), json!(null), json!(7), json!([])] {
            assert_eq!(who(json!({"aud": aud}), 900), Doubt::Audience("slipway".into()), "{aud}");
        }
        let plain = Issuer { user_prefix: Some(String::new()), ..cluster() };
        for sub in [json!(""), json!(null), json!(["a"]), json!("a,b"), json!("a\nb"), json!("@me"), json!("x".repeat(300))] {
            let doubt = plain.principal(&claims(&json!({"sub": sub})), 900).unwrap_err();
            assert_eq!(doubt, Doubt::User("sub".into()), "{sub}");
        }
    }

    #[test]
    fn an_issuer_that_lets_anybody_in_is_refused() {
        assert_eq!(cluster().wrong(), None);
        let with = |roles: Value| Issuer { roles: serde_json::from_value(roles).unwrap(), ..cluster() }.wrong();
        for bad in [
            json!([]),
            json!([{"role": "viewer"}]),
            json!([{"role": "submitter", "users": ["*"]}]),
            json!([{"role": "admin", "groups": ["*"]}]),
        ] {
            assert!(with(bad.clone()).is_some(), "{bad}");
        }
        assert!(Issuer { name: "a:b".into(), ..cluster() }.wrong().is_some());
        assert!(Issuer { audience: String::new(), ..cluster() }.wrong().is_some());
    }
}
