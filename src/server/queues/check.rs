//! What a queue must keep to.

use crate::{
    domain::{Ending, Labels, Overrides, Priority, Resources, Setup, TaskSpec, Work, is_image, valid_label_key},
    server::{
        error::{ApiResult, placed, valid},
        orders,
    },
    template::{self, Values},
    wire::{FieldError, NewQueue, QueueName, limits},
};

/// The longest wait for a place: 30 days.
const MAX_PENDING_SECONDS: u64 = 30 * 86_400;
/// The longest silence before an agent stops its command: the command needs some time to end before another attempt begins.
const MAX_STOP_AFTER_SECONDS: u64 = 580;
/// How long an ended Job can stay: then the cluster removes it by itself.
const MAX_KEPT_SECONDS: u64 = 86_400;
/// The longest that something is kept for: ten years. Whoever wants more sets no limit.
const MAX_KEPT_DAYS: u32 = 3_650;
/// The most ended tasks that are counted.
const MAX_KEPT_TASKS: u32 = 1_000_000;

/// The highest limit on what runs.
const MAX_RUNNING: u32 = 1_000_000;
/// The highest limit on what waits or is queued.
const MAX_PENDING: u32 = 10_000_000;
/// The highest weight of a queue or user.
const MAX_WEIGHT: u32 = 1_000;
/// The most users whose weights a queue names.
const MAX_USER_WEIGHTS: usize = 1_000;
/// The longest name of an owner, in bytes.
const MAX_OWNER: usize = 100;
/// The most names or patterns of one kind that a queue allows.
const MAX_ALLOWED: usize = 1_000;
/// The longest of them, in bytes.
const MAX_PATTERN: usize = 300;
/// The longest time limit, in seconds: a year.
const MAX_TIMEOUT_SECONDS: u64 = 366 * 86_400;
/// The most budgets that a task of a queue draws on.
const MAX_BUDGETS: usize = 8;

/// Refuses a queue with all its faults by place. Its defaults must make legal tasks: they are checked as the task that
/// they would complete. Gives such values of its variables as they can have.
pub(super) fn check(name: &QueueName, queue: &NewQueue) -> ApiResult<Values> {
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
    rule(queue.limits.output_bytes.is_none_or(|n| n <= 1 << 40), "/limits/outputBytes", "at most 1 TiB".into());
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
    let stops = queue.stop_after_seconds;
    rule(stops.is_none() || queue.idempotent, "/stopAfterSeconds", "only where idempotent is true: elsewhere silence stops nothing".into());
    rule(
        stops.is_none_or(|s| (1..=MAX_STOP_AFTER_SECONDS).contains(&s)),
        "/stopAfterSeconds",
        format!("between 1 and {MAX_STOP_AFTER_SECONDS} seconds"),
    );
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
    }
    let values = orders::values(queue, None).unwrap_or_else(|faults| {
        errors.extend(placed("/variables", faults));
        Values::default()
    });
    if let Some(template) = queue.pod_template.as_ref().filter(|_| errors.is_empty()) {
        errors.extend(placed("/podTemplate", template::check_queue(template, &values)));
    }
    if let Some(gpu) = &queue.gpu {
        errors.extend(placed("/gpu", template::gpu_template(gpu).err().unwrap_or_default()));
    }
    errors.extend(queue.sources().faults().into_iter().map(|(pointer, message)| FieldError { pointer, message }));
    object(queue, &values, &mut errors);
    rules(queue, &mut errors);
    let sample = TaskSpec {
        name: None,
        queue: name.clone(),
        labels: Labels::new(),
        priority: Priority::Normal,
        work: Work::Command(vec!["true".into()]),
        env: queue.defaults.env.clone(),
        resources: Resources::default(),
        timeout_seconds: queue.defaults.timeout_seconds,
        max_wait_seconds: queue.defaults.max_wait_seconds,
        total_timeout_seconds: queue.defaults.total_timeout_seconds,
        grace_seconds: queue.defaults.grace_seconds.unwrap_or(0),
        retries: queue.defaults.retries.unwrap_or_default(),
        overrides: Overrides::default(),
        setup: Setup::default(),
        ending: Ending::default(),
    };
    errors.extend(sample.violations().into_iter().map(|v| FieldError { pointer: format!("/defaults{}", v.pointer), message: v.message }));
    valid(errors).map(|()| values)
}

