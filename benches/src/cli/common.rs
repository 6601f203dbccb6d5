//! Which contenders, on which cores, in front of which origin.

use std::env;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::contender::{Contender, Kind};
use crate::process::{self, Child, Launch, Scratch};
use crate::table::note;

/// Contenders that every run starts unless told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Known {
    Nginx,
    Haproxy,
    Relay,
    Speedmimi,
}

#[derive(Args)]
pub(crate) struct Common {
    /// The contenders to run
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = [Known::Nginx, Known::Haproxy, Known::Relay, Known::Speedmimi])]
    only: Vec<Known>,
    /// The speedmimi to measure [default: beside this program]
    #[arg(long, value_name = "PATH")]
    speedmimi: Option<String>,
    /// Another speedmimi to measure, for A/B; repeatable
    #[arg(long, value_name = "NAME=PATH", value_parser = pair)]
    contender: Vec<(String, String)>,
    #[arg(long, value_name = "PATH", default_value = "nginx")]
    nginx: String,
    #[arg(long, value_name = "PATH", default_value = "haproxy")]
    haproxy: String,
    /// The contender's core
    #[arg(long, default_value_t = 1)]
    pub(crate) proxy_core: usize,
    /// The generator's core
    #[arg(long, default_value_t = 0)]
    pub(crate) load_core: usize,
    /// The origin's core [default: the generator's]
    #[arg(long)]
    origin_core: Option<usize>,
}

fn pair(text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((name, path)) if name_is_plain(name) && !path.is_empty() => Ok((name.to_owned(), path.to_owned())),
        _ => bail!("expected NAME=PATH, NAME of letters, digits, - and _"),
    }
}

/// Names become file names.
fn name_is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

impl Common {
    /// Everything chosen, in the order of a round. A missing default speedmimi is left out with a
    /// word about it; whatever was asked for by name must be there.
    pub(crate) fn contenders(&self) -> Result<Vec<Contender>> {
        let mut all = Vec::new();
        let mut push = |name: &str, kind, program| {
            all.push(Contender { name: name.to_owned(), kind, program, access_log: false, updates: None });
        };
        for known in &self.only {
            match known {
                Known::Nginx => push("nginx", Kind::Nginx, process::find(&self.nginx)?),
                Known::Haproxy => push("haproxy", Kind::Haproxy, process::find(&self.haproxy)?),
                Known::Relay => push("relay", Kind::Relay, env::current_exe()?),
                Known::Speedmimi => match self.speedmimi()? {
                    Some(program) => push("speedmimi", Kind::SpeedMimi, program),
                    None => note(
                        "speedmimi is left out: there is none beside this program; \
                         build it with `cargo build --profile bench --bin speedmimi` or name it with --speedmimi PATH",
                    ),
                },
            }
        }
        for (name, path) in &self.contender {
            push(name, Kind::SpeedMimi, process::find(&as_path(path))?);
        }
        let mut names: Vec<&str> = all.iter().map(|contender| contender.name.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            bail!("two contenders are called {}", twice[0]);
        }
        if all.is_empty() {
            bail!("no contender to measure");
        }
        Ok(all)
    }

    fn speedmimi(&self) -> Result<Option<PathBuf>> {
        if let Some(path) = &self.speedmimi {
            return process::find(&as_path(path)).map(Some);
        }
        let beside = env::current_exe()?.with_file_name("speedmimi");
        Ok(beside.is_file().then_some(beside))
    }
}

/// A bare file name is a file here, not a program in PATH.
fn as_path(path: &str) -> String {
    if path.contains('/') { path.to_owned() } else { format!("./{path}") }
}

/// What stands while contenders come and go: the origin, a folder, the generator's core.
pub(crate) struct Stage {
    pub(crate) origins: [u16; 2],
    pub(crate) scratch: Scratch,
    origin: Child,
}

impl Stage {
    pub(crate) fn set(common: &Common) -> Result<Self> {
        process::watch()?;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let origin_core = common.origin_core.unwrap_or(common.load_core);
        for core in [common.proxy_core, common.load_core, origin_core] {
            if core >= cores {
                bail!("core {core} does not exist: there are {cores} (--proxy-core, --load-core, --origin-core)");
            }
        }
        if common.proxy_core == common.load_core || common.proxy_core == origin_core {
            bail!("the contender needs a core of its own: --proxy-core equals --load-core or --origin-core");
        }
        process::raise_descriptors()?;
        process::sharpen_timers();
        let scratch = Scratch::new()?;
        let program = env::current_exe()?;
        let args = vec!["origin".to_owned()];
        let launch =
            Launch { name: "origin", core: origin_core, program: &program, args, dir: scratch.path(), announces: true };
        let mut origin = launch.start()?;
        let line = origin.line(Duration::from_secs(10))?;
        let value: Value = serde_json::from_str(&line)?;
        let port = |index| {
            let port = value["ports"][index].as_u64().and_then(|port| u16::try_from(port).ok());
            port.with_context(|| format!("the origin announced {line:?}"))
        };
        let origins = [port(0)?, port(1)?];
        process::pin(common.load_core)?;
        Ok(Self { origins, scratch, origin })
    }

    /// The processes that share the generator's side: this one and the origin.
    pub(crate) fn load_pids(&self) -> Vec<i32> {
        [rustix::process::getpid(), self.origin.pid()].map(|pid| pid.as_raw_nonzero().get()).into()
    }

    /// An error if the origin has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.origin.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contender_pairs_have_plain_names() {
        assert_eq!(pair("new=/x/y").expect("plain"), ("new".to_owned(), "/x/y".to_owned()));
        for bad in ["/x/y", "=x", "a b=x", "../a=x", "a="] {
            assert!(pair(bad).is_err(), "{bad}");
        }
    }
}
