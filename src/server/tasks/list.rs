//! `GET /tasks`: tasks, newest first, filtered and in pages.

use crate::{
    domain::{LabelSelector, QueueName, TaskId, TaskState, UnixMs},
    server::{
        auth::Principal,
        body::Query,
        error::{ApiError, ApiResult},
        state::App,
    },
    store::TaskFilter,
    wire::{Problem, ProblemCode, TaskList, TaskQuery, limits},
};
use axum::{
    extract::State,
    http::{HeaderValue, Uri, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use std::str::FromStr;

/// Tasks, newest first, an array as one of them. `nextCursor`, also a `Link` header, opens the next page.
#[utoipa::path(get, path = "/api/v1/tasks", operation_id = "listTasks", tag = "tasks", params(TaskQuery),
    responses((status = 200, body = TaskList), (status = 400, body = Problem)))]
pub(crate) async fn list(State(app): State<App>, principal: Principal, uri: Uri, Query(query): Query<TaskQuery>) -> ApiResult<Response> {
    let mut filter = filter(&query, &principal.user)?;
    if !principal.may_everywhere() {
        let all = app.queues.names().into_iter().filter(|queue| principal.may_in(queue));
        filter.queues = all.filter(|queue| filter.queues.is_empty() || filter.queues.contains(queue)).collect();
        if filter.queues.is_empty() {
            return Ok(axum::Json(TaskList { items: Vec::new(), next_cursor: None }).into_response());
        }
    }
    let (records, more) = app.store.tasks(&filter).await?;
    let next_cursor = records.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(last.id.0.to_be_bytes()));
    let link = next_cursor.as_ref().and_then(|cursor| next_link(&uri, cursor));
    let items = records.into_iter().map(|record| app.task(record)).collect();
    let mut response = axum::Json(TaskList { items, next_cursor }).into_response();
    if let Some(link) = link {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

fn filter(query: &TaskQuery, me: &str) -> ApiResult<TaskFilter> {
    let wrong = |name: &str, why: String| ApiError::from(Problem::new(ProblemCode::InvalidParameter).detail(format!("{name}: {why}.")));
    let limit = query.limit.unwrap_or(limits::DEFAULT_PAGE);
    if !(1..=limits::MAX_PAGE).contains(&limit) {
        return Err(wrong("limit", format!("between 1 and {}", limits::MAX_PAGE)));
    }
    let labels = LabelSelector::parse(query.label_selector.as_deref().unwrap_or("")).map_err(|e| wrong("labelSelector", e.to_string()))?;
    let after = query
        .cursor
        .as_deref()
        .map(|text| cursor(text).ok_or_else(|| wrong("cursor", "it is none of this server's".to_owned())))
        .transpose()?;
    Ok(TaskFilter {
        queues: values::<QueueName>(query.queue.as_deref()).map_err(|e| wrong("queue", e.to_string()))?,
        states: values::<TaskState>(query.state.as_deref()).map_err(|e| wrong("state", e))?,
        users: values::<String>(query.user.as_deref())
            .unwrap_or_default()
            .into_iter()
            .map(|u| if u == "@me" { me.to_owned() } else { u })
            .collect(),
        name: query.name.clone(),
        labels,
        since: query.since.map(|at| UnixMs(at.as_millisecond())),
        parent: query.parent,
        elements: query.elements,
        after,
        limit,
    })
}

fn values<T: FromStr>(text: Option<&str>) -> Result<Vec<T>, T::Err> {
    text.unwrap_or("").split(',').map(str::trim).filter(|v| !v.is_empty()).map(str::parse).collect()
}

fn cursor(text: &str) -> Option<TaskId> {
    let bytes: [u8; 8] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
    Some(TaskId(i64::from_be_bytes(bytes)))
}

/// RFC 8288: the same query with the next cursor.
fn next_link(uri: &Uri, cursor: &str) -> Option<HeaderValue> {
    let kept = uri.query().unwrap_or("").split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let pairs: Vec<String> = kept.map(str::to_owned).chain([format!("cursor={cursor}")]).collect();
    HeaderValue::from_str(&format!("<{}?{}>; rel=\"next\"", uri.path(), pairs.join("&"))).ok()
}
