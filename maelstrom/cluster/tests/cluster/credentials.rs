//! NATS and etcd that let in only whoever has a certificate and a password.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Process, Run, WORKBENCH, await_port, free_port, nodes};

type Environment = Vec<(&'static str, String)>;

/// Certificates of an authority of our own, for servers and clients of this machine.
fn make_certificates(directory: &Path) {
    let openssl = |args: &str| {
        let key = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
        let words = key.split(' ').chain(args.split(' '));
        let output = Command::new("openssl").args(words).current_dir(directory).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    openssl("-keyout ca.key -out ca.crt -subj /CN=authority");
    // What speaks JSON to etcd is told apart by passwords: a common name is refused.
    for name in ["server", "client"] {
        openssl(&format!(
            "-CA ca.crt -CAkey ca.key -keyout {name}.key -out {name}.crt -subj /O={name} \
             -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=IP:127.0.0.1"
        ));
    }
}

/// Asks etcd, without TLS.
fn ask_etcd(port: u16, path: &str, body: &str) {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n\
         {body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
}

struct Guarded {
    directory: PathBuf,
    ports: [u16; 3],
    etcd: Option<Process>,
    _nats: Process,
}

impl Guarded {
    fn start() -> Self {
        let directory =
            std::env::temp_dir().join(format!("cluster-{}-guarded", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        make_certificates(&directory);
        let ports = [free_port(), free_port(), free_port()];
        // Users are made before there are certificates.
        let etcd = start_etcd(&directory, ports, "http", "");
        await_port(ports[1]);
        for (path, body) in [
            ("user/add", r#"{"name": "root", "password": "swordfish"}"#),
            ("role/add", r#"{"name": "root"}"#),
            ("user/grant", r#"{"user": "root", "role": "root"}"#),
            ("enable", "{}"),
        ] {
            ask_etcd(ports[1], &format!("/v3/auth/{path}"), body);
        }
        etcd.kill();
        let path = |name: &str| directory.join(name).display().to_string();
        let nats = format!(
            "-a 127.0.0.1 -p {} --tls --tlsverify --tlscert {} --tlskey {} --tlscacert {} \
             --user alice --pass swordfish",
            ports[0],
            path("server.crt"),
            path("server.key"),
            path("ca.crt")
        );
        let nats: Vec<&str> = nats.split_whitespace().collect();
        let nats = Process::start("nats-server", &nats, &directory.join("nats.log"));
        await_port(ports[0]);
        let mut servers = Self { directory, ports, etcd: None, _nats: nats };
        servers.restart_etcd();
        servers
    }

    /// Its tokens are others then.
    fn restart_etcd(&mut self) {
        if let Some(etcd) = self.etcd.take() {
            etcd.kill();
        }
        let files = "--cert-file server.crt --key-file server.key --trusted-ca-file ca.crt \
                     --client-cert-auth";
        self.etcd = Some(start_etcd(&self.directory, self.ports, "https", files));
        await_port(self.ports[1]);
    }

    /// What has to be in the environment.
    fn environment(&self) -> Environment {
        let path = |name: &str| self.directory.join(name).display().to_string();
        vec![
            ("NATS_CA", path("ca.crt")),
            ("NATS_CERT", path("client.crt")),
            ("NATS_KEY", path("client.key")),
            ("NATS_USER", "alice".to_owned()),
            ("NATS_PASSWORD", "swordfish".to_owned()),
            ("NATS_URL", format!("tls://127.0.0.1:{}", self.ports[0])),
            ("ETCDCTL_CACERT", path("ca.crt")),
            ("ETCDCTL_CERT", path("client.crt")),
            ("ETCDCTL_KEY", path("client.key")),
            ("ETCDCTL_USER", "root:swordfish".to_owned()),
            ("ETCDCTL_ENDPOINTS", format!("https://127.0.0.1:{}", self.ports[1])),
        ]
    }

    fn agent(&self, environment: &Environment) -> Process {
        let (directory, log) = (self.directory.join("agent"), self.directory.join("agent.log"));
        let proxy = nodes().join("examples/lin_kv_proxy");
        let args = ["agent", "--name", "a", "--bin", proxy.to_str().unwrap(), "--directory"];
        let args = [&args[..], &[directory.to_str().unwrap()]].concat();
        Process::start_in(WORKBENCH, &args, &log, environment)
    }

    fn run(&self, words: &str, environment: &Environment) -> Run {
        let mut command = Command::new(WORKBENCH);
        command.args(words.split_whitespace()).envs(environment.iter().cloned());
        Run::of(command.current_dir(&self.directory).output().unwrap())
    }

    fn await_agent(&self) {
        while !self.run("cluster status", &self.environment()).text.ends_with("1 agents") {}
    }
}

fn start_etcd(
    directory: &Path,
    [_, clients, peers]: [u16; 3],
    scheme: &str,
    more: &str,
) -> Process {
    let clients = format!("{scheme}://127.0.0.1:{clients}");
    let peers = format!("http://127.0.0.1:{peers}");
    let args = format!(
        "--listen-client-urls {clients} --advertise-client-urls {clients} --listen-peer-urls {peers} \
         --initial-advertise-peer-urls {peers} --initial-cluster default={peers} {more}"
    );
    let path = |word: &str| match word.ends_with(".crt") || word.ends_with(".key") {
        true => directory.join(word).display().to_string(),
        false => word.to_owned(),
    };
    let mut args: Vec<String> = args.split_whitespace().map(path).collect();
    args.extend(["--data-dir".to_owned(), directory.join("etcd").display().to_string()]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    Process::start("etcd", &args, &directory.join("etcd.log"))
}

#[test]
fn certificates_and_passwords_come_from_the_environment() {
    let mut servers = Guarded::start();
    let all = servers.environment();
    let without = |names: &[&str]| -> Environment {
        all.iter().filter(|(name, _)| !names.contains(name)).cloned().collect()
    };
    for missing in [&["NATS_PASSWORD"][..], &["NATS_CERT", "NATS_KEY"], &["NATS_CA"]] {
        let refused = servers.run("cluster status", &without(missing));
        assert_eq!(refused.code, Some(255), "{missing:?}: {}", refused.text);
        refused.says("cannot connect to NATS at tls://");
    }
    let names = ["NATS_CA", "NATS_CERT", "NATS_KEY", "NATS_USER", "NATS_PASSWORD", "NATS_URL"];
    let context = |name: &&str| all.iter().find(|(known, _)| known == name).unwrap().1.clone();
    let fields = ["ca", "cert", "key", "user", "password", "url"];
    let fields: BTreeMap<_, _> = fields.into_iter().zip(names.iter().map(context)).collect();
    let folder = servers.directory.join("nats/context");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("ours.json"), serde_json::to_vec(&fields).unwrap()).unwrap();
    let mut environment = without(&names);
    environment.push(("XDG_CONFIG_HOME", servers.directory.display().to_string()));
    environment.push(("NATS_CONTEXT", "ours".to_owned()));
    servers.run("cluster status", &environment).assert_valid().says("0 agents");

    let test = "test -w lin-kv --bin lin_kv_proxy --node-count 2 --concurrency 2n --rate 50 \
                --time-limit 3 --cluster";
    let test = format!("{test} tls://127.0.0.1:{}", servers.ports[0]);
    let agent = servers.agent(&all);
    servers.await_agent();
    servers.run(&test, &all).assert_valid();
    // An agent goes on where a server of etcd was started anew.
    servers.restart_etcd();
    servers.run(&test, &all).assert_valid();
    agent.kill();

    // Without them nobody gets anything done there, and everybody is told that it was not.
    for missing in ["ETCDCTL_USER", "ETCDCTL_CACERT"] {
        let agent = servers.agent(&without(&[missing]));
        servers.await_agent();
        let refused = servers.run(&test, &all);
        assert_eq!(refused.code, Some(1), "{missing}: {}", refused.text);
        refused.says("temporarily-unavailable");
        agent.kill();
    }
    fs::remove_dir_all(&servers.directory).unwrap();
}

/// NATS lets in whoever has what its configuration asks for, as the environment says it or the
/// field of a context, and nobody else.
#[track_caller]
fn assert_only_lets_in(configuration: &str, name: &'static str, own: &str, others: &str) {
    let directory = format!("cluster-{}-{name}", std::process::id());
    let directory = std::env::temp_dir().join(directory);
    let contexts = directory.join("nats/context");
    fs::create_dir_all(&contexts).unwrap();
    let port = free_port();
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/nats");
    let file = here.join(configuration).display().to_string();
    let args = ["-c", &file, "-a", "127.0.0.1", "-p", &port.to_string()];
    let _nats = Process::start("nats-server", &args, &directory.join("nats.log"));
    await_port(port);
    let status = |environment: &[(&str, &str)]| {
        let mut command = Command::new(WORKBENCH);
        command.args(["cluster", "status", &format!("nats://127.0.0.1:{port}")]);
        command.envs(environment.iter().copied()).env("XDG_CONFIG_HOME", &directory);
        Run::of(command.current_dir(&here).output().unwrap())
    };
    let field = name.strip_prefix("NATS_").unwrap().to_lowercase();
    let context = BTreeMap::from([(field, own)]);
    fs::write(contexts.join("ours.json"), serde_json::to_vec(&context).unwrap()).unwrap();
    status(&[(name, own)]).assert_valid().says("0 agents");
    status(&[("NATS_CONTEXT", "ours")]).assert_valid().says("0 agents");
    for wrong in [&[][..], &[(name, others)], &[("NATS_CONTEXT", "ours"), (name, others)]] {
        let refused = status(wrong);
        assert_eq!(refused.code, Some(255), "{wrong:?}: {}", refused.text);
        refused.says("cannot connect to NATS");
    }
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_token_is_what_nats_calls_so() {
    assert_only_lets_in("token.conf", "NATS_TOKEN", "correct horse battery", "correct horse");
}

#[test]
fn an_nkey_is_the_file_of_a_seed() {
    assert_only_lets_in("nkey.conf", "NATS_NKEY", "user.nk", "other.nk");
}

#[test]
fn credentials_are_the_file_of_a_user_and_its_seed() {
    assert_only_lets_in("creds.conf", "NATS_CREDS", "user.creds", "other.creds");
}
