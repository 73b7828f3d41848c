//! What a queue says of the way to the outside: an authority of its own and a proxy, for git, pip and uv; and an authority that
//! the pod's template names, for the agent itself.

use crate::{
    command,
    container::{Image, contained},
    pods::{Pod, Root, log, stored},
    private::{PASSWORD, repository, serve},
    server::{Recipe, Server},
    sh,
    support::{Index, eventually, free_address, run, uv},
};
use slipway::{
    domain::pod,
    wire::{Code, Environment, EnvironmentKind, GitCode, GitSource, Indexes, Proxy, Reason, Setup, Sources},
};
use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpStream as Probe},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_util::task::AbortOnDropHandle;

/// Speaks TLS on one address and passes what it hears on to another.
const FRONT: &str = "\
import socket, ssl, sys, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1])
listener = socket.create_server(('127.0.0.1', int(sys.argv[2])))
def pass_on(source, to):
    try:
        while piece := source.recv(65536):
            to.sendall(piece)
        to.shutdown(socket.SHUT_WR)
    except OSError:
        pass
def serve(plain):
    try:
        heard = context.wrap_socket(plain, server_side=True)
        said = socket.create_connection(('127.0.0.1', int(sys.argv[3])))
    except OSError:
        return
    threading.Thread(target=pass_on, args=(said, heard), daemon=True).start()
    pass_on(heard, said)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
";

/// An authority that nobody knows, and what it vouches for.
struct Authority(std::path::PathBuf);

impl Authority {
    fn new(dir: &Path) -> Self {
        let new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
        let ca = ["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=nobody", "-addext", "keyUsage=critical,keyCertSign"];
        run(dir, &[&new[..], &ca].concat());
        let name =
            ["-keyout", "host.key", "-out", "host.pem", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
        let of = ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "basicConstraints=critical,CA:FALSE"];
        run(dir, &[&new[..], &name, &of].concat());
        let both = ["host.key", "host.pem"].map(|name| fs::read_to_string(dir.join(name)).unwrap()).concat();
        fs::write(dir.join("both.pem"), both).unwrap();
        Self(dir.to_owned())
    }

    fn certificate(&self) -> String {
        fs::read_to_string(self.0.join("ca.pem")).unwrap()
    }

    /// TLS before an address: `https://localhost:…`.
    async fn front(&self, of: &str) -> (String, Running) {
        let address = free_address(Ipv4Addr::LOCALHOST.into());
        let port = of.rsplit(':').next().unwrap();
        let mut front = Command::new("python3");
        front.args(["-c", FRONT, &self.0.join("both.pem").display().to_string(), &address.port().to_string(), port]);
        let running = Running(front.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        eventually("TLS", async || Probe::connect(address).ok()).await;
        (format!("https://localhost:{}", address.port()), running)
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A proxy, the only one who knows where hosts are: its address, and how often it was asked for each.
struct Way {
    address: SocketAddr,
    asked: Arc<Mutex<BTreeMap<String, u32>>>,
    _running: AbortOnDropHandle<()>,
}

impl Way {
    async fn to(hosts: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let hosts: BTreeMap<String, String> = hosts.iter().map(|(name, at)| ((*name).to_owned(), (*at).to_owned())).collect();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::<Mutex<BTreeMap<String, u32>>>::default());
        let counts = asked.clone();
        let running = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (hosts, counts) = (hosts.clone(), counts.clone());
                tokio::spawn(async move { Self::pass(stream, &hosts, &counts).await });
            }
        });
        Self { address, asked, _running: AbortOnDropHandle::new(running) }
    }

    /// One request of one connection, `GET http://host/path`, on to who is `host`; the answer ends with the connection.
    async fn pass(mut stream: TcpStream, hosts: &BTreeMap<String, String>, counts: &Mutex<BTreeMap<String, u32>>) -> Option<()> {
        let mut head = Vec::new();
        while !head.windows(4).any(|four| four == b"\r\n\r\n") {
            if stream.read_buf(&mut head).await.ok()? == 0 {
                return None;
            }
        }
        let text = String::from_utf8(head).ok()?;
        let (method, rest) = text.split_once(" http://")?;
        let (host, rest) = rest.split_once('/')?;
        *counts.lock().ok()?.entry(host.to_owned()).or_default() += 1;
        let mut other = TcpStream::connect(hosts.get(host)?).await.ok()?;
        let rest = rest.replacen("\r\n", "\r\nConnection: close\r\n", 1).replace("\r\nProxy-Connection:", "\r\nX-Was:");
        other.write_all(format!("{method} /{rest}").as_bytes()).await.ok()?;
        copy_bidirectional(&mut stream, &mut other).await.ok()?;
        Some(())
    }

    fn asked(&self, host: &str) -> u32 {
        self.asked.lock().unwrap().get(host).copied().unwrap_or(0)
    }
}

/// Code from the repository at `https://git.example.com`, and the package `greeting` for it.
fn recipe(commit: &str, kind: EnvironmentKind, sources: Sources) -> Recipe {
    let git = GitCode { url: "https://git.example.com/team/vision".into(), commit: commit.to_owned(), ..GitCode::default() };
    let code = Code { git: Some(git), ..Code::default() };
    let environment = Environment { kind, requirements: vec!["greeting".into()], ..Environment::default() };
    Recipe {
        setup: Setup { code: Some(code), environment: Some(environment), ..Setup::default() },
        sources,
        ..sh("cat hello; echo; python -c 'import greeting; print(greeting.word)'; echo by $http_proxy")
    }
}

/// Where git takes what is at `https://git.example.com`.
fn from(place: &str) -> GitSource {
    GitSource { secret_ref: Some("git".into()), instead_of: [("https://git.example.com/".to_owned(), format!("{place}/"))].into() }
}

