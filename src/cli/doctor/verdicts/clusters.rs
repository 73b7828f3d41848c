//! What glues say of their own clusters.

use super::{
    connection::is_of_cluster,
    runners::{few, is_alive},
    seen,
};
use crate::{
    cli::doctor::{
        facts::Facts,
        report::{Check, Line},
    },
    wire::{Footing, MissingRight, Runner},
};

/// The glues at work, or the line that says why there is nothing to look at.
fn glues(check: Check, facts: &Facts) -> Result<Vec<&Runner>, Line> {
    let runners = seen(check, facts.runners.as_ref())?;
    let glues: Vec<_> = runners.iter().filter(|runner| runner.kind == "kubernetes" && is_alive(runner, facts.there())).collect();
    if glues.is_empty() { Err(Line::skip(check, "no glue is at work")) } else { Ok(glues) }
}

/// Glues have the rights that they need.
pub(super) fn rights(facts: &Facts) -> Vec<Line> {
    let check = Check::Rights;
    let glues = match glues(check, facts) {
        Ok(glues) => glues,
        Err(line) => return vec![line],
    };
    let of_glue = |glue: &&Runner| {
        let fix = "wait a minute; a glue of a version before this check never tells: upgrade it";
        let untold = || vec![Line::warn(check, "it has not told which rights it has", fix).about(&glue.name)];
        glue.footing.as_ref().map_or_else(untold, |footing| of_footing(glue, footing))
    };
    glues.iter().flat_map(of_glue).collect()
}

fn of_footing(glue: &Runner, footing: &Footing) -> Vec<Line> {
    let mut lines: Vec<_> = footing.missing.iter().map(|right| missing(glue, footing, right)).collect();
    if let Some(unknown) = &footing.unknown {
        let fix = "let the glue's account ask for its own rights: create selfsubjectaccessreviews.authorization.k8s.io, which system:basic-user has";
        lines.push(Line::warn(Check::Rights, format!("its cluster did not say of every right: {unknown}"), fix).about(&glue.name));
    }
    if lines.is_empty() {
        let seen = format!("all {} rights are there in {}", footing.needed, few(&footing.namespaces));
        lines.push(Line::ok(Check::Rights, seen).about(&glue.name));
    }
    lines
}

/// `delete pods in research`, and how to give that.
fn missing(glue: &Runner, footing: &Footing, right: &MissingRight) -> Line {
    let MissingRight { namespace, group, resource, verb, why, said } = right;
    let resource = if group.is_empty() { resource.clone() } else { format!("{resource}.{group}") };
    let place = namespace.as_ref().map_or("in the whole cluster".to_owned(), |namespace| format!("in {namespace}"));
    let said = if said.is_empty() { String::new() } else { format!("; the cluster says: {said}") };
    let flags = if footing.checks_queues { " --check" } else { "" };
    let nodes = if footing.reads_nodes && namespace.is_none() { " --nodes" } else { "" };
    let of = namespace.as_ref().or(footing.namespaces.first()).map_or("NAMESPACE", String::as_str);
    let fix = format!(
        "let its account {verb} {resource} {place}: helm upgrade of its release, or slipway glue rbac --namespace {of}{flags}{nodes} | kubectl apply -f -"
    );
    let seen = format!("the glue {} may not, and needs it for this: {why}{said}", glue.name);
    Line::fail(Check::Rights, seen, fix).about(format!("{verb} {resource} {place}"))
}

/// Pods reach the server at the address that their glue gives them.
pub(super) fn bases(facts: &Facts) -> Vec<Line> {
    let check = Check::BaseUrl;
    if let Err(line) = glues(check, facts) {
        return vec![line];
    }
    if facts.bases.is_empty() {
        return vec![Line::skip(check, "no glue has told the address that its pods call")];
    }
    let canary = facts.canary.as_ref().and_then(|canary| canary.as_ref().ok()).filter(|sung| sung.succeeded());
    let line = |(glue, url, answer): &(_, String, Result<_, super::Trouble>)| {
        let host = reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        let fix = "agentUrl in the glue's file (glue.serverUrl of the chart): name the server as pods of that cluster reach it";
        let line = match answer {
            _ if canary.is_some_and(|sung| sung.runner.as_ref() == Some(glue)) => {
                Line::ok(check, format!("pods call {url}; the canary reached it"))
            }
            Ok(_) => Line::ok(check, format!("pods call {url}, where a Slipway server answers")),
            Err(trouble) if facts.in_cluster => Line::fail(check, format!("pods call {url}: {}", trouble.text()), fix),
            Err(_) if is_of_cluster(&host) => Line::skip(check, format!("pods call {url}, which only they can reach"))
                .unless("let a pod try it: --canary QUEUE, or helm test"),
            Err(trouble) => Line::warn(check, format!("pods call {url}, and from here: {}", trouble.text()), fix),
        };
        line.about(glue)
    };
    facts.bases.iter().map(line).collect()
}
