//! Objects that the API server does not take: our own create, and the pod that the Job controller makes of it.

use super::{
    Finding, Quote,
    ReasonClass::{Change, Wait},
    quota,
    text::{Words, between, event, line},
};
use crate::domain::{
    evidence::{ApiRefusal, Evidence, NOT_SERVED},
    state::Reason,
};

/// What the API server said to the runner itself.
pub(super) fn refused(evidence: &Evidence) -> Option<Finding> {
    let refusal = evidence.refusal.as_ref()?;
    let quote = quoted(refusal);
    if refusal.reason == NOT_SERVED {
        return Some(Finding::new(Reason::ObjectKindMissing, line(&refusal.message), vec![quote]));
    }
    Some(by_text(&refusal.message, &quote).unwrap_or_else(|| by_status(refusal, quote)))
}

/// A refusal in its own words.
pub(super) fn quoted(refusal: &ApiRefusal) -> Quote {
    let ApiRefusal { verb, resource, status, reason, message } = refusal;
    Quote::new(format!("API {verb} {resource}"), format!("{status} {reason}: {message}"))
}

/// Why the Job has no pod: its controller's word, or its suspension.
pub(super) fn podless(evidence: &Evidence) -> Vec<Finding> {
    let Some(job) = evidence.job.as_ref().filter(|_| evidence.pod.is_none()) else { return Vec::new() };
    if job.suspended {
        let mut quotes = vec![Quote::new("Job spec.suspend", "true")];
        quotes.extend(evidence.events.iter().filter(|e| ["Suspended", "Stopped", "Pending"].contains(&e.reason.as_str())).map(event));
        let message = "The Job is suspended: what admits it, as Kueue does, has not let it go yet";
        return vec![Finding::new(Reason::KueueQuotaPending, message, quotes)];
    }
    // The newest counts: a controller that tries again says again why it fails.
    let Some(failed) = evidence.events.iter().rev().find(|e| e.reason == "FailedCreate") else { return Vec::new() };
    let quote = event(failed);
    let said = failed.message.strip_prefix("Error creating: ").unwrap_or(&failed.message);
    vec![by_text(said, &quote).unwrap_or_else(|| {
        let message = format!("The Job's pod cannot be created: {}", line(said));
        Finding::new(Reason::Unknown, message, vec![quote])
    })]
}

/// What a refusal says in words that admission is known to use.
fn by_text(text: &str, quote: &Quote) -> Option<Finding> {
    use Reason as R;
    if let Some(quota) = quota::finding(text, quote) {
        return Some(quota);
    }
    let words = Words::of(text);
    let found = |code, message: String| Some(Finding::new(code, message, vec![quote.clone()]));
    if words.any(&["usage per container is", "usage per pod is", "request ratio per ", "usage per persistentvolumeclaim is"]) {
        return found(R::LimitRangeViolation, format!("Outside the namespace's bounds: {}", line(after(text, "is forbidden: "))));
    }
    if words.any(&["violates podsecurity"]) {
        let profile = between(text, "violates PodSecurity \"", "\"").unwrap_or("a stricter profile");
        return found(R::PodSecurityViolation, format!("The namespace enforces {}: {}", line(profile), line(after(text, "\": "))));
    }
    if words.any(&["failed calling webhook"]) {
        let message = format!("An admission webhook does not answer: {}", line(text));
        return found(R::AdmissionWebhookDenied, message).map(|f| f.hint("Ask who runs the webhook; it goes on once it answers."));
    }
    if words.any(&["admission webhook", "validatingadmissionpolicy"]) && words.any(&["denied"]) {
        return found(R::AdmissionWebhookDenied, format!("Refused by admission: {}", line(text)));
    }
    if words.any(&["serviceaccount", "service account"]) && words.any(&["not found"]) {
        let name = between(text, "serviceaccount \"", "\"").or_else(|| between(text, "service account ", ":"));
        return found(R::ServiceAccountMissing, format!("There is no service account {}", line(name.unwrap_or("of the name asked for"))));
    }
    if words.any(&["no priorityclass with name"]) {
        let name = between(text, "no PriorityClass with name ", " was found");
        return found(R::PriorityClassMissing, format!("There is no priority class {}", line(name.unwrap_or("of the name asked for"))));
    }
    if words.any(&["runtimeclass"]) && words.any(&["not found"]) {
        let name = between(text, "RuntimeClass \"", "\"").unwrap_or("of the name asked for");
        return found(R::RuntimeClassMissing, format!("There is no runtime class {}", line(name)));
    }
    if words.any(&["because it is being terminated"]) {
        return found(R::NamespaceMissing, "The namespace is being deleted".to_owned());
    }
    if words.any(&["namespaces \""]) && words.any(&["not found"]) {
        let name = between(text, "namespaces \"", "\"").unwrap_or("asked for");
        return found(R::NamespaceMissing, format!("There is no namespace {}", line(name)));
    }
    if words.any(&["cannot "]) && words.any(&["resource \""]) {
        return found(R::RunnerForbidden, format!("The right is missing: {}", line(after(text, "is forbidden: "))));
    }
    if words.any(&["\" is invalid: "]) {
        return found(R::ObjectInvalid, format!("The API server does not take it: {}", line(after(text, "is invalid: "))));
    }
    // An admission plugin names the object that it refuses; missing rights, above, name the kind alone.
    if words.any(&["\" is forbidden: "]) {
        return found(R::AdmissionWebhookDenied, format!("Refused by admission: {}", line(after(text, "is forbidden: "))));
    }
    None
}

/// What is left to say of a refusal whose words are not known.
fn by_status(refusal: &ApiRefusal, quote: Quote) -> Finding {
    let ApiRefusal { verb, resource, status, message, .. } = refusal;
    let (code, what) = match status {
        401 => (Reason::RunnerForbidden, "does not know the runner's credential"),
        403 => (Reason::RunnerForbidden, "refuses"),
        404 => (Reason::ObjectInvalid, "does not know the kind of object"),
        400 | 413 | 422 => (Reason::ObjectInvalid, "does not take the object"),
        _ => (Reason::Unknown, "failed"),
    };
    let finding = Finding::new(code, format!("The API server {what} ({verb} {resource}, {status}): {}", line(message)), vec![quote]);
    match code {
        // What is no refusal passes, or becomes one.
        Reason::Unknown => finding.class(Wait),
        Reason::ObjectInvalid => finding.class(Change),
        _ => finding,
    }
}

/// What follows a mark, or all of it where there is none.
fn after<'a>(text: &'a str, mark: &str) -> &'a str {
    text.split_once(mark).map_or(text, |(_, rest)| rest)
}
