//! The programs that are compared, and how each is started on the same two backends.

mod template;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use self::template::fill;
use crate::process::{Child, Launch};
use crate::updates::Changes;
use crate::{measure, net};

/// How long a program may take until it serves its first request.
const START: Duration = Duration::from_secs(15);

/// One program under comparison.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) program: PathBuf,
    pub(crate) access_log: bool,
    /// Changes that are made while it is measured.
    pub(crate) updates: Option<Changes>,
}

/// Which configuration and arguments it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Nginx,
    Haproxy,
    Relay,
    SpeedMimi,
}

/// What a run asks of every contender alike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) origins: [u16; 2],
    /// Exchanges a backend at most.
    pub(crate) max_conn: usize,
    /// The proxy's core.
    pub(crate) core: usize,
    pub(crate) shape: Shape,
}

/// What nginx must be told about the responses to be at its best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// They fit into its default buffers.
    Small,
    /// Larger than those: more buffers, no temporary files.
    Large,
    /// Endless: no buffering.
    Stream,
}

/// A contender that serves.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    /// Its management, where it has one.
    pub(crate) grpc: Option<SocketAddr>,
    /// Its processes, the first one first.
    pub(crate) pids: Vec<i32>,
    child: Child,
}

impl Running {
    /// An error if it has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.child.check()
    }
}

impl Contender {
    /// Starts it in `dir` and waits until a request comes back through it.
    pub(crate) fn start(&self, setting: &Setting, dir: &Path) -> Result<Running> {
        self.try_start(setting, dir).with_context(|| format!("{} does not serve", self.name))
    }

    fn try_start(&self, setting: &Setting, dir: &Path) -> Result<Running> {
        // Nobody holds the port between our look and its bind; a second try settles a collision.
        let (mut child, (address, grpc)) = match self.launch(setting, dir) {
            Ok(started) => started,
            Err(_) if matches!(self.kind, Kind::Nginx | Kind::Haproxy) => self.launch(setting, dir)?,
            Err(error) => return Err(error),
        };
        probe(&mut child, address)?;
        Ok(Running { address, grpc, pids: measure::tree(child.pid())?, child })
    }

    fn launch(&self, setting: &Setting, dir: &Path) -> Result<(Child, (SocketAddr, Option<SocketAddr>))> {
        let port = net::free_port()?;
        let args = self.arguments(setting, dir, port)?;
        let announces = matches!(self.kind, Kind::Relay | Kind::SpeedMimi);
        let launch = Launch { name: &self.name, core: setting.core, program: &self.program, args, dir, announces };
        let mut child = launch.start()?;
        let addresses = if announces {
            announced(&child.line(START)?)?
        } else {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            listening(&mut child, address)?;
            (address, None)
        };
        Ok((child, addresses))
    }

    fn arguments(&self, setting: &Setting, dir: &Path, port: u16) -> Result<Vec<String>> {
        let (file, text) = match self.kind {
            Kind::Relay => {
                let to = setting.origins.map(|port| format!("127.0.0.1:{port}"));
                return Ok(["relay", "--listen", "127.0.0.1:0", "--to", &to[0], "--to", &to[1]]
                    .map(str::to_owned)
                    .into());
            }
            Kind::Nginx => ("nginx.conf", include_str!("../configs/nginx.conf")),
            Kind::Haproxy => ("haproxy.cfg", include_str!("../configs/haproxy.cfg")),
            Kind::SpeedMimi => ("speedmimi.yaml", include_str!("../configs/speedmimi.yaml")),
        };
        let path = dir.join(format!("{}-{file}", self.name));
        fs::write(&path, fill(text, &template::values(self, setting, dir, port))?)?;
        let (dir, path) = (dir.display().to_string(), path.display().to_string());
        let error_log = format!("{dir}/nginx.error");
        let args: &[&str] = match self.kind {
            Kind::Nginx => &["-p", &dir, "-e", &error_log, "-c", &path],
            Kind::Haproxy => &["-db", "-f", &path],
            _ => &["run", "-c", &path, "--announce"],
        };
        Ok(args.iter().map(|arg| (*arg).to_owned()).collect())
    }
}

/// The first listener's address out of `{"ready":true,"listeners":{NAME:ADDR},"grpc":ADDR,…}`, and that of management.
fn announced(line: &str) -> Result<(SocketAddr, Option<SocketAddr>)> {
    let value: Value = serde_json::from_str(line).with_context(|| format!("announced {line:?}"))?;
    let listeners = value.get("listeners").and_then(Value::as_object);
    let address = listeners.and_then(|all| all.get("main").or_else(|| all.values().next())).and_then(Value::as_str);
    let address = address.with_context(|| format!("no listener in {line:?}"))?;
    let parse = |address: &str| address.parse().with_context(|| format!("announced {line:?}"));
    let grpc = value.get("grpc").and_then(Value::as_str).map(parse).transpose()?;
    Ok((parse(address)?, grpc))
}

fn listening(child: &mut Child, address: SocketAddr) -> Result<()> {
    until(child, &format!("does not listen on {address}"), || {
        Ok(TcpStream::connect_timeout(&address, Duration::from_secs(1))?)
    })
    .map(drop)
}

/// One request through the contender; its backends may still be on probation.
fn probe(child: &mut Child, address: SocketAddr) -> Result<()> {
    until(child, "answers no request", || fetch(address, "/bytes/1"))
}

/// Repeats `attempt` until it works, the child ends or [`START`] is over.
fn until<T>(child: &mut Child, what: &str, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + START;
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(error) if Instant::now() >= deadline => {
                return Err(error.context(format!("{what} after {START:?}; {}", child.stderr().trim_end())));
            }
            Err(_) => child.check()?,
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// One GET on a connection of its own; anything but 200 is an error.
pub(crate) fn fetch(address: SocketAddr, path: &str) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: bench.test\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    if !answer.starts_with(b"HTTP/1.1 200") {
        let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
        bail!("answered {:?}", String::from_utf8_lossy(line));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announced_prefers_the_main_listener() {
        let line = r#"{"ready":true,"listeners":{"a":"127.0.0.1:1","main":"127.0.0.1:2"},"grpc":"127.0.0.1:3"}"#;
        let (address, grpc) = announced(line).expect("well formed");
        assert_eq!((address.port(), grpc.map(|grpc| grpc.port())), (2, Some(3)));
        let (address, grpc) = announced(r#"{"listeners":{"x":"127.0.0.1:9"}}"#).expect("well formed");
        assert_eq!((address.port(), grpc), (9, None));
        assert!(announced(r#"{"ready":true,"listeners":{}}"#).is_err());
        assert!(announced("listening").is_err());
    }
}
