//! Fills `{{name}}` places of the configurations in `benches/configs/`.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::{Contender, Kind, Setting, Shape};

/// Descriptors a process may have here; HAProxy computes its own limit from maxconn.
const DESCRIPTORS: usize = 20_000;

/// Names and what stands for them.
pub(super) type Values = Vec<(&'static str, String)>;

pub(super) fn values(contender: &Contender, setting: &Setting, dir: &Path, port: u16) -> Values {
    let dir = dir.display().to_string();
    let log = format!("{dir}/{}.access", contender.name);
    let shape = match setting.shape {
        Shape::Small => "",
        Shape::Large => "proxy_buffers 16 16k; proxy_busy_buffers_size 64k; proxy_max_temp_file_size 0;",
        Shape::Stream => "proxy_buffering off;",
    };
    let root = rustix::process::geteuid().is_root();
    let mut values: Values = vec![
        ("dir", dir),
        ("port", port.to_string()),
        ("origin1", setting.origins[0].to_string()),
        ("origin2", setting.origins[1].to_string()),
        ("max_conn", setting.max_conn.to_string()),
    ];
    match contender.kind {
        Kind::Nginx => values.extend([
            // Else the worker of a root-started master cannot write into the scratch folder.
            ("user", if root { "user root;" } else { "" }.to_owned()),
            ("descriptors", DESCRIPTORS.to_string()),
            ("worker_connections", (DESCRIPTORS - 1_000).to_string()),
            ("buffering", shape.to_owned()),
            (
                "access_log",
                if contender.access_log { format!("{log} combined buffer=64k flush=1s") } else { "off".to_owned() },
            ),
        ]),
        Kind::Haproxy => {
            let (global, default) = if contender.access_log {
                ("log stdout format raw local0", "log global\n    option httplog")
            } else {
                ("", "")
            };
            values.extend([
                // Two descriptors a connection, and its own few.
                ("client_connections", (DESCRIPTORS / 2 - 200).to_string()),
                ("log_global", global.to_owned()),
                ("log_default", default.to_owned()),
            ]);
        }
        Kind::SpeedMimi => values.extend([
            (
                "access_log",
                if contender.access_log { format!("access_log: {{format: json, file: {log}}}") } else { String::new() },
            ),
            ("state", format!("{}/{}.state", values[0].1, contender.name)),
        ]),
        Kind::Relay => {}
    }
    values
}

/// Every place filled, every value used.
pub(super) fn fill(template: &str, values: &Values) -> Result<String> {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").context("a {{ without }}")?;
        let Some((_, value)) = values.iter().find(|(known, _)| *known == name) else {
            bail!("nothing stands for {{{{{name}}}}}");
        };
        text.push_str(before);
        text.push_str(value);
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn every_place_of_every_configuration_is_known() {
        let setting = Setting { origins: [8001, 8002], max_conn: 1000, core: 0, shape: Shape::Large };
        for (kind, text) in [
            (Kind::Nginx, include_str!("../../configs/nginx.conf")),
            (Kind::Haproxy, include_str!("../../configs/haproxy.cfg")),
            (Kind::SpeedMimi, include_str!("../../configs/speedmimi.yaml")),
        ] {
            for access_log in [false, true] {
                let contender =
                    Contender { name: "x".to_owned(), kind, program: PathBuf::new(), access_log, updates: None };
                let filled =
                    fill(text, &values(&contender, &setting, Path::new("/d"), 8080)).expect("all places known");
                assert!(filled.contains("8001") && filled.contains("8002") && filled.contains("1000"), "{filled}");
                assert!(!filled.contains("{{"), "{filled}");
            }
        }
    }

    #[test]
    fn an_unknown_place_is_an_error() {
        assert!(fill("a {{b}} c", &vec![]).is_err());
        assert_eq!(fill("a {{b}} c", &vec![("b", "x".to_owned())]).expect("known"), "a x c");
    }
}
