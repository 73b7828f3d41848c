//! Images that cannot be had.

use super::{
    Finding, Quote,
    ReasonClass::Change,
    text::{Words, container as quoted, event, line},
};
use crate::domain::{
    evidence::{ContainerFacts, ObjectEvent},
    state::Reason,
};

/// The kubelet's words for an image that cannot be had.
const IMAGE: [&str; 7] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
];

/// The words after which no registry is asked: waiting changes nothing.
const HOPELESS: [&str; 2] = ["InvalidImageName", "ErrImageNeverPull"];

/// The events that say the same, ten to fifteen seconds before the pod's status does, and how their messages begin: of the first
/// there are others.
const FORETOLD: [(&str, &str); 2] = [("InspectFailed", "Failed to apply default image tag"), ("ErrImageNeverPull", "Container image")];

/// Whether a quote says that waiting changes nothing.
pub(super) fn hopeless(quote: &Quote) -> bool {
    let by_state = quote.source.starts_with("Container ") && HOPELESS.iter().any(|word| quote.raw.starts_with(word));
    let foretells = |(reason, words): &(&str, &str)| quote.source.strip_prefix("Event ") == Some(reason) && quote.raw.starts_with(words);
    by_state || FORETOLD.iter().any(foretells)
}

/// The newest event in which the kubelet says of a container's image that waiting changes nothing.
pub(super) fn foretelling<'a>(container: &ContainerFacts, events: &'a [ObjectEvent]) -> Option<&'a ObjectEvent> {
    let image = format!("\"{}\"", line(&container.image));
    events.iter().rev().find(|said| said.message.contains(&image) && hopeless(&event(said)))
}

/// What that means while the container's status does not say it yet.
pub(super) fn foretold(container: &ContainerFacts, events: &[ObjectEvent]) -> Option<Finding> {
    let (image, said) = (line(&container.image), foretelling(container, events)?);
    let quotes = vec![quoted(container), event(said)];
    Some(if said.reason == "InspectFailed" { no_name(image, quotes) } else { not_loaded(image, quotes) })
}

fn no_name(image: &str, quotes: Vec<Quote>) -> Finding {
    Finding::new(Reason::ImageNotFound, format!("{image:?} is not the name of an image"), quotes)
}

fn not_loaded(image: &str, quotes: Vec<Quote>) -> Finding {
    let message = format!("{image} is not on the node, and its pull policy is Never");
    Finding::new(Reason::ImageNotFound, message, quotes).hint("Load the image onto the nodes, or change imagePullPolicy.")
}

/// The reason where `waiting` is a word for an image that cannot be had.
pub(super) fn finding(container: &ContainerFacts, waiting: &str, message: &str, events: &[ObjectEvent]) -> Option<Finding> {
    if !IMAGE.contains(&waiting) {
        return None;
    }
    let image = line(&container.image);
    let mut quotes = vec![quoted(container)];
    if waiting == "InvalidImageName" {
        return Some(no_name(image, quotes));
    }
    if waiting == "ErrImageNeverPull" {
        return Some(not_loaded(image, quotes));
    }
    // Older kubelets say only that they back off; the registry's answer then stands in the event alone.
    let failed =
        events.iter().rev().find(|e| e.reason == "Failed" && e.message.contains("Failed to pull image") && e.message.contains(image));
    let said = failed.filter(|_| !message.contains(": ")).map_or(message, |e| &e.message);
    quotes.extend(failed.map(event));
    Some(classify(image, waiting, said, quotes, events))
}

fn classify(image: &str, waiting: &str, said: &str, mut quotes: Vec<Quote>, events: &[ObjectEvent]) -> Finding {
    use Reason as R;
    let words = Words::of(said);
    // From the certain to the vague: what fails on the way may quote an answer, and an answer may be any of the last two.
    if words.any(&["no space left on device", "disk quota exceeded", "not enough free space"]) {
        return Finding::new(R::DiskPressure, format!("The node has no room for the image {image}"), quotes);
    }
    if words.any(&NETWORK) || waiting == "RegistryUnavailable" {
        return Finding::new(R::RegistryUnreachable, format!("The registry of {image} cannot be reached, or does not serve now"), quotes);
    }
    if words.any(&["no match for platform"]) {
        return Finding::new(R::ImageNotFound, format!("{image} does not exist for the node's platform"), quotes)
            .hint("Build the image for the nodes' architecture, or choose nodes that fit.");
    }
    if words.any(&AUTH) {
        quotes.extend(events.iter().filter(|e| e.reason == "FailedToRetrieveImagePullSecret").map(event));
        let vague = if words.any(&["does not exist"]) { "; there may be no such repository either" } else { "" };
        return Finding::new(R::ImagePullAuth, format!("The registry refuses access to {image}{vague}"), quotes);
    }
    if words.any(&["not found", "manifest unknown", "name unknown", "name_unknown", "manifest_unknown", "does not exist"]) {
        return Finding::new(R::ImageNotFound, format!("The registry has no image {image}"), quotes);
    }
    if waiting == "SignatureValidationFailed" {
        return Finding::new(R::ImagePullFailed, format!("The signature of {image} is not accepted on the node"), quotes).class(Change);
    }
    Finding::new(R::ImagePullFailed, format!("{image} cannot be pulled: {}", line(said)), quotes)
}

const NETWORK: [&str; 20] = [
    "dial tcp",
    "i/o timeout",
    "no such host",
    "connection refused",
    "connection reset",
    "tls handshake",
    "x509:",
    "tls: ",
    "deadline exceeded",
    "network is unreachable",
    "no route to host",
    "server misbehaving",
    "unexpected eof",
    ": eof",
    "service unavailable",
    "bad gateway",
    "gateway timeout",
    "internal server error",
    "too many requests",
    "toomanyrequests",
];

const AUTH: [&str; 8] = [
    "unauthorized",
    "authentication required",
    "authorization failed",
    "insufficient_scope",
    "no basic auth credentials",
    "denied",
    "forbidden",
    "failed to fetch anonymous token",
];
