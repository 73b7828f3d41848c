//! `slipway queue apply`

use super::wanted::{FileArgs, load};
use crate::{
    cli::{
        budget,
        context::Context,
        documents::{Change, Named, told},
        exit::{Exit, Failure},
        judged::{Judged, together},
    },
    client::Client,
    wire::{NewQueue, ProblemCode, Queue, QueueList, QueueName, RenderQuery, RenderRequest, Rendering},
};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct All {
    queues: BTreeMap<QueueName, NewQueue>,
}

impl From<All> for BTreeMap<QueueName, NewQueue> {
    fn from(all: All) -> Self {
        all.queues
    }
}

impl Named for NewQueue {
    type Name = QueueName;
    type All = All;
    const WHAT: &'static str = "queue";
    const KEY: &'static str = "queues";

    fn name(&self) -> Option<&QueueName> {
        self.name.as_ref()
    }
}

/// Creates or changes the queues of a file. The whole file is read before anything is sent.
pub(super) async fn run(context: &Context, args: &FileArgs, force: bool) -> Result<Exit, Failure> {
    let wanted = load(context, args).await?;
    let client = context.client()?;
    let mut queues = Vec::new();
    for (name, budget) in wanted.budgets {
        let (change, _) = budget::apply(&client, &name, |_| Ok(budget)).await?;
        told(context, &format_args!("budget {name}"), change)?;
    }
    for (name, wanted) in wanted.queues {
        let (change, queue) = apply(&client, &name, &wanted, force).await?;
        told(context, &name, change)?;
        warn(context, &client, &name, &wanted).await;
        queues.push(queue);
    }
    if context.format().is_whole() {
        context.print(&QueueList { items: queues }, |_| Vec::new(), |_| String::new())?;
    }
    Ok(Exit::Ok)
}

/// Says beside the data what is wrong with a queue that is stored by now: nothing of it refuses a queue.
async fn warn(context: &Context, client: &Client, name: &QueueName, queue: &NewQueue) {
    let items = match client.render_queue(name, &RenderQuery::default(), &RenderRequest::default()).await {
        Ok(answer) => answer.items,
        Err(error) => return context.console.note(format_args!("{name}: what runners make of it cannot be shown: {error}")),
    };
    // A queue for machines makes no pods, and nobody asked for any.
    let counts = |item: &Rendering| item.faults.is_empty() || queue.asks_for_pods();
    let judged = items.into_iter().filter(counts).map(|item| Judged::of(name, item).grave()).collect();
    for judged in together(judged).iter().filter(|judged| !judged.findings.is_empty()) {
        context.console.say(&judged.text());
    }
}

async fn apply(client: &Client, name: &QueueName, wanted: &NewQueue, force: bool) -> Result<(Change, Queue), Failure> {
    let present = match client.queue(name).await {
        Ok(queue) => Some(queue),
        Err(error) if error.code() == Some(ProblemCode::QueueNotFound) => None,
        Err(error) => return Err(error.into()),
    };
    match present {
        Some(queue) if same(&queue, wanted) => Ok((Change::Unchanged, queue)),
        Some(queue) => match client.put_queue(name, wanted, Some(queue.revision), force).await {
            Err(error) if error.code() == Some(ProblemCode::PreconditionFailed) => {
                Err(Failure::from(error).hint(format!("somebody else changed {name} just now: apply again")))
            }
            answer => Ok((Change::Changed, answer?)),
        },
        None => Ok((Change::Created, client.put_queue(name, wanted, None, force).await?)),
    }
}

/// Whether a queue is already as it is wanted.
pub(super) fn same(queue: &Queue, wanted: &NewQueue) -> bool {
    NewQueue { name: wanted.name.clone(), ..asked(queue) } == *wanted
}

/// What a queue would have to be applied with to be as it is.
pub(super) fn asked(queue: &Queue) -> NewQueue {
    NewQueue {
        name: None,
        description: queue.description.clone(),
        defaults: queue.defaults.clone(),
        limits: queue.limits,
        weight: queue.weight,
        user_weights: queue.user_weights.clone(),
        budgets: queue.budgets.clone(),
        pod_template: queue.pod_template.clone(),
        gpu: queue.gpu.clone(),
        use_image_entrypoint: queue.use_image_entrypoint,
        pending_timeout_seconds: queue.pending_timeout_seconds,
        fail_pending_after_seconds: queue.fail_pending_after_seconds,
        idempotent: queue.idempotent,
        stop_after_seconds: queue.stop_after_seconds,
        keep_jobs_seconds: queue.keep_jobs_seconds,
        retention: queue.retention,
        owner: queue.owner.clone(),
        variables: queue.variables.clone(),
        allow: queue.allow.clone(),
        object: queue.object.clone(),
        git: queue.git.clone(),
        indexes: queue.indexes.clone(),
        proxy: queue.proxy.clone(),
        ca_bundle: queue.ca_bundle.clone(),
        cache: queue.cache.clone(),
        managed_by: queue.managed_by.clone(),
        imported_from: queue.imported_from.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{documents, testing::queue};

    fn read(file: &str, text: &str) -> Result<Vec<(QueueName, NewQueue)>, Failure> {
        documents::read(file, text)
    }

    #[test]
    fn a_file_is_one_queue_a_list_or_a_map() {
        let names = |text: &str| read("q.yaml", text).unwrap().into_iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>();
        assert_eq!(names("name: cpu\ndefaults: {graceSeconds: 5}\n"), ["cpu"]);
        assert_eq!(names("- name: b\n- name: a\n"), ["b", "a"]);
        assert_eq!(names("queues:\n  b: {}\n  a: {name: a}\n"), ["a", "b"]);
        assert_eq!(names(r#"{"queues": {"cpu": {"description": "short"}}}"#), ["cpu"]);
    }

    #[test]
    fn faults_are_named_with_their_place() {
        let told = |text: &str| {
            let failure = read("q.yaml", text).unwrap_err();
            [failure.message.unwrap()].into_iter().chain(failure.hints).collect::<Vec<_>>().join("\n  ")
        };
        let all = [
            "queues:\n  cpu:\n    defaults:\n      timeoutSecond: 5\n",
            "- name: a\n- description: x\n",
            "description: x\n",
            "name: 'a b'\n",
            "queues: {a: {name: b}}\n",
            "- name: a\n  limits: {logBytes: big}\n",
            "[]",
        ]
        .map(told)
        .join("\n");
        insta::assert_snapshot!(all);
    }

    #[test]
    fn what_is_as_wanted_is_left_alone() {
        let present = queue("cpu", 3);
        let wanted = NewQueue { description: present.description.clone(), ..NewQueue::default() };
        assert!(same(&present, &wanted));
        assert!(!same(&present, &NewQueue { description: Some("other".into()), ..wanted }));
    }
}