/// Runs it in a pod that may read the repository; the attempt, its exit code and its log.
async fn ran(server: &Server, recipe: Recipe, git: &str) -> (slipway::wire::AttemptRef, Option<i32>, String) {
    let of = server.claimed(recipe);
    let mut pod = Pod::start_with(server, of, "run", |root, command| {
        let (scheme, host) = git.split_once("://").unwrap();
        fs::create_dir_all(root.at(pod::GIT_DIR)).unwrap();
        fs::write(root.at(pod::GIT_DIR).join(".git-credentials"), format!("{scheme}://bot:{PASSWORD}@{host}\n")).unwrap();
        command.env("PATH", format!("{}:{}", uv().display(), crate::pods::PATH));
    });
    let (code, ..) = pod.ended().await;
    (of, code, log(server, of))
}

#[tokio::test]
async fn an_authority_of_the_queue_is_trusted_by_git_pip_and_uv_and_without_it_nobody_is() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path());
    let commit = repository(dir.path()).await;
    let (git, _serving) = serve(dir.path()).await;
    let index = Index::serve(dir.path(), Ipv4Addr::LOCALHOST).await;
    let (git, _git) = authority.front(&git).await;
    let (packages, _packages) = authority.front(index.url.trim_end_matches("/simple").trim_start_matches("http://")).await;
    let indexes = Some(Indexes { url: Some(format!("{packages}/simple")), extra: vec![] });
    let server = Server::start().await;
    let trusting = Sources { git: Some(from(&git)), indexes, ca_bundle: Some(authority.certificate()), ..Sources::default() };
    for kind in [EnvironmentKind::Venv, EnvironmentKind::Uv] {
        let (_, code, log) = ran(&server, recipe(&commit, kind, trusting.clone()), &git).await;
        assert!(code == Some(0) && log.contains("\nfrom the repository\nhello\n"), "{kind}: {log}");
    }
    let (of, code, log) = ran(&server, recipe(&commit, EnvironmentKind::Venv, Sources { ca_bundle: None, ..trusting.clone() }), &git).await;
    assert_eq!((code, stored(&server, of).setup_failed), (Some(98), Some(Reason::RepositoryUnreachable)), "{log}");
    for kind in [EnvironmentKind::Venv, EnvironmentKind::Uv] {
        let setup = Setup { code: None, ..recipe(&commit, kind, Sources::default()).setup };
        let unknown = Recipe { setup, ..recipe(&commit, kind, Sources { ca_bundle: None, ..trusting.clone() }) };
        let (of, code, log) = ran(&server, unknown, &git).await;
        assert_eq!((code, stored(&server, of).setup_failed), (Some(98), Some(Reason::IndexUnreachable)), "{kind}: {log}");
    }
}

#[tokio::test]
async fn a_proxy_of_the_queue_is_the_way_of_git_pip_uv_and_the_command() {
    let dir = tempfile::tempdir().unwrap();
    let commit = repository(dir.path()).await;
    let (git, _serving) = serve(dir.path()).await;
    let index = Index::serve(dir.path(), Ipv4Addr::LOCALHOST).await;
    let packages = index.url.trim_end_matches("/simple").trim_start_matches("http://");
    let way = Way::to(&[("git.example.net", &git), ("packages.example.net", packages)]).await;
    let proxy = Proxy { http: Some(format!("http://{}", way.address)), https: None, no: vec!["127.0.0.1".into()] };
    let sources = Sources {
        git: Some(from("http://git.example.net")),
        indexes: Some(Indexes { url: Some("http://packages.example.net/simple".into()), extra: vec![] }),
        proxy: Some(proxy),
        ..Sources::default()
    };
    let server = Server::start().await;
    for kind in [EnvironmentKind::Venv, EnvironmentKind::Uv] {
        let before = ["git", "packages"].map(|name| way.asked(&format!("{name}.example.net")));
        let (_, code, log) = ran(&server, recipe(&commit, kind, sources.clone()), "http://git.example.net").await;
        let expected = format!("\nfrom the repository\nhello\nby http://{}\n", way.address);
        assert!(code == Some(0) && log.contains(&expected), "{kind}: {log}");
        let after = ["git", "packages"].map(|name| way.asked(&format!("{name}.example.net")));
        assert!(after[0] > before[0] && after[1] > before[1], "{kind}: {before:?} {after:?}");
    }
}

#[tokio::test]
async fn an_agent_trusts_the_authority_that_its_glue_or_its_container_names_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path());
    let server = Server::start().await;
    let (url, _front) = authority.front(&server.url).await;
    let mut behind = server.clone();
    behind.url = url.replace("localhost", "127.0.0.1");
    let strange = server.claimed(sh("echo hello"));
    let _refused = Pod::start_with(&behind, strange, "run", |_, _| {});
    let of = server.claimed(sh("echo hello"));
    let mut pod = Pod::start_with(&behind, of, "run", |_, command| {
        command.env("SSL_CERT_FILE", dir.path().join("ca.pem"));
    });
    assert_eq!(pod.ended().await.0, Some(0));
    assert_eq!((log(&server, of).as_str(), server.attempt(strange).starts), ("hello\n", 0));

    // Where the image has nothing, no authority of a system is missed.
    let of = server.claimed(command(&["/slipway/bin/slipway-agent", "version"]));
    let root = Root::with_ca(&server, of, &behind.url, Some(authority.certificate()));
    let Some(ended) = contained(root, &Image::default()).await else { return };
    assert_eq!(ended.code, Some(0), "{} {}", ended.out, ended.message);
    assert_eq!(log(&server, of), ended.out);
}
