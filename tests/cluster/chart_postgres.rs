//! The chart's servers over one Postgres and one bucket: the one that serves is killed, its node is drained and the release upgraded while
//! a task runs and somebody follows its log through the Service.

use crate::{
    bucket::{ACCESS, Bucket, NAME, SECRET},
    chart::{CHART, images, pods, written},
    kit::{HOST, Recorder, Scene, script, task, tests},
    postgres::Postgres,
    support::{Front, Program, eventually, free_address, within},
};
use k8s_openapi::api::{
    core::v1::{Pod, Secret, Service},
    policy::v1::PodDisruptionBudget,
};
use kube::{ResourceExt, api::EvictParams};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;
use slipway::{
    domain::pod::LABEL_SERVER,
    wire::{AttemptNumber, TaskState},
};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Command,
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, UnixStream},
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep},
};

// It measures how long nobody serves, so nobody else may want the cores meanwhile.
tests!(Exclusive: two_servers_over_postgres_outlive_a_kill_a_drain_and_an_upgrade);

/// How long nobody may serve.
const BOUND: Duration = Duration::from_secs(5);

/// A way for pods to a Postgres that listens on a socket of this machine alone.
fn reachable(postgres: &Postgres) -> (SocketAddr, JoinHandle<()>) {
    let address = free_address(Ipv4Addr::from(HOST).into());
    let url = postgres.url();
    let socket = Path::new(url.split_once("host=").expect("where its socket is").1).join(".s.PGSQL.5432");
    let serve = async move {
        let listener = TcpListener::bind(address).await.expect("an address that pods reach");
        while let Ok((mut caller, _)) = listener.accept().await {
            let socket = socket.clone();
            tokio::spawn(async move {
                if let Ok(mut database) = UnixStream::connect(socket).await {
                    let _ = copy_bidirectional(&mut caller, &mut database).await;
                }
            });
        }
    };
    (address, tokio::spawn(serve))
}

/// Somebody who asks an address anew all the time whether a server serves there.
struct Caller {
    task: JoinHandle<()>,
    /// How long nobody has served, the longest time; what follows within a second of a failure belongs to it.
    worst: watch::Sender<Duration>,
    calm: watch::Receiver<bool>,
    /// How often it has asked and heard, or not.
    asked: watch::Receiver<u64>,
}

