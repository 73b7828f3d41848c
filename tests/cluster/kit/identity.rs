//! Who a glue is in the cluster: a service account with exactly the rights that `slipway glue rbac` prints.

use super::scene::Scene;
use crate::support::{Program, eventually};
use k8s_openapi::api::{
    authentication::v1::TokenRequest,
    core::v1::ServiceAccount,
    rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding},
};
use kube::{
    Api,
    api::PostParams,
    config::{AuthInfo, NamedAuthInfo},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{
    fmt::Debug,
    path::{Path, PathBuf},
};

/// Makes a service account in the scene's namespace, its rights in `namespaces`, and a kubeconfig for it in `dir`. `more` are
/// the flags by which further rights are printed.
pub(crate) async fn identity(scene: &Scene, account: &str, namespaces: &[String], more: &[&str], dir: &Path) -> PathBuf {
    for namespace in namespaces {
        for object in printed(dir, account, namespace, &scene.namespace, more).await {
            match object["kind"].as_str().unwrap_or_default() {
                "ServiceAccount" => make::<ServiceAccount>(Api::namespaced(scene.client(), &scene.namespace), object).await,
                "Role" => make::<Role>(Api::namespaced(scene.client(), namespace), object).await,
                "RoleBinding" => make::<RoleBinding>(Api::namespaced(scene.client(), namespace), object).await,
                "ClusterRole" => make::<ClusterRole>(Api::all(scene.client()), object).await,
                "ClusterRoleBinding" => make::<ClusterRoleBinding>(Api::all(scene.client()), object).await,
                other => unreachable!("nobody makes a {other}"),
            }
        }
    }
    let request = json!({"spec": {"audiences": [], "expirationSeconds": 7_200}});
    let request: TokenRequest = serde_json::from_value(request).expect("a token request");
    let accounts = scene.api::<ServiceAccount>();
    let token = accounts.create_token_request(account, &PostParams::default(), &request).await.expect("a token");
    let mut kubeconfig = scene.cluster.kubeconfig.clone();
    let auth = AuthInfo { token: token.status.and_then(|status| status.token).map(Into::into), ..AuthInfo::default() };
    let name = account.to_owned();
    for context in kubeconfig.contexts.iter_mut().filter_map(|named| named.context.as_mut()) {
        context.user = Some(name.clone());
        context.namespace = Some(scene.namespace.clone());
    }
    kubeconfig.auth_infos = vec![NamedAuthInfo { name, auth_info: Some(auth), ..NamedAuthInfo::default() }];
    let path = dir.join(format!("{account}.kubeconfig"));
    std::fs::write(&path, serde_json::to_vec(&kubeconfig).expect("JSON")).expect("a file");
    path
}

/// The rights of a glue in a namespace, those to ask about queues included.
pub(crate) async fn rights() -> Vec<PolicyRule> {
    let dir = tempfile::tempdir().expect("a directory");
    let all = printed(dir.path(), "glue", "anywhere", "anywhere", &["--check"]).await;
    let role = all.into_iter().find(|object| object["kind"] == "Role").expect("a role");
    let role: Role = serde_json::from_value(role).expect("a role");
    role.rules.unwrap_or_default()
}

/// Service account, Role, binding and what else there is, as `slipway glue rbac` prints them.
async fn printed(dir: &Path, account: &str, namespace: &str, home: &str, more: &[&str]) -> Vec<Value> {
    let args = ["glue", "rbac", "--name", account, "--namespace", namespace, "--account-namespace", home, "--output", "json"];
    let args = [&args, more].concat();
    let mut program = Program::start(dir, &format!("rbac-{account}-{namespace}"), &args, &[]);
    let status = eventually("the rights", async || program.ended()).await;
    assert!(status.success(), "{}", program.err());
    let list: Value = serde_json::from_slice(&program.out()).expect("JSON");
    serde_json::from_value(list["items"].clone()).expect("objects")
}

/// Creates an object unless it is there.
async fn make<K>(api: Api<K>, object: Value)
where
    K: Serialize + DeserializeOwned + Clone + Debug,
{
    let object: K = serde_json::from_value(object).expect("an object of the kind");
    match api.create(&PostParams::default(), &object).await {
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        made => drop(made.expect("the object is created")),
    }
}
