//! The settings with which the programs of a set-up reach the outside: of git, of certificates, indexes and proxies.

use super::{Site, scratch};
use crate::{agent::environment::Vars, wire::Sources};
use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Where distributions keep the certificates that they trust.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
];

/// The variables of git, with the files that they name. Nothing of it depends on what an image or a user has configured.
pub(super) fn environment(site: &Site<'_>) -> io::Result<Vars> {
    fs::create_dir_all(scratch(site, ""))?;
    let secret = site.sources.git.as_ref().and_then(|git| git.secret_ref.as_ref()).and_then(|_| site.place.git_secret());
    let credentials = secret.as_ref().map(|dir| dir.join(".git-credentials")).filter(|file| file.exists());
    let credentials = credentials.map(|file| private_copy(&file, &scratch(site, "git-credentials"))).transpose()?;
    let config = scratch(site, "gitconfig");
    fs::write(&config, text(site.sources, credentials.as_deref()))?;
    let mut vars = Vars::new();
    let mut set = |name: &str, value: &std::ffi::OsStr| vars.insert(name.into(), value.to_owned());
    set("GIT_CONFIG_NOSYSTEM", "1".as_ref());
    set("GIT_CONFIG_GLOBAL", config.as_os_str());
    set("GIT_TERMINAL_PROMPT", "0".as_ref());
    set("GIT_ASKPASS", "".as_ref());
    set("GIT_ALLOW_PROTOCOL", protocols(site.sources).as_ref());
    set("GIT_LFS_SKIP_SMUDGE", "1".as_ref());
    set("LC_ALL", "C.UTF-8".as_ref());
    set("GIT_SSH_COMMAND", ssh(secret.as_deref(), site)?.as_ref());
    if let Some(ours) = &site.sources.ca_bundle {
        let file = scratch(site, "ca.pem");
        fs::write(&file, bundle(ours))?;
        for name in ["GIT_SSL_CAINFO", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE"] {
            set(name, file.as_os_str());
        }
    }
    Ok(vars)
}

/// The certificates of the image and ours.
fn bundle(ours: &str) -> String {
    let images = BUNDLES.iter().find_map(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    format!("{images}\n{ours}\n")
}

fn private_copy(from: &Path, to: &Path) -> io::Result<PathBuf> {
    let text = fs::read(from)?;
    let _ = fs::remove_file(to);
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?.write_all(&text)?;
    Ok(to.to_owned())
}

/// ssh without questions, and without a host that is not known.
fn ssh(secret: Option<&Path>, site: &Site<'_>) -> io::Result<String> {
    let mut command = "ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=30".to_owned();
    let Some(secret) = secret else { return Ok(command) };
    let key = secret.join("ssh-privatekey");
    if key.exists() {
        let key = private_copy(&key, &scratch(site, "ssh-key"))?;
        command = format!("{command} -o IdentitiesOnly=yes -i {}", quoted(&key));
    }
    let known = secret.join("known_hosts");
    if known.exists() {
        command = format!("{command} -o UserKnownHostsFile={}", quoted(&known));
    }
    Ok(command)
}

/// git gives this one variable to a shell where there is one; paths of ours have no quotes.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display())
}

/// git's settings.
fn text(sources: &Sources, credentials: Option<&Path>) -> String {
    let mut text = "[safe]\n\tdirectory = *\n[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n\tautocrlf = false\n\
        [advice]\n\tdetachedHead = false\n[init]\n\tdefaultBranch = main\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n\
        [fetch]\n\trecurseSubmodules = false\n[submodule]\n\trecurse = false\n[transfer]\n\tfsckObjects = false\n"
        .to_owned();
    if let Some(file) = credentials {
        text = format!("{text}[credential]\n\thelper = \"store --file={}\"\n", file.display());
    }
    for (from, to) in sources.git.iter().flat_map(|git| &git.instead_of) {
        text = format!("{text}[url \"{}\"]\n\tinsteadOf = \"{}\"\n", escaped(to), escaped(from));
    }
    text
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"")
}

