//! How long a runner bears with what keeps an attempt from running, and what becomes of it then.

use super::{Finding, image};
use crate::domain::state::{FailureClass, Reason};

/// How long a runner bears with what holds an attempt up, shortest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Patience {
    /// Waiting changes nothing: it fails at once.
    AtOnce,
    /// It may pass: it fails after `imageGraceMs`.
    ImageGrace,
    /// It never fails by itself: after the pending timeout the attempt is returned, and fails only where the queue sets
    /// `failPendingAfterSeconds`.
    Pending,
}

/// The least patience that any blocking reason deserves; `Pending` where there is none.
#[must_use]
pub fn patience(findings: &[Finding]) -> Patience {
    findings.iter().filter(|f| f.blocking).map(of).min().unwrap_or(Patience::Pending)
}

/// How an attempt fails by these reasons once patience is over: by the blocking one that deserves the least.
///
/// Images fail as `image`, what the template names and is not there, or is refused, as `config`, devices as `infra`. What
/// would never fail by itself fails by the queue's own rule, so as `policy`.
#[must_use]
pub fn failure(findings: &[Finding]) -> (FailureClass, Reason, String) {
    let Some(worst) = findings.iter().filter(|f| f.blocking).min_by_key(|f| of(f)) else {
        return (FailureClass::Policy, Reason::Unknown, "it did not run in the time allowed, and nothing said why".to_owned());
    };
    (class(worst.code), worst.code, worst.message.clone())
}

fn of(finding: &Finding) -> Patience {
    use Reason as R;
    match finding.code {
        R::ObjectInvalid => Patience::AtOnce,
        R::ImageNotFound if finding.evidence.iter().any(image::hopeless) => Patience::AtOnce,
        R::ImageNotFound
        | R::ImagePullAuth
        | R::ImagePullFailed
        | R::RegistryUnreachable
        | R::DiskPressure
        | R::ContainerNotCreated
        | R::GpuNotInjected => Patience::ImageGrace,
        _ => Patience::Pending,
    }
}

fn class(code: Reason) -> FailureClass {
    use Reason as R;
    match code {
        R::ImageNotFound | R::ImagePullAuth | R::ImagePullFailed | R::RegistryUnreachable | R::DiskPressure => FailureClass::Image,
        R::ObjectInvalid
        | R::ContainerNotCreated
        | R::SecretOrConfigMissing
        | R::RuntimeClassMissing
        | R::ServiceAccountMissing
        | R::PriorityClassMissing
        | R::NamespaceMissing
        | R::ObjectKindMissing
        | R::TemplateInvalid => FailureClass::Config,
        R::GpuNotInjected => FailureClass::Infra,
        _ => FailureClass::Policy,
    }
}
