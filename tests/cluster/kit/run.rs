//! The run: one cluster for all tests, started by the first that needs it, removed after the last.

use super::{
    cluster::Cluster,
    scene::Scene,
    testbed::{Absent, Testbed},
};
use futures::FutureExt;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::{
    future::Future,
    panic::{AssertUnwindSafe, resume_unwind},
    pin::Pin,
    process::ExitCode,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};
use tokio::runtime::Runtime;

/// How many shared tests run at once: they wait for pods more than they compute.
const AT_ONCE: usize = 4;

/// With whom a test may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// Beside others, in a namespace and with a resource of its own.
    Shared,
    /// Alone: it harms the node or the control plane.
    Exclusive,
}

type Body = Box<dyn FnOnce(Arc<Scene>) -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// One test.
pub(crate) struct Test {
    group: Group,
    name: String,
    body: Body,
}

impl Test {
    pub(crate) fn new(
        group: Group,
        module: &str,
        name: &str,
        body: impl FnOnce(Arc<Scene>) -> Pin<Box<dyn Future<Output = ()>>> + Send + 'static,
    ) -> Self {
        let module = module.split_once("::").map_or(module, |(_, rest)| rest);
        Self { group, name: format!("{module}::{name}"), body: Box::new(body) }
    }
}

/// Makes the list of a module's tests, each a function `async fn(Arc<Scene>)`.
macro_rules! tests {
    ($group:ident: $($name:ident),+ $(,)?) => {
        pub(crate) fn tests() -> Vec<$crate::kit::Test> {
            vec![$($crate::kit::Test::new($crate::kit::Group::$group, module_path!(), stringify!($name), |scene| Box::pin($name(scene)))),+]
        }
    };
}
pub(crate) use tests;

struct Stage {
    runtime: Runtime,
    testbed: Testbed,
    cluster: OnceLock<Result<Arc<Cluster>, Absent>>,
    /// Shared tests hold it together, exclusive ones alone. The latter stand last in the list, so they start when every
    /// shared one has.
    gate: RwLock<()>,
}

/// Runs the tests that the command line names.
pub(crate) fn run(mut tests: Vec<Test>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let runtime = Runtime::new().expect("a runtime");
    let stage = Stage { runtime, testbed: Testbed::default(), cluster: OnceLock::new(), gate: RwLock::default() };
    let stage = Arc::new(stage);
    let interrupted = stage.clone();
    stage.runtime.spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupted.testbed.close();
            std::process::exit(130);
        }
    });
    tests.sort_by_key(|test| test.group == Group::Exclusive);
    let trial = |test: Test| {
        let stage = stage.clone();
        Trial::ignorable_test(test.name.clone(), move || stage.play(test))
    };
    let conclusion = libtest_mimic::run(&arguments, tests.into_iter().map(trial).collect());
    stage.testbed.close();
    conclusion.exit_code()
}

impl Stage {
    fn play(&self, test: Test) -> Result<Completion, Failed> {
        let shared = (test.group == Group::Shared).then(|| self.gate.read().unwrap_or_else(PoisonError::into_inner));
        let alone = (test.group == Group::Exclusive).then(|| self.gate.write().unwrap_or_else(PoisonError::into_inner));
        let cluster = match self.cluster.get_or_init(|| self.testbed.open(&self.runtime).map(Arc::new)) {
            Ok(cluster) => cluster.clone(),
            Err(absent) if absent.may_skip => return Ok(Completion::ignored_with(&absent.why)),
            Err(absent) => return Err(Failed::from(&absent.why)),
        };
        if test.group == Group::Exclusive && !cluster.is_ours() {
            return Ok(Completion::ignored_with("not on somebody else's cluster"));
        }
        let Test { name, body, .. } = test;
        let outcome = self.runtime.handle().block_on(async {
            let scene = Arc::new(Scene::open(cluster, &name).await);
            let outcome = AssertUnwindSafe(body(scene.clone())).catch_unwind().await;
            if outcome.is_err() {
                scene.tell(&name).await;
            }
            scene.close().await;
            outcome
        });
        drop((shared, alone));
        outcome.map(|()| Completion::Completed).or_else(|panic| resume_unwind(panic))
    }
}
