//! `PUT /runners/{name}/nodes` and `GET /nodes`: the machines of clusters, in memory. A runner reports them again within a
//! minute of a restart.

use super::{
    body::{Json, Path},
    error::{ApiResult, valid},
    state::App,
};
use crate::{
    domain::{Node, UnixMs},
    wire::{FieldError, NodeList, NodesReport, Problem, RunnerName, RunnerNodes, limits, timestamp},
};
use axum::{extract::State, http::StatusCode};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// What each runner reported last, and when.
#[derive(Default)]
pub(super) struct Nodes(Mutex<BTreeMap<RunnerName, Told>>);

/// When a runner told its nodes, and which.
pub(super) type Told = (UnixMs, Arc<Vec<Node>>);

impl Nodes {
    fn put(&self, runner: RunnerName, at: UnixMs, nodes: Vec<Node>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(runner, (at, Arc::new(nodes)));
    }

    /// What a runner told last.
    pub(super) fn of(&self, runner: &RunnerName) -> Option<Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(runner).cloned()
    }

    fn all(&self) -> BTreeMap<RunnerName, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Tells the nodes of a runner's cluster, in place of those told before.
#[utoipa::path(put, path = "/api/v1/runners/{name}/nodes", operation_id = "reportNodes", tag = "runner", params(("name" = String, Path)),
    request_body = NodesReport, responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn report(
    State(app): State<App>,
    Path(name): Path<RunnerName>,
    Json { value: request, .. }: Json<NodesReport, { limits::MAX_BATCH_BODY }>,
) -> ApiResult<StatusCode> {
    app.hear(&name, request.instance).await?;
    let NodesReport { mut nodes, .. } = request;
    let most = limits::MAX_NODES;
    let fine = nodes.len() <= most;
    valid(if fine { Vec::new() } else { vec![FieldError { pointer: "/nodes".into(), message: format!("at most {most} nodes") }] })?;
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    app.nodes.put(name, app.now(), nodes);
    Ok(StatusCode::NO_CONTENT)
}

/// The nodes of the clusters whose runners may read them.
#[utoipa::path(get, path = "/api/v1/nodes", operation_id = "listNodes", tag = "runner", responses((status = 200, body = NodeList)))]
pub(super) async fn list(State(app): State<App>) -> axum::Json<NodeList> {
    let known = app.runners.all();
    let told = |(runner, (at, nodes)): (RunnerName, Told)| {
        let offer = known.get(&runner)?.cluster.as_ref()?;
        Some(RunnerNodes { cluster: offer.name.clone(), runner, at: timestamp(at), nodes: nodes.to_vec() })
    };
    axum::Json(NodeList { items: app.nodes.all().into_iter().filter_map(told).collect() })
}