impl Caller {
    fn of(url: &str) -> Self {
        let worst = watch::Sender::new(Duration::ZERO);
        let (calm_is, calm) = watch::channel(false);
        let (count, asked) = watch::channel(0);
        // No connection is used twice: a follower of the one that is gone learns of it, and the Service is asked again.
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(Duration::from_secs(1)).build();
        let (client, url, longest) = (client.expect("a client"), format!("{url}/readyz"), worst.clone());
        let ask = async move {
            let (mut first, mut last) = (None::<Instant>, Instant::now());
            loop {
                let began = Instant::now();
                let fine = client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success());
                if fine {
                    let over = last.elapsed() > Duration::from_secs(1);
                    if over {
                        first = None;
                    }
                    calm_is.send_replace(over);
                } else {
                    last = Instant::now();
                    let since = *first.get_or_insert(began);
                    longest.send_modify(|worst| *worst = last.duration_since(since).max(*worst));
                    calm_is.send_replace(false);
                }
                count.send_modify(|count| *count += 1);
                sleep(Duration::from_millis(20)).await;
            }
        };
        Self { task: tokio::spawn(ask), worst, calm, asked }
    }

    /// The longest time for which nobody has served since this was asked last, once somebody has served for a second.
    async fn outage(&mut self) -> Duration {
        // What began in this moment counts: the next whole question comes after the one that is under way.
        let seen = *self.asked.borrow();
        self.asked.wait_for(|asked| *asked >= seen + 2).await.expect("it goes on");
        let calm = tokio::time::timeout(Duration::from_mins(1), self.calm.wait_for(|calm| *calm)).await;
        calm.expect("somebody serves").expect("it goes on");
        self.worst.send_replace(Duration::ZERO)
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The servers' pods that are ready, with what their labels say.
async fn servers(scene: &Scene) -> Vec<(Pod, String)> {
    let ready = |pod: &Pod| {
        let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
        pod.metadata.deletion_timestamp.is_none() && conditions.into_iter().flatten().any(|c| c.type_ == "Ready" && c.status == "True")
    };
    let label = |pod: &Pod| pod.labels().get(LABEL_SERVER).cloned().unwrap_or_default();
    let all = pods(scene, "app.kubernetes.io/component=server", "Running").await;
    all.into_iter().filter(ready).map(|pod| (pod.clone(), label(&pod))).collect()
}

/// Waits until one of two serves and the other stands by; answers the one that serves.
async fn pair(scene: &Scene) -> Pod {
    let both = async || {
        let mut all = servers(scene).await;
        all.sort_by(|one, other| one.1.cmp(&other.1));
        let labels: Vec<_> = all.iter().map(|(_, label)| label.as_str()).collect();
        (labels == ["active", "standby"]).then(|| all.swap_remove(0).0)
    };
    within(Duration::from_mins(2), "one that serves and one that stands by", both).await
}

/// `kill -9` of the server in a pod. What runs in a pod of this cluster is a process of this machine.
fn strike(pod: &Pod) {
    let uid = pod.uid().expect("a UID");
    let ours = |pid: &i32| {
        let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let cgroups = read("cgroup");
        let named = cgroups.contains(&uid) || cgroups.contains(&uid.replace('-', "_"));
        named && read("cmdline").split('\0').nth(1) == Some("server")
    };
    let pids = fs::read_dir("/proc").expect("processes").filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let found: Vec<i32> = pids.filter(ours).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    kill(Pid::from_raw(found[0]), Signal::SIGKILL).expect("a process");
}

/// The Secrets that the chart is told of, and its values; answers the admin token and the file with the values.
async fn prepared(scene: &Scene, dir: &Path, database: SocketAddr, bucket: &Bucket) -> (String, String) {
    let minted = Command::new(env!("CARGO_BIN_EXE_slipway")).args(["admin", "mint-token"]).output().expect("the program runs");
    let token = String::from_utf8_lossy(&minted.stdout).trim().to_owned();
    for (name, data) in [
        ("database", json!({"url": format!("postgres://slipway@{database}/postgres")})),
        ("first", json!({"token": token})),
        ("bucket", json!({"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"})),
    ] {
        scene.create::<Secret>(json!({"metadata": {"name": name}, "stringData": data})).await;
    }
    let values = format!(
        "{}server:\n  replicas: 2\n  database: {{existingSecret: database}}\n  adminToken: {{existingSecret: first}}\n  blobs: {{url: \"s3://{NAME}/of/slipway\", endpoint: \"{}\", allowHttp: true, flushSeconds: 1}}\n  extraEnvFrom: [{{secretRef: {{name: bucket}}}}]\nqueues:\n  cpu: {{defaults: {{image: \"slipway.test/busybox:1\"}}}}\n",
        images(scene),
        bucket.endpoint()
    );
    (token, written(dir, "values.yaml", &values))
}

async fn two_servers_over_postgres_outlive_a_kill_a_drain_and_an_upgrade(scene: Arc<Scene>) {
    let Some(bucket) = Bucket::start(free_address(Ipv4Addr::from(HOST).into())) else { return };
    let postgres = Postgres::start().await;
    let (database, way) = reachable(&postgres);
    let (dir, namespace) = (TempDir::new().expect("a directory"), scene.namespace.as_str());
    let (token, values) = prepared(&scene, dir.path(), database, &bucket).await;
    let helm = |words: &[&str]| scene.cluster.helm("4", &[words, &["--namespace", namespace]].concat());
    helm(&["install", "team", CHART, "-f", &values, "--wait", "--timeout", "180s"]);
    let first = pair(&scene).await;
    helm(&["test", "team", "--timeout", "120s"]);
    let address = scene.api::<Service>().get("team-slipway-server").await.expect("the Service").spec.and_then(|spec| spec.cluster_ip);
    let front = Front::new(format!("http://{}", address.expect("an address")), dir.path().join("data"));
    fs::write(front.data().join("admin-token"), &token).expect("a file");
    assert_eq!(front.client().await.runners().await.expect("the runners").items.len(), 1);

    // A task writes line after line until it is told to end.
    let recorder = Recorder::start().await;
    let lines = "(i=0; while :; do i=$((i+1)); echo \"line $i\"; sleep 0.05; done) & writer=$!\nnote wait\n{ kill $writer; wait $writer; } 2>/dev/null\necho over";
    let id = front.submit(&task(json!({"queue": "cpu", "script": recorder.script(lines), "graceSeconds": 2}))).await;
    eventually("the task to run", async || recorder.has(id, "wait").then_some(())).await;
    let file = front.data().join("admin-token").display().to_string();
    let words = ["logs", "-f", &id.to_string(), "--url", &front.url, "--token-file", &file];
    let mut follower = Program::start(dir.path(), "follower", &words, &[("SLIPWAY_ALLOW_PLAIN_HTTP", "true".to_owned())]);
    let more = async |follower: &Program| {
        let seen = follower.out().len();
        eventually("more lines", async || (follower.out().len() > seen + 100).then_some(())).await;
    };
    more(&follower).await;

    // Killed, while its pod goes on: its own label still says that it serves, until it stands by.
    let mut caller = Caller::of(&front.url);
    caller.outage().await;
    strike(&first);
    let second = within(Duration::from_secs(30), "the other one serves", async || {
        let active = servers(&scene).await.into_iter().find(|(pod, label)| label == "active" && pod.name_any() != first.name_any());
        active.map(|(pod, _)| pod)
    })
    .await;
    let killed = caller.outage().await;
    more(&follower).await;
    pair(&scene).await;

    // Drained: the one that stands by counts, so the one that serves may go.
    let budget: PodDisruptionBudget = scene.api().get("team-slipway-server").await.expect("a budget");
    assert_eq!(budget.status.map(|status| (status.current_healthy, status.expected_pods)), Some((Some(2), Some(2))));
    scene.api::<Pod>().evict(&second.name_any(), &EvictParams::default()).await.expect("it may be evicted");
    let gone = async || {
        let now = scene.api::<Pod>().get_opt(&second.name_any()).await.ok()?;
        (now.and_then(|pod| pod.uid()) != second.uid()).then_some(())
    };
    eventually("the evicted pod to be gone", gone).await;
    let drained = caller.outage().await;
    more(&follower).await;
    let before = pair(&scene).await;

    // Upgraded: the pods are replaced one after the other, and each new one serves or stands by before the next one goes.
    let began = Instant::now();
    helm(&["upgrade", "team", CHART, "-f", &values, "--set", "server.podAnnotations.round=two", "--wait", "--timeout", "180s"]);
    let took = began.elapsed();
    let after = pair(&scene).await;
    assert!(after.uid() != before.uid());
    for (pod, _) in servers(&scene).await {
        assert_eq!(pod.annotations().get("round").map(String::as_str), Some("two"), "{}", pod.name_any());
    }
    let upgraded = caller.outage().await;
    more(&follower).await;
    eprintln!("nobody served: killed {killed:?}, drained {drained:?}, upgraded {upgraded:?} within {took:?}");
    for (what, outage) in [("killed", killed), ("drained", drained), ("upgraded", upgraded)] {
        assert!(outage < BOUND, "{what}: {outage:?}");
    }

    // The task knew nothing of it, and each line is there once.
    recorder.go();
    let ended = front.ended(id).await;
    assert_eq!((ended.state, ended.attempt), (TaskState::Succeeded, AttemptNumber(1)), "{ended:?}");
    recorder.check(&[id]);
    let exit = within(Duration::from_secs(30), "the follower's end", async || follower.ended()).await;
    assert!(exit.success(), "{}", follower.err());
    let log = String::from_utf8(front.log(id, 0).await).expect("text");
    let count = log.lines().count() - 1;
    let whole: String = (1..=count).map(|nth| format!("line {nth}\n")).chain(["over\n".to_owned()]).collect();
    assert!(count > 100 && log == whole, "{log}");
    assert!(follower.out() == whole.as_bytes(), "the follower has {} bytes of {}", follower.out().len(), whole.len());
    drop(caller);

    helm(&["uninstall", "team", "--wait", "--timeout", "120s"]);
    let ask = format!(
        "kubectl --namespace {namespace} get all,configmaps,secrets,serviceaccounts,roles,rolebindings,persistentvolumeclaims,poddisruptionbudgets,endpointslices --selector app.kubernetes.io/instance=team --output name\n"
    );
    let ask = written(dir.path(), "ask.sh", &ask);
    let nothing = async || {
        let (status, said) = script("shell.sh", &[&ask]).ok()?;
        (status.success() && said.lines().all(|line| line.starts_with("No resources"))).then_some(())
    };
    eventually("nothing to be left", nothing).await;
    way.abort();
    drop(postgres);
}