/// What a queue says of the object that carries its tasks.
fn object(queue: &NewQueue, values: &Values, errors: &mut Vec<FieldError>) {
    let Some(object) = &queue.object else { return };
    let mut wrong = |pointer: &str, message: String| errors.push(FieldError { pointer: pointer.to_owned(), message });
    if queue.pod_template.is_some() {
        wrong("/object", "a queue has an object or a podTemplate, not both: pod templates stand in the object".to_owned());
    }
    if queue.gpu.is_some() {
        wrong("/gpu", "leave it out: the object says what its pods need".to_owned());
    }
    if queue.use_image_entrypoint {
        wrong("/useImageEntrypoint", "leave it out: the pods of an object run what the object says".to_owned());
    }
    let most = limits::MAX_POD_TEMPLATE;
    if object.manifest.to_string().len() > most {
        wrong("/object/manifest", format!("at most {most} bytes as JSON"));
    }
    let ends = (object.succeeded.as_deref(), object.failed.as_deref());
    errors.extend(placed("/object", template::check_object(&object.manifest, ends, values)));
}

/// What a queue says of the order of service. Whether its budgets exist and hold what they guarantee is decided where it
/// is stored.
fn rules(queue: &NewQueue, errors: &mut Vec<FieldError>) {
    let mut rule = |ok: bool, pointer: String, message: String| {
        if !ok {
            errors.push(FieldError { pointer, message });
        }
    };
    let limits = &queue.limits;
    for (field, limit, most, instead) in [
        ("maxRunning", limits.max_running, MAX_RUNNING, "to start nothing, pause the queue"),
        ("maxRunningPerUser", limits.max_running_per_user, MAX_RUNNING, "to start nothing, pause the queue"),
        ("maxPending", limits.max_pending, MAX_PENDING, "to take nothing, drain the queue"),
    ] {
        let fine = limit.is_none_or(|limit| (1..=most).contains(&limit));
        rule(fine, format!("/limits/{field}"), format!("between 1 and {most}; {instead}"));
    }
    let weighs = |weight: u32| (1..=MAX_WEIGHT).contains(&weight);
    rule(queue.weight.is_none_or(weighs), "/weight".into(), format!("between 1 and {MAX_WEIGHT}"));
    rule(queue.user_weights.len() <= MAX_USER_WEIGHTS, "/userWeights".into(), format!("at most {MAX_USER_WEIGHTS} users"));
    for (user, weight) in &queue.user_weights {
        let at = || format!("/userWeights/{}", user.replace('~', "~0").replace('/', "~1"));
        rule((1..=100).contains(&user.chars().count()), at(), "a user's name has 1 to 100 characters".into());
        rule(weighs(*weight), at(), format!("between 1 and {MAX_WEIGHT}"));
    }
    let owner = queue.owner.as_deref().unwrap_or("-");
    let plain = (1..=MAX_OWNER).contains(&owner.len()) && !owner.chars().any(char::is_control);
    rule(plain, "/owner".into(), format!("1 to {MAX_OWNER} bytes without control characters"));
    let allow = &queue.allow;
    for (field, named) in [
        ("images", &allow.images),
        ("nodeSelector", &allow.node_selector),
        ("secrets", &allow.secrets),
        ("env", allow.env.as_ref().unwrap_or(&Vec::new())),
    ] {
        rule(named.len() <= MAX_ALLOWED, format!("/allow/{field}"), format!("at most {MAX_ALLOWED}"));
        for (i, one) in named.iter().enumerate() {
            let fine = match field {
                "nodeSelector" => valid_label_key(one),
                _ => (1..=MAX_PATTERN).contains(&one.len()) && !one.chars().any(|c| c.is_control() || c == ' '),
            };
            let what =
                if field == "nodeSelector" { "a legal label key: [prefix/]name" } else { "a name or a pattern of names, without spaces" };
            rule(fine, format!("/allow/{field}/{i}"), what.into());
        }
    }
    let longest = 1..=MAX_TIMEOUT_SECONDS;
    let fine = allow.timeout_seconds.is_none_or(|seconds| longest.contains(&seconds));
    rule(fine, "/allow/timeoutSeconds".into(), format!("between 1 and {MAX_TIMEOUT_SECONDS} seconds"));
    if let (Some(longest), Some(own)) = (allow.timeout_seconds, queue.defaults.timeout_seconds) {
        rule(own <= longest, "/allow/timeoutSeconds".into(), format!("not below the queue's own limit, which is {own}"));
    }
    rule(queue.budgets.len() <= MAX_BUDGETS, "/budgets".into(), format!("at most {MAX_BUDGETS} budgets"));
}
