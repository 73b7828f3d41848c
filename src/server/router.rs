//! Every route, registered together with its description, so that the API document cannot drift from the code.

use super::{
    attempts, auth, budgets, checks, document, entries, envelope, error::ApiError, events, export, footing, health, meta, nodes, queues,
    runner, runners, state::App, tasks, tokens, uploads, usage,
};
use crate::wire::ProblemCode;
use axum::{Router, middleware};
use std::{collections::HashMap, sync::OnceLock};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

#[derive(OpenApi)]
#[openapi(
    info(title = "Slipway", description = "A queue of tasks for machines and Kubernetes clusters.", license(name = "Apache-2.0")),
    modifiers(&BearerToken),
    security(("token" = [])),
    tags(
        (name = "tasks", description = "Submit tasks and watch them"),
        (name = "queues", description = "Where tasks wait"),
        (name = "budgets", description = "What several queues may use together"),
        (name = "events", description = "What happens, as it happens"),
        (name = "export", description = "History, as lines of JSON"),
        (name = "tokens", description = "Who may do what"),
        (name = "audit", description = "Who did what"),
        (name = "runner", description = "For runners: claim and report"),
        (name = "attempt", description = "For agents: start, heartbeat, log, finish"),
        (name = "meta", description = "Health, version, metrics"),
    )
)]
struct Document;

struct BearerToken;

impl utoipa::Modify for BearerToken {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("slw_…").build();
        document.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(meta::hello))
        .routes(routes!(meta::live))
        .routes(routes!(meta::ready))
        .routes(routes!(meta::version))
        .routes(routes!(meta::openapi))
        .routes(routes!(meta::metrics))
        .routes(routes!(meta::whoami))
        .routes(routes!(health::health))
        .routes(routes!(tasks::submit::submit, tasks::list::list))
        .routes(routes!(tasks::batch::batch))
        .routes(routes!(tasks::get::get, tasks::patch::patch))
        .routes(routes!(tasks::cancel::cancel))
        .routes(routes!(tasks::rerun::rerun))
        .routes(routes!(tasks::arrange::shift))
        .routes(routes!(tasks::arrange::boost))
        .routes(routes!(tasks::attempts::list))
        .routes(routes!(tasks::events::list))
        .routes(routes!(tasks::timeline::get))
        .routes(routes!(tasks::why::why))
        .routes(routes!(tasks::manifest::get))
        .routes(routes!(tasks::abandon::abandon))
        .routes(routes!(tasks::log::get))
        .routes(routes!(tasks::outputs::list))
        .routes(routes!(tasks::outputs::get))
        .routes(routes!(uploads::put, uploads::get))
        .routes(routes!(events::watch))
        .routes(routes!(export::tasks))
        .routes(routes!(export::attempts))
        .routes(routes!(export::usage))
        .routes(routes!(usage::sum))
        .routes(routes!(queues::get::list))
        .routes(routes!(queues::get::get, queues::apply::apply, queues::delete::delete))
        .routes(routes!(queues::pause::pause))
        .routes(routes!(queues::pause::resume))
        .routes(routes!(queues::drain::drain))
        .routes(routes!(queues::render::render))
        .routes(routes!(queues::revisions::list))
        .routes(routes!(queues::revisions::get))
        .routes(routes!(budgets::get::list))
        .routes(routes!(budgets::get::get, budgets::apply::apply, budgets::delete::delete))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(tokens::rotate))
        .routes(routes!(entries::list))
        .routes(routes!(entries::export))
        .routes(routes!(runners::list))
        .routes(routes!(runners::register))
        .routes(routes!(nodes::report))
        .routes(routes!(footing::report))
        .routes(routes!(nodes::list))
        .routes(routes!(checks::due, checks::report))
        .routes(routes!(checks::order))
        .routes(routes!(runner::claim::claim))
        .routes(routes!(runner::heartbeat::heartbeat))
        .routes(routes!(runner::holds::holds))
        .routes(routes!(runner::check::check))
        .routes(routes!(runner::report::report))
        .routes(routes!(attempts::start::start))
        .routes(routes!(attempts::heartbeat::heartbeat))
        .routes(routes!(attempts::log::put))
        .routes(routes!(attempts::upload::get))
        .routes(routes!(attempts::output::put, attempts::output::get))
        .routes(routes!(attempts::notes::put))
        .routes(routes!(attempts::finish::finish))
}

/// The operation of each method and path, as the API document names it.
pub(super) fn operations() -> &'static HashMap<(String, String), String> {
    static OPERATIONS: OnceLock<HashMap<(String, String), String>> = OnceLock::new();
    OPERATIONS.get_or_init(|| {
        let document = openapi();
        let paths = document["paths"].as_object().into_iter().flatten();
        let of = |(path, item): (&String, &serde_json::Value)| {
            let path = path.clone();
            let methods = item.as_object().cloned().unwrap_or_default().into_iter();
            methods.filter_map(move |(method, operation)| {
                let name = operation["operationId"].as_str()?.to_owned();
                Some(((method.to_uppercase(), path.clone()), name))
            })
        };
        paths.flat_map(of).collect()
    })
}

/// The API document, as `GET /openapi.json` answers it.
#[must_use]
pub fn openapi() -> serde_json::Value {
    // A document that is no JSON is no document; `tests/document.rs` reads it.
    document::complete(serde_json::to_value(routes().into_openapi()).unwrap_or_default())
}

/// The whole service.
pub fn router(app: App) -> Router {
    let (router, _) = routes().split_for_parts();
    router
        .route_layer(middleware::from_fn_with_state(app.clone(), auth::authorize))
        .fallback(|| async { ApiError::from(ProblemCode::RouteNotFound) })
        .method_not_allowed_fallback(|| async { ApiError::from(ProblemCode::MethodNotAllowed) })
        .layer(CatchPanicLayer::new())
        .layer(middleware::from_fn_with_state(app.clone(), envelope::wrap))
        .with_state(app)
}
