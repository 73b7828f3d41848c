//! What a queue must keep to.

use crate::{
    domain::{Labels, Priority, Resources, TaskSpec, Work},
    server::error::{ApiResult, placed, valid},
    template,
    wire::{FieldError, NewQueue, QueueName, limits},
};

/// The longest wait for a place: 30 days.
const MAX_PENDING_SECONDS: u64 = 30 * 86_400;
/// How long an ended Job can stay: then the cluster removes it by itself.
const MAX_KEPT_SECONDS: u64 = 86_400;
/// The longest that something is kept for: ten years. Whoever wants more sets no limit.
const MAX_KEPT_DAYS: u32 = 3_650;
/// The most ended tasks that are counted.
const MAX_KEPT_TASKS: u32 = 1_000_000;
/// The longest name of an image, in bytes.
const MAX_IMAGE: usize = 1_000;

/// Refuses a queue with all its faults by place. Its defaults must make legal tasks: they are checked as the task that
/// they would complete.
pub(super) fn check(name: &QueueName, queue: &NewQueue) -> ApiResult<()> {
    let mut errors = Vec::new();
    let mut rule = |ok: bool, pointer: &str, message: String| {
        if !ok {
            errors.push(FieldError { pointer: pointer.to_owned(), message });
        }
    };
    if let Some(given) = &queue.name {
        rule(given == name, "/name", format!("the path says {name}, the body {given}"));
    }
    rule(queue.description.as_ref().is_none_or(|d| d.len() <= 1000), "/description", "at most 1,000 bytes".into());
    let log_bytes = 4096..=1 << 40;
    rule(queue.limits.log_bytes.is_none_or(|n| log_bytes.contains(&n)), "/limits/logBytes", "between 4,096 bytes and 1 TiB".into());
    rule(
        queue.defaults.image.as_deref().is_none_or(is_image),
        "/defaults/image",
        "the name of an image: registry.example.com/name:tag".into(),
    );
    for (pointer, seconds) in
        [("/pendingTimeoutSeconds", queue.pending_timeout_seconds), ("/failPendingAfterSeconds", queue.fail_pending_after_seconds)]
    {
        let fine = seconds.is_none_or(|seconds| (1..=MAX_PENDING_SECONDS).contains(&seconds));
        rule(fine, pointer, format!("between 1 and {MAX_PENDING_SECONDS} seconds"));
    }
    if let Some(kept) = queue.keep_jobs_seconds {
        for (pointer, seconds) in [("/keepJobsSeconds/success", kept.success), ("/keepJobsSeconds/failure", kept.failure)] {
            rule(seconds <= MAX_KEPT_SECONDS, pointer, format!("at most {MAX_KEPT_SECONDS} seconds"));
        }
    }
    let retention = &queue.retention;
    for (pointer, days) in [
        ("/retention/tasks/days", retention.tasks.days),
        ("/retention/logs/days", retention.logs.days),
        ("/retention/events/days", retention.events.days),
    ] {
        rule(days.is_none_or(|n| (1..=MAX_KEPT_DAYS).contains(&n)), pointer, format!("between 1 and {MAX_KEPT_DAYS} days"));
    }
    for (pointer, count) in [("/retention/tasks/count", retention.tasks.count), ("/retention/logs/count", retention.logs.count)] {
        rule(count.is_none_or(|n| (1..=MAX_KEPT_TASKS).contains(&n)), pointer, format!("between 1 and {MAX_KEPT_TASKS} tasks"));
    }
    if let Some(template) = &queue.pod_template {
        let most = limits::MAX_POD_TEMPLATE;
        rule(template.to_string().len() <= most, "/podTemplate", format!("at most {most} bytes as JSON"));
        errors.extend(placed("/podTemplate", template::check(template)));
    }
    let sample = TaskSpec {
        name: None,
        queue: name.clone(),
        labels: Labels::new(),
        priority: Priority::Normal,
        work: Work::Command(vec!["true".into()]),
        env: queue.defaults.env.clone(),
        resources: Resources::default(),
        timeout_seconds: queue.defaults.timeout_seconds,
        grace_seconds: queue.defaults.grace_seconds.unwrap_or(0),
        retries: queue.defaults.retries.unwrap_or_default(),
    };
    errors.extend(sample.violations().into_iter().map(|v| FieldError { pointer: format!("/defaults{}", v.pointer), message: v.message }));
    valid(errors)
}

/// Whether a text can name an image; its registry knows the rest.
fn is_image(text: &str) -> bool {
    let start = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    start && text.len() <= MAX_IMAGE && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/:@".contains(&b))
}
