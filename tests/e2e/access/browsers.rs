//! Pages of the web reach nothing.

use crate::harness::{Client, Config, Proxy, named};

#[test]
fn the_admin_face_refuses_pages_of_other_origins() {
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let address = proxy.admin_address();
    let own = format!("Origin: http://{address}\r\n");
    for (fields, status) in [
        ("", 200),
        (own.as_str(), 200),
        ("Sec-Fetch-Site: none\r\n", 200),
        ("Sec-Fetch-Site: same-origin\r\n", 200),
        ("Origin: https://evil.example\r\n", 403),
        ("Origin: null\r\n", 403),
        ("Sec-Fetch-Site: cross-site\r\n", 403),
        ("Sec-Fetch-Site: same-site\r\n", 403),
    ] {
        let mut client = Client::connect(address);
        client.send(format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\n{fields}Connection: close\r\n\r\n"));
        assert_eq!(client.response().status, status, "{fields:?}");
    }
    for (fields, status) in
        [("Sec-Fetch-Site: same-origin\r\n", 403), ("Sec-Fetch-Site: same-origin\r\nX-SpeedMimi: 1\r\n", 405)]
    {
        let mut client = Client::connect(address);
        client.send(format!(
            "POST /metrics HTTP/1.1\r\nHost: {address}\r\n{fields}Content-Length: 0\r\nConnection: close\r\n\r\n"
        ));
        assert_eq!(client.response().status, status, "{fields:?}");
    }
}

#[test]
fn the_grpc_face_refuses_every_browser() {
    use speedmimi_proto::v1::GetServerInfoRequest;
    let backend = named("b1");
    let proxy = Proxy::start(&Config::one(backend.address()));
    let management = proxy.management();
    for (name, value) in [("origin", "http://127.0.0.1"), ("sec-fetch-site", "none")] {
        let mut request = tonic::Request::new(GetServerInfoRequest {});
        request.metadata_mut().insert(name, value.parse().expect("ASCII"));
        let refusal = management.call(management.server().get_server_info(request)).expect_err("a browser");
        assert_eq!(refusal.code(), tonic::Code::PermissionDenied, "{refusal:?}");
    }
}
