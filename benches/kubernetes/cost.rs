//! What a run cost: writes to the API server, CPU time, memory.

use crate::{Failure, kit::testbed::STATE, machine::cpu, procs::status_kib};
use axum::http::Request;
use kube::Client;
use std::{collections::BTreeMap, fs, path::Path};

/// Calls by verb and resource, of everybody.
pub(crate) type Calls = BTreeMap<String, f64>;

const WRITES: [&str; 6] = ["POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"];
const READS: [&str; 2] = ["GET", "LIST"];

/// What is written and read whatever happens, or only asked.
const NOT_OURS: [&str; 6] = ["leases", "selfsubjectaccessreviews", "subjectaccessreviews", "tokenreviews", "serviceaccounts", "namespaces"];

/// All calls so far, as the API server counts them.
pub(crate) async fn calls(client: &Client) -> Result<Calls, Failure> {
    let text = client.request_text(Request::get("/metrics").body(Vec::new())?).await?;
    Ok(counted(&text))
}

/// The calls in the API server's own metrics.
fn counted(text: &str) -> Calls {
    let mut all = Calls::new();
    for line in text.lines() {
        let Some((labels, value)) = line.strip_prefix("apiserver_request_total{").and_then(|rest| rest.rsplit_once("} ")) else { continue };
        let of = |name: &str| labels.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix("=\"")?.strip_suffix('"'));
        let (verb, resource) = (of("verb").unwrap_or_default(), of("resource").unwrap_or_default());
        if !(WRITES.contains(&verb) || READS.contains(&verb)) || NOT_OURS.contains(&resource) || resource.is_empty() {
            continue;
        }
        let sub = of("subresource").filter(|sub| !sub.is_empty()).map(|sub| format!("/{sub}")).unwrap_or_default();
        *all.entry(format!("{verb} {resource}{sub}")).or_default() += value.parse().unwrap_or(0.0);
    }
    all
}

/// The calls that were made since, for each task: those that write, and those that read.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(crate) fn since(before: &Calls, after: &Calls, tasks: usize) -> (Calls, Calls) {
    let each = |(what, count): (&String, &f64)| (what.clone(), (count - before.get(what).copied().unwrap_or(0.0)) / tasks as f64);
    let writes = |(what, _): &(String, f64)| WRITES.iter().any(|verb| what.split(' ').next() == Some(verb));
    after.iter().map(each).filter(|(_, count)| *count > 0.0).partition(writes)
}

/// The programs of the control plane.
pub(crate) fn plane() -> BTreeMap<&'static str, u32> {
    let pid = |name: &str| fs::read_to_string(Path::new(STATE).join(format!("{name}.pid"))).ok()?.trim().parse().ok();
    ["etcd", "apiserver", "controller-manager"].into_iter().filter_map(|name| Some((name, pid(name)?))).collect()
}

/// CPU time so far, in seconds.
pub(crate) fn seconds(programs: &BTreeMap<&'static str, u32>) -> BTreeMap<&'static str, f64> {
    programs.iter().map(|(name, pid)| (*name, cpu(&[*pid]))).collect()
}

/// The most memory that each has had, in MiB.
pub(crate) fn memory(programs: &BTreeMap<&'static str, u32>) -> BTreeMap<String, f64> {
    let of = |pid: u32| status_kib(i32::try_from(pid).ok()?, "VmHWM").and_then(|kib| u32::try_from(kib).ok());
    programs.iter().filter_map(|(name, pid)| Some(((*name).to_owned(), f64::from(of(*pid)?) / 1024.0))).collect()
}
