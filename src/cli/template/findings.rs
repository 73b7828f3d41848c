//! `slipway template lint`

use super::{
    Of,
    sample::{Sample, load},
};
use crate::{
    cli::{
        context::Context,
        exit::{Exit, Failure},
        judged::Judged,
    },
    client::Client,
    template::{Fault, lint, of_fault},
    wire::{ProblemCode, RenderQuery, Rendering},
};

/// Judges the queues of a file. It fails where one of them has an error: on every cluster, where several were looked at.
pub(super) async fn run(context: &Context, of: &Of, live: bool) -> Result<Exit, Failure> {
    let samples = load(context, of).await?.0;
    let mut all = Vec::new();
    let mut failed = false;
    let mut seen = false;
    for sample in &samples {
        let judged = if live {
            let (judged, looked) = asked(&context.client()?, sample).await?;
            seen |= looked;
            judged
        } else if sample.queue.object.is_none() {
            vec![judge(sample)]
        } else {
            continue;
        };
        failed |= judged.iter().all(Judged::has_error);
        all.extend(judged);
    }
    if live && !seen {
        let message = "no cluster can be looked at: no runner on Kubernetes that serves these queues tells its nodes, or asks its cluster";
        return Err(Failure::new(Exit::Error, message).hint("slipway nodes -h says how a glue does"));
    }
    if context.format().is_whole() {
        context.print(&all, |_| Vec::new(), |_| String::new())?;
    } else {
        context.console.text(&all.iter().map(Judged::text).collect::<String>())?;
    }
    Ok(if failed { Exit::Error } else { Exit::Ok })
}

/// What the server finds, which knows the layers of its runners, their nodes and what their clusters say; and whether a
/// cluster was looked at for it.
async fn asked(client: &Client, sample: &Sample) -> Result<(Vec<Judged>, bool), Failure> {
    let items = match client.render_queue(&sample.name, &RenderQuery::default(), &sample.request()).await {
        Ok(answer) => answer.items,
        // A document that no queue could have.
        Err(error) if error.code() == Some(ProblemCode::ValidationFailed) => {
            let fields = error.problem().map(|problem| problem.errors.clone()).unwrap_or_default();
            let findings = fields.into_iter().map(|field| of_fault(Fault { pointer: field.pointer, message: field.message }));
            return Ok((vec![Judged { queue: sample.name.clone(), cluster: None, findings: findings.collect() }], true));
        }
        Err(error) => return Err(error.into()),
    };
    let looked =
        |item: &Rendering| item.runner.is_some() && (item.nodes_at.is_some() || item.checked_at.is_some() || !item.faults.is_empty());
    let seen = items.iter().any(looked);
    Ok((items.into_iter().map(|item| Judged::of(&sample.name, item)).collect(), seen))
}

/// What is found without a cluster.
pub(super) fn judge(sample: &Sample) -> Judged {
    let findings = match sample.render() {
        Ok(job) => lint(&job.manifest, &job.origins, None),
        Err(faults) => faults.into_iter().map(of_fault).collect(),
    };
    Judged { queue: sample.name.clone(), cluster: None, findings }
}
