//! A task from its submit to its end, with code of its own and its log followed: what a user does, as small as it can be.

use super::facts::{Asked, Trouble};
use crate::{
    cli::{context::Context, verdict, why},
    client::{Client, LogItem, Next, Patience, Sink},
    domain::Sha256,
    wire::{Code, Environment, EnvironmentKind, NewTask, Queue, QueueName, RunnerName, TaskId, TaskState},
};
use bytes::Bytes;
use std::time::Duration;

/// What became of the canary.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent fact")]
pub(super) struct Sung {
    pub(super) task: TaskId,
    pub(super) queue: QueueName,
    pub(super) ended: bool,
    pub(super) is_success: bool,
    /// How it ended, in a sentence.
    pub(super) how: String,
    pub(super) runner: Option<RunnerName>,
    /// What was followed of its log.
    pub(super) log_bytes: usize,
    /// Whether the log was followed to its end.
    pub(super) log_ended: bool,
    /// Whether its command writes something.
    pub(super) speaks: bool,
    /// Whether it had code with it.
    pub(super) code: bool,
    pub(super) took: Duration,
    /// What holds it up.
    pub(super) stuck: Option<String>,
}

impl Sung {
    /// Whether all of it went well.
    pub(super) fn succeeded(&self) -> bool {
        self.is_success && self.log_ended && (self.log_bytes > 0 || !self.speaks)
    }
}

/// What the canary runs: a program that the agent brings, so that the image needs none.
const COMMAND: [&str; 2] = ["slipway-agent", "version"];

/// A tar archive with one small file, another one each time.
pub(super) fn archive(context: &Context) -> Bytes {
    let text = format!("{}\n", context.key());
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    let mut archive = tar::Builder::new(Vec::new());
    // Writing into memory does not fail; an archive without the file would be refused by nobody.
    let _ = archive.append_data(&mut header, "canary.txt", text.as_bytes());
    archive.into_inner().unwrap_or_default().into()
}

/// Submits the canary, with these bytes as its code, and follows it for as long as `limit`. One that does not end is cancelled.
pub(super) async fn sing(context: &Context, client: &Client, queue: &QueueName, code: Option<&Bytes>, limit: Duration) -> Asked<Sung> {
    let Queue { use_image_entrypoint, object, .. } = client.queue(queue).await?;
    let speaks = !use_image_entrypoint && object.is_none();
    let code = code.filter(|_| speaks);
    if let Some(bytes) = code {
        send(context, client, bytes).await?;
    }
    let task = NewTask {
        name: Some("slipway-doctor".to_owned()),
        queue: Some(queue.to_string()),
        command: speaks.then(|| COMMAND.map(str::to_owned).to_vec()),
        code: code.map(|bytes| Code { upload: Some(Sha256::of(bytes)), ..Code::default() }),
        environment: code.map(|_| Environment { kind: EnvironmentKind::Image, ..Environment::default() }),
        ..NewTask::default()
    };
    let begun = context.clock.monotonic();
    let id = client.submit(&task, context.key()).await?.id;
    context.console.aside(format_args!("canary: task {id} in {queue}"));
    let (mut log_bytes, mut log_ended) = (0, false);
    let followed = async {
        let mut log = client.follow_log(id, None, Patience::default());
        while !log_ended {
            match log.next().await? {
                Next::Item(LogItem::Bytes { bytes, .. }) => log_bytes += bytes.len(),
                Next::Item(LogItem::End { .. }) => log_ended = true,
                Next::Broken(_) | Next::Resumed => {}
            }
        }
        Ok::<_, crate::client::Error>(())
    };
    let in_time = tokio::time::timeout(limit, followed).await;
    if let Ok(Err(error)) = in_time {
        return Err(error.into());
    }
    let task = client.task(id).await?;
    let ended = task.state.is_terminal();
    let stuck = if ended { None } else { client.why(id).await.ok().and_then(|why| why::in_short(&why)) };
    if !ended && let Err(error) = client.cancel_task(id, context.key()).await {
        context.console.note(format_args!("canary: task {id} could not be cancelled: {error}"));
    }
    Ok(Sung {
        task: id,
        queue: queue.clone(),
        ended,
        is_success: task.state == TaskState::Succeeded,
        how: verdict::sentence(&task),
        runner: client.attempts(id).await.ok().and_then(|attempts| attempts.items.into_iter().next_back()).map(|last| last.runner),
        log_bytes,
        log_ended,
        speaks,
        code: code.is_some(),
        took: context.clock.monotonic().saturating_sub(begun),
        stuck,
    })
}

/// Sends bytes and sees that the server has them.
pub(super) async fn send(context: &Context, client: &Client, bytes: &Bytes) -> Asked<()> {
    let sum = Sha256::of(bytes);
    let sent = client.upload((Sink::Uploads, &sum), bytes.len() as u64, bytes, context.rng(), 2, |_| {}).await;
    sent.map_err(|error| match error {
        crate::client::UploadError::Client(error) => Trouble::from(error),
        crate::client::UploadError::Read(error) => Trouble::Unasked(error.to_string()),
    })?;
    let state = client.upload_state(Sink::Uploads, &sum).await?;
    if state.complete && state.received == bytes.len() as u64 {
        return Ok(());
    }
    Err(Trouble::Foreign(200, format!("{} of {} bytes are there after all were taken", state.received, bytes.len())))
}
