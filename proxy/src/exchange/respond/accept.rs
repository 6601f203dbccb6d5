//! Whether a client would rather read JSON (RFC 9110 §12.5.1).

/// True when `application/json` is named and no kind of text is preferred to it. A wildcard names nothing.
pub(crate) fn prefers_json(accept: &[u8]) -> bool {
    let quality = |wanted: &dyn Fn(&[u8]) -> bool| {
        accept.split(|&byte| byte == b',').filter(|part| wanted(media_type(part))).map(quality_of).fold(0.0, f32::max)
    };
    let json = quality(&|kind| kind.eq_ignore_ascii_case(b"application/json"));
    let text = quality(&|kind| kind.len() > 5 && kind[..5].eq_ignore_ascii_case(b"text/"));
    // At the same quality, a page asked for wins, a plain fallback does not.
    let page = quality(&|kind| kind.eq_ignore_ascii_case(b"text/html"));
    json > 0.0 && json >= text && json > page
}

fn media_type(part: &[u8]) -> &[u8] {
    part.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii()
}

fn quality_of(part: &[u8]) -> f32 {
    let parameters = part.split(|&byte| byte == b';').skip(1).map(<[u8]>::trim_ascii);
    let mut values = parameters.filter_map(|p| p.strip_prefix(b"q=").or_else(|| p.strip_prefix(b"Q=")));
    let Some(value) = values.next() else { return 1.0 };
    std::str::from_utf8(value)
        .ok()
        .and_then(|text| text.parse().ok())
        .filter(|q| (0.0..=1.0).contains(q))
        .unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::prefers_json;

    #[test]
    fn json_when_it_is_named_and_nothing_textual_is_preferred() {
        for accept in
            ["application/json", "application/json, text/plain, */*", "text/plain;q=0.5, application/json;q=0.9"]
        {
            assert!(prefers_json(accept.as_bytes()), "{accept}");
        }
        for accept in
            ["", "*/*", "text/html, application/json", "application/json;q=0", "text/plain, application/json;q=0.5"]
        {
            assert!(!prefers_json(accept.as_bytes()), "{accept}");
        }
    }
}
