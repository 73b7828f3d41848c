//! Who a glue is in the cluster: a service account with exactly the rights that the product asks for.

use super::scene::Scene;
use k8s_openapi::api::{
    authentication::v1::TokenRequest,
    core::v1::ServiceAccount,
    rbac::v1::{Role, RoleBinding},
};
use kube::{
    Api,
    api::PostParams,
    config::{AuthInfo, NamedAuthInfo},
};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Makes a service account in the scene's namespace, its rights in `namespaces`, and a kubeconfig for it in `dir`.
pub(crate) async fn identity(scene: &Scene, account: &str, namespaces: &[String], dir: &Path) -> PathBuf {
    let accounts = scene.api::<ServiceAccount>();
    let new = PostParams::default();
    if accounts.get_opt(account).await.expect("an answer").is_none() {
        let new_account = serde_json::from_value(json!({"metadata": {"name": account}})).expect("an account");
        accounts.create(&new, &new_account).await.expect("the account is created");
    }
    for namespace in namespaces {
        let roles: Api<Role> = Api::namespaced(scene.client(), namespace);
        if roles.get_opt(account).await.expect("an answer").is_some() {
            continue;
        }
        let mut role = role();
        role.metadata.name = Some(account.to_owned());
        role.metadata.namespace = Some(namespace.clone());
        roles.create(&new, &role).await.expect("the role is created");
        let binding = json!({
            "metadata": {"name": account},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": scene.namespace}],
        });
        let binding = serde_json::from_value(binding).expect("a binding");
        Api::<RoleBinding>::namespaced(scene.client(), namespace).create(&new, &binding).await.expect("the binding is created");
    }
    let request: TokenRequest =
        serde_json::from_value(json!({"spec": {"audiences": [], "expirationSeconds": 7_200}})).expect("a token request");
    let token = accounts.create_token_request(account, &new, &request).await.expect("a token");
    let mut kubeconfig = scene.cluster.kubeconfig.clone();
    let auth = AuthInfo { token: token.status.and_then(|status| status.token).map(Into::into), ..AuthInfo::default() };
    let name = account.to_owned();
    for context in &mut kubeconfig.contexts {
        if let Some(context) = &mut context.context {
            context.user = Some(name.clone());
            context.namespace = Some(scene.namespace.clone());
        }
    }
    kubeconfig.auth_infos = vec![NamedAuthInfo { name, auth_info: Some(auth), ..NamedAuthInfo::default() }];
    let path = dir.join(format!("{account}.kubeconfig"));
    std::fs::write(&path, serde_json::to_vec(&kubeconfig).expect("JSON")).expect("a file");
    path
}

/// The rights that the product asks for.
pub(crate) fn role() -> Role {
    serde_json::from_value(json!({"rules": [
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "get", "list", "watch", "patch", "delete"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "get", "list", "patch", "delete"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "delete"]},
        {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
    ]}))
    .expect("a role")
}
