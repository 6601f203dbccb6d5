//! Which directory it is.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::super::{StoreError, Surroundings, place};

const NOTHING: Option<&str> = None;

fn at(
    configured: Option<&str>,
    state: Option<&str>,
    xdg: Option<&str>,
    home: Option<&str>,
) -> Result<PathBuf, StoreError> {
    let around = Surroundings {
        state_directory: state.map(OsStr::new),
        xdg_state_home: xdg.map(OsStr::new),
        home: home.map(OsStr::new),
        working: Path::new("/srv/proxy"),
    };
    place(configured.map(Path::new), Path::new("./proxy.yaml"), around)
}

#[test]
fn the_nearest_setting_wins() {
    let all = (Some("/run/state:/other"), Some("/xdg"), Some("/home/me"));
    let path = |configured, (state, xdg, home)| at(configured, state, xdg, home).expect("a place");
    assert_eq!(path(Some("/var/state"), all), Path::new("/var/state"));
    assert_eq!(path(Some("state"), all), Path::new("/srv/proxy/state"), "relative to the working directory");
    assert_eq!(path(NOTHING, all), Path::new("/run/state"), "the first of the list");
    assert_eq!(path(NOTHING, (Some(":/second"), NOTHING, NOTHING)), Path::new("/second"));
    let hash = format!("{:016x}", xxhash_rust::xxh3::xxh3_64(b"/srv/proxy/proxy.yaml"));
    assert_eq!(path(NOTHING, (NOTHING, all.1, all.2)), Path::new("/xdg/speedmimi").join(&hash));
    assert_eq!(path(NOTHING, (Some(""), NOTHING, all.2)), Path::new("/home/me/.local/state/speedmimi").join(&hash));
    assert_eq!(
        path(NOTHING, (NOTHING, Some("relative"), all.2)),
        Path::new("/home/me/.local/state/speedmimi").join(&hash)
    );
}

#[test]
fn nowhere_is_said() {
    let error = at(NOTHING, NOTHING, NOTHING, NOTHING).expect_err("no place").to_string();
    assert!(error.contains("state.dir") && error.contains("STATE_DIRECTORY"), "{error}");
}
