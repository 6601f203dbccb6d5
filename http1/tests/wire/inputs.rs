//! Generated heads: mostly valid, sometimes nearly.

use proptest::prelude::*;

/// A request head put together from usual and unusual parts.
pub(crate) fn request_head() -> impl Strategy<Value = Vec<u8>> {
    let line = (
        prop_oneof![4 => Just("GET"), 2 => Just("POST"), 1 => Just("OPTIONS"), 1 => Just("BREW"), 1 => Just("")],
        prop_oneof![
            4 => "/[a-z0-9/?=&%.~-]{0,20}",
            1 => "http://[a-z.]{1,9}(:[0-9]{1,3})?/[a-z]{0,4}",
            1 => Just("*".to_owned()),
            1 => "[ -~]{1,8}",
        ],
        prop_oneof![8 => Just("HTTP/1.1"), 2 => Just("HTTP/1.0"), 1 => Just("HTTP/1.2"), 1 => Just("")],
    );
    (line, fields(), noise()).prop_map(|((method, target, version), fields, noise)| {
        disturbed(format!("{method} {target} {version}\r\n"), fields, noise)
    })
}

/// A response head put together from usual and unusual parts.
pub(crate) fn response_head() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        6 => "HTTP/1\\.[01] [1-5][0-9][0-9] [ -~]{0,12}",
        1 => "HTTP/1\\.1 [1-9][0-9][0-9]",
        1 => "HTTP/[0-9]\\.[0-9] [0-9]{1,4} x",
    ];
    (line, fields(), noise()).prop_map(|(line, fields, noise)| disturbed(line + "\r\n", fields, noise))
}

fn fields() -> impl Strategy<Value = Vec<String>> {
    let field = prop_oneof![
        6 => Just("Host: example.com\r\n".to_owned()),
        2 => Just("Content-Length: 5\r\n".to_owned()),
        2 => Just("Transfer-Encoding: chunked\r\n".to_owned()),
        2 => Just("Connection: close, x-a\r\n".to_owned()),
        4 => "[A-Za-z-]{1,12}: ?[ -~\t\u{e4}]{0,30} ?\r\n",
        1 => "[ -~]{1,12}: ?[ -~]{0,8}\r?\n",
    ];
    proptest::collection::vec(field, 0..8)
}

/// At most one byte that is put somewhere.
fn noise() -> impl Strategy<Value = Option<(usize, u8)>> {
    prop_oneof![
        3 => Just(None),
        1 => (any::<usize>(), prop_oneof![Just(b'\r'), Just(b'\n'), Just(b' '), Just(b'\t'), Just(0), Just(b':'), any::<u8>()])
            .prop_map(Some),
    ]
}

fn disturbed(line: String, fields: Vec<String>, noise: Option<(usize, u8)>) -> Vec<u8> {
    let mut bytes = (line + &fields.concat() + "\r\n").into_bytes();
    if let Some((place, byte)) = noise {
        bytes.insert(place % (bytes.len() + 1), byte);
    }
    bytes
}
