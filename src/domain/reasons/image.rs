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
pub(super) const HOPELESS: [&str; 2] = ["InvalidImageName", "ErrImageNeverPull"];

/// The reason where `waiting` is a word for an image that cannot be had.
pub(super) fn finding(container: &ContainerFacts, waiting: &str, message: &str, events: &[ObjectEvent]) -> Option<Finding> {
    if !IMAGE.contains(&waiting) {
        return None;
    }
    let image = line(&container.image);
    let mut quotes = vec![quoted(container)];
    if waiting == "InvalidImageName" {
        return Some(Finding::new(Reason::ImageNotFound, format!("{image:?} is not the name of an image"), quotes));
    }
    if waiting == "ErrImageNeverPull" {
        let message = format!("{image} is not on the node, and its pull policy is Never");
        return Some(
            Finding::new(Reason::ImageNotFound, message, quotes).hint("Load the image onto the nodes, or change imagePullPolicy."),
        );
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
