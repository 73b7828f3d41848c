//! `GET /usage`: what was used, added up.

use super::{
    body::Query,
    error::{ApiError, ApiResult, invalid},
    state::App,
};
use crate::{
    domain::{QueueName, UnixMs},
    store::{UsageKeys, UsageRecord},
    wire::{FieldError, Problem, ProblemCode, UsageQuery, UsageReport, UsageSum, timestamp},
};
use axum::extract::State;

/// The most sums of one answer.
const MOST: u32 = 1_000;
/// How far back it reaches where nothing is said.
const REACH_MS: i64 = 30 * 24 * 3_600 * 1_000;
/// The most bytes of a label's key.
const MAX_KEY: usize = 317;

/// What attempts took of slots and GPUs, by user, queue or the values of a label.
#[utoipa::path(get, path = "/api/v1/usage", operation_id = "sumUsage", tag = "export", params(UsageQuery),
    responses((status = 200, body = UsageReport), (status = 400, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn sum(State(app): State<App>, Query(query): Query<UsageQuery>) -> ApiResult<axum::Json<UsageReport>> {
    let wrong = |why: String| ApiError::from(Problem::new(ProblemCode::InvalidParameter).detail(why));
    let queue = query.queue.as_deref().map(str::parse::<QueueName>).transpose().map_err(|e| wrong(format!("queue: {e}.")))?;
    let by = query.by.unwrap_or_else(|| "user".to_owned());
    let keys = keys(&by).map_err(wrong)?;
    let now = app.now();
    let until = query.until.map_or(now, |until| UnixMs(until.as_millisecond().min(now.0)));
    let since = query.since.map_or_else(|| UnixMs(until.0.saturating_sub(REACH_MS)), |since| UnixMs(since.as_millisecond()));
    if since > until {
        let order = FieldError { pointer: "/since".to_owned(), message: "it is later than until".to_owned() };
        return Err(invalid(vec![order]));
    }
    let mut sums = app.store.usage(&keys, (since, until), queue.as_ref(), MOST + 1).await?;
    let complete = sums.len() <= MOST as usize;
    sums.truncate(MOST as usize);
    Ok(axum::Json(UsageReport {
        since: timestamp(since),
        until: timestamp(until),
        by: by.split(',').map(str::to_owned).collect(),
        items: sums.into_iter().map(told).collect(),
        complete,
    }))
}

/// Reads `user,queue,label:team`.
fn keys(by: &str) -> Result<UsageKeys, String> {
    let mut keys = UsageKeys::default();
    for part in by.split(',') {
        match part.split_once(':') {
            None if part == "user" => keys.user = true,
            None if part == "queue" => keys.queue = true,
            Some(("label", _)) if keys.label.is_some() => return Err("by: it names two labels; name one.".to_owned()),
            Some(("label", key)) if is_key(key) => keys.label = Some(key.to_owned()),
            _ => return Err(format!("by: {part:?} is none of user, queue and label:KEY.")),
        }
    }
    Ok(keys)
}

/// Whether it can be a label's key.
fn is_key(key: &str) -> bool {
    (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._/-".contains(&byte))
}

fn told(sum: UsageRecord) -> UsageSum {
    let UsageRecord { user, queue, label, tasks, attempts, slot_ms, gpu_ms, lost_gpu_ms } = sum;
    let [slot_seconds, gpu_seconds, lost_gpu_seconds] = [slot_ms, gpu_ms, lost_gpu_ms].map(|ms| ms / 1_000);
    UsageSum { user, queue, label, tasks, attempts, slot_seconds, gpu_seconds, lost_gpu_seconds }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_up_is_named_by_words() {
        let label = |key: &str| Some(key.to_owned());
        assert_eq!(keys("user"), Ok(UsageKeys { user: true, ..UsageKeys::default() }));
        assert_eq!(keys("queue,label:a/b"), Ok(UsageKeys { user: false, queue: true, label: label("a/b") }));
        for wrong in ["", "users", "label:", "label:a b", "label:a\0", "label:a,label:b", "user,,queue"] {
            assert!(keys(wrong).is_err_and(|why| why.starts_with("by: ")), "{wrong}");
        }
    }
}
