//! Paths as routing sees them.

use super::*;
use proptest::prelude::*;

fn normal(path: &str) -> Result<String, PathError> {
    let mut out = b"left over".to_vec();
    normalise(path.as_bytes(), &mut out).map(|path| String::from_utf8_lossy(path).into_owned())
}

fn is(path: &str, expected: &str) {
    assert_eq!(normal(path).as_deref(), Ok(expected), "{path}");
}

#[test]
fn a_normal_path_is_borrowed() {
    let mut out = Vec::new();
    let path = b"/api/v1/users;a=b/x.y?q=/../%2e".as_slice();
    let normal = normalise(path, &mut out).expect("valid");
    assert_eq!(normal, b"/api/v1/users;a=b/x.y");
    assert!(std::ptr::eq(normal.as_ptr(), path.as_ptr()) && out.capacity() == 0);
}

#[test]
fn empty_and_asterisk_have_a_path() {
    is("", "/");
    is("?a", "/");
    is("*", "*");
    assert_eq!(normal("a/b"), Err(PathError::NotAbsolute));
}

#[test]
fn slashes_are_collapsed_and_dots_resolved() {
    is("//a///b/", "/a/b/");
    is("/a/./b/../c", "/a/c");
    is("/a/b/..", "/a/");
    is("/a/.", "/a/");
    is("/a/../", "/");
    is("/./", "/");
    is("/.well-known/x", "/.well-known/x");
    is("/a/...", "/a/...");
    is("/a//../b", "/b");
}

#[test]
fn nothing_is_above_the_root() {
    for path in ["/..", "/../a", "/a/../..", "/a/../../b", "/%2e%2e/a"] {
        assert_eq!(normal(path), Err(PathError::AboveRoot), "{path}");
    }
}

#[test]
fn unreserved_escapes_are_undone_once() {
    is("/%61%7E%2d", "/a~-");
    is("/a/%2e%2E/b", "/b");
    is("/a/.%2e/b", "/b");
    is("/%252e%252e/a", "/%252e%252e/a");
    is("/a%3ab%c3%a4", "/a%3Ab%C3%A4");
    is("/%3f%23", "/%3F%23");
}

#[test]
fn an_escaped_slash_separates() {
    is("/a%2fb", "/a/b");
    is("/@scope%2Fname", "/@scope/name");
    is("/a%2f%2Fb", "/a/b");
    is("/a%2f", "/a/");
}

#[test]
fn dots_that_servers_read_differently_are_refused() {
    for path in ["/a%2f..", "/a%2f../b", "/a/..%2fb", "/..%2fb", "/a/..;/b", "/a/..;x=1", "/a/.;/b", "/a/%2e%2e;/b"] {
        assert_eq!(normal(path), Err(PathError::AmbiguousDots), "{path}");
    }
}

#[test]
fn nul_backslash_and_broken_escapes_are_refused() {
    assert_eq!(normal("/a%00"), Err(PathError::Nul));
    assert_eq!(normal("/a\\b"), Err(PathError::Backslash));
    assert_eq!(normal("/a%5Cb"), Err(PathError::Backslash));
    for path in ["/%", "/%2", "/%zz", "/%+1", "/a%2g"] {
        assert_eq!(normal(path), Err(PathError::BadEscape), "{path}");
    }
    is("/a?\\%00%", "/a");
}

proptest! {
    #[test]
    fn a_normal_path_stays_as_it_is(path in "/([a./;]|%2e|%2f|%61|%25|%3a|\\?){0,16}") {
        if let Ok(once) = normal(&path) {
            prop_assert_eq!(normal(&once), Ok(once.clone()));
            let segments: Vec<_> = once.split('/').collect();
            prop_assert!(segments.iter().all(|segment| *segment != "." && *segment != ".."));
            prop_assert!(!once.contains("//") && !once.contains("%2F") && once.starts_with('/'));
        }
    }
}