/// https and ssh, and what an admin put in the place of an address.
fn protocols(sources: &Sources) -> String {
    let schemes = sources.git.iter().flat_map(|git| git.instead_of.values()).filter_map(|to| to.split_once("://"));
    let all: BTreeSet<&str> = ["https", "ssh"].into_iter().chain(schemes.map(|(scheme, _)| scheme)).collect();
    all.into_iter().collect::<Vec<_>>().join(":")
}

/// Variables of proxies and package indexes, for the set-up and for the command; none where the queue says nothing.
pub(super) fn proxy(sources: &Sources) -> Option<Vars> {
    let mut vars = Vars::new();
    let mut set = |name: &str, value: &str| vars.insert(name.into(), value.into());
    if let Some(proxy) = &sources.proxy {
        let both = [("http_proxy", proxy.http.as_deref()), ("https_proxy", proxy.https.as_deref())];
        let no = proxy.no.join(",");
        let all = both.into_iter().chain([("no_proxy", Some(no.as_str()).filter(|no| !no.is_empty()))]);
        for (name, value) in all.filter_map(|(name, value)| Some((name, value?))) {
            set(name, value);
            set(&name.to_uppercase(), value);
        }
    }
    if let Some(indexes) = &sources.indexes {
        if let Some(url) = &indexes.url {
            for name in ["PIP_INDEX_URL", "UV_DEFAULT_INDEX"] {
                set(name, url);
            }
        }
        if !indexes.extra.is_empty() {
            let extra = indexes.extra.join(" ");
            for name in ["PIP_EXTRA_INDEX_URL", "UV_INDEX"] {
                set(name, &extra);
            }
        }
        let hosts: Vec<&str> = indexes.url.iter().chain(&indexes.extra).filter_map(|url| host(url.strip_prefix("http://")?)).collect();
        if !hosts.is_empty() {
            set("PIP_TRUSTED_HOST", &hosts.join(" "));
            set("UV_INSECURE_HOST", &hosts.join(" "));
        }
    }
    (!vars.is_empty()).then_some(vars)
}

fn host(rest: &str) -> Option<&str> {
    rest.split('/').next().filter(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{GitSource, Indexes, Proxy};

    #[test]
    fn what_a_queue_says_reaches_every_program() {
        let git = GitSource { secret_ref: None, instead_of: [("https://github.com/".into(), "file:///mirrors/".into())].into() };
        let sources = Sources {
            git: Some(git),
            indexes: Some(Indexes { url: Some("http://pypi:8080/simple".into()), extra: vec!["https://a/s".into(), "https://b/s".into()] }),
            proxy: Some(Proxy { http: None, https: Some("http://p:3128".into()), no: vec![".svc".into(), "x".into()] }),
            ..Sources::default()
        };
        assert_eq!(protocols(&sources), "file:https:ssh");
        assert_eq!(protocols(&Sources::default()), "https:ssh");
        assert!(text(&sources, None).contains("[url \"file:///mirrors/\"]\n\tinsteadOf = \"https://github.com/\"\n"));
        let vars = proxy(&sources).unwrap();
        let of = |name: &str| vars.get(std::ffi::OsStr::new(name)).map(|v| v.to_str().unwrap());
        assert_eq!((of("https_proxy"), of("HTTPS_PROXY"), of("http_proxy")), (Some("http://p:3128"), Some("http://p:3128"), None));
        assert_eq!((of("NO_PROXY"), of("PIP_TRUSTED_HOST")), (Some(".svc,x"), Some("pypi:8080")));
        assert_eq!((of("UV_DEFAULT_INDEX"), of("UV_INDEX")), (Some("http://pypi:8080/simple"), Some("https://a/s https://b/s")));
        assert_eq!(proxy(&Sources::default()), None);
    }
}
