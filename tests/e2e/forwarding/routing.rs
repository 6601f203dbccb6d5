//! Host and path to upstream.

use crate::harness::{Backend, Config, Next, Proxy};

/// Answers with its name and the target that it received.
fn labelled(name: &str) -> Backend {
    let name = name.to_owned();
    Backend::serve(move |seen, conn| {
        conn.respond("200 OK", "", format!("{name} {}", seen.target))?;
        Ok(Next::Keep)
    })
}

/// One upstream and backend for each route; a route is its name and its keys.
fn routes(list: &[(&str, &[&str])]) -> (Vec<Backend>, Proxy) {
    let mut config = Config::new();
    let mut backends = Vec::new();
    for (name, keys) in list {
        let backend = labelled(name);
        config = config.backend_of(name, "b1", backend.address(), "");
        config = config.route(name, &format!("upstream: {name}"));
        for key in *keys {
            config = config.route(name, key);
        }
        backends.push(backend);
    }
    (backends, Proxy::start(&config))
}

#[track_caller]
fn assert_goes(proxy: &Proxy, host: &str, target: &str, route: &str) {
    let mut client = proxy.client();
    client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    let response = client.response();
    if route.is_empty() {
        response.assert_refused(404, "route_not_found");
    } else {
        assert_eq!(response.text(), format!("{route} {target}"), "for {host} {target}: the path goes on as received");
    }
}

#[test]
fn the_longest_prefix_wins_and_ends_at_a_segment() {
    let (_backends, proxy) = routes(&[
        ("root", &["path: /"]),
        ("api", &["path: /api"]),
        ("deep", &["path: /api/deep"]),
        ("slash", &["path: /dir/"]),
    ]);
    for (target, route) in [
        ("/", "root"),
        ("/api", "api"),
        ("/api/", "api"),
        ("/api?x=/api/deep", "api"),
        ("/api/x", "api"),
        ("/apix", "root"),
        ("/api/deep", "deep"),
        ("/api/deep/er", "deep"),
        ("/api/deeper", "api"),
        ("/API", "root"),
        ("/dir/x", "slash"),
        ("/dirx", "root"),
    ] {
        assert_goes(&proxy, "any.test", target, route);
    }
}

#[test]
fn routing_looks_at_the_normalised_path_and_forwards_it_as_received() {
    let (_backends, proxy) = routes(&[("root", &["path: /"]), ("admin", &["path: /admin"])]);
    for target in [
        "/admin/x",
        "/x/../admin",
        "/x/%2e%2e/admin",
        "/x/.%2E/admin/y",
        "//admin",
        "/./admin",
        "/%61dmin",
        "/admin/../admin",
        "///admin//x",
        "/x/y/../../admin",
    ] {
        assert_goes(&proxy, "any.test", target, "admin");
    }
    for target in ["/admin/..", "/admin/../x", "/admin/%2e%2e/x", "/x/../y", "/adm%69nx"] {
        assert_goes(&proxy, "any.test", target, "root");
    }
}

#[test]
fn path_exact_matches_only_itself_and_wins() {
    let (_backends, proxy) = routes(&[("root", &["path: /"]), ("ping", &["path_exact: /ping"])]);
    for (target, route) in [("/ping", "ping"), ("/ping?x", "ping"), ("/ping/x", "root"), ("/pin", "root")] {
        assert_goes(&proxy, "any.test", target, route);
    }
}

#[test]
fn hosts_choose_the_route_whatever_their_case_and_port() {
    let (_backends, proxy) =
        routes(&[("one", &["host: one.test"]), ("two", &["hosts: [two.test, zwei.test]"]), ("rest", &["path: /rest"])]);
    for (host, target, route) in [
        ("one.test", "/", "one"),
        ("ONE.test", "/x", "one"),
        ("one.test:8080", "/", "one"),
        ("two.test", "/", "two"),
        ("zwei.test", "/", "two"),
        ("three.test", "/rest", "rest"),
        ("three.test", "/", ""),
        ("not-one.test", "/", ""),
        ("one.test.evil", "/", ""),
    ] {
        assert_goes(&proxy, host, target, route);
    }
}

#[test]
fn a_route_with_the_host_goes_before_one_without() {
    let (_backends, proxy) = routes(&[("any", &["path: /api"]), ("one", &["host: one.test", "path: /"])]);
    assert_goes(&proxy, "one.test", "/api", "one");
    assert_goes(&proxy, "two.test", "/api", "any");
}

#[test]
fn without_routing_everything_goes_to_the_only_upstream() {
    let backend = labelled("only");
    let proxy = Proxy::start(&Config::new().backend_of("whatever", "b1", backend.address(), ""));
    assert_eq!(proxy.get("/any").text(), "only /any");
}

#[test]
fn without_routing_everything_goes_to_upstream_default() {
    let (first, second) = (labelled("other"), labelled("default"));
    let config = Config::new().backend_of("a_other", "b1", first.address(), "").backend("b1", second.address());
    let proxy = Proxy::start(&config);
    assert_eq!(proxy.get("/any").text(), "default /any");
}

#[test]
fn absolute_form_is_routed_by_its_own_host_and_never_leaves_the_routes() {
    let (backends, proxy) = routes(&[("one", &["host: one.test"])]);
    let mut client = proxy.client();
    client.send("GET http://one.test/x HTTP/1.1\r\nHost: one.test\r\n\r\n");
    assert_eq!(client.response().text(), "one /x");
    client.send(format!("GET http://{}/x HTTP/1.1\r\nHost: one.test\r\n\r\n", backends[0].address()));
    let response = client.response();
    assert!(matches!(response.status, 400 | 404), "{response:#?}");
    assert_eq!(backends[0].flight().total(), 1);
}
