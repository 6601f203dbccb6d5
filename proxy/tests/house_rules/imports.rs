//! Which paths a file names: `use` declarations with their groups taken apart, and paths written out in code.

use crate::sources::Source;

/// The module a file of `proxy/src` is: `proxy/src/exchange/route.rs` is `[exchange, route]`; `None` for the crate's
/// own two roots.
pub(crate) fn module(path: &str) -> Option<Vec<String>> {
    let inner = path.strip_prefix("proxy/src/")?.strip_suffix(".rs")?;
    (inner != "lib" && inner != "main").then(|| inner.split('/').map(str::to_owned).collect())
}

/// Paths with the line they start on; `super` and `self` are resolved to `crate::…`.
pub(crate) fn paths(source: &Source, module: &[String]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut declaration: Option<(usize, String)> = None;
    for (number, line) in source.code() {
        let code = line.split(" //").next().unwrap_or_default().trim();
        let start =
            ["use ", "pub use ", "pub(crate) use ", "pub(super) use "].iter().find_map(|word| code.strip_prefix(word));
        match (&mut declaration, start) {
            (Some((_, text)), _) => text.push_str(code),
            (None, Some(rest)) => declaration = Some((number, rest.to_owned())),
            (None, None) => {
                for root in ["crate::", "super::", "speedmimi_proto::", "tonic::"] {
                    found.extend(code.match_indices(root).filter_map(|(at, _)| {
                        let before = code[..at].chars().next_back();
                        let whole = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':');
                        let end = code[at..].find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
                        whole.then(|| (number, resolve(&code[at..end.map_or(code.len(), |end| at + end)], module)))
                    }));
                }
            }
        }
        if let Some((number, text)) = declaration.take_if(|(_, text)| text.contains(';')) {
            let text = text.split(';').next().unwrap_or_default().replace(' ', "");
            expand("", &text, &mut |path| found.push((number, resolve(path, module))));
        }
    }
    found
}

/// Takes `a::{b, c::{d}}` apart.
fn expand(prefix: &str, text: &str, take: &mut impl FnMut(&str)) {
    let Some(open) = text.find('{') else { return take(&format!("{prefix}{text}")) };
    let prefix = format!("{prefix}{}", &text[..open]);
    let inner = &text[open + 1..text.rfind('}').unwrap_or(text.len())];
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if start < at {
                    expand(&prefix, &inner[start..at], take);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

fn resolve(path: &str, module: &[String]) -> String {
    let mut up = 0;
    let mut rest = path;
    while let Some(next) = rest.strip_prefix("super::") {
        up += 1;
        rest = next;
    }
    let local = rest.strip_prefix("self::").filter(|_| up == 0);
    if up == 0 && local.is_none() {
        return path.to_owned();
    }
    let kept = &module[..module.len().saturating_sub(up)];
    std::iter::once("crate")
        .chain(kept.iter().map(String::as_str))
        .chain([local.unwrap_or(rest)])
        .collect::<Vec<_>>()
        .join("::")
}

#[test]
fn groups_are_taken_apart() {
    let mut paths = Vec::new();
    expand("", "crate::{a,b::{c,d::e},f}", &mut |path| paths.push(path.to_owned()));
    assert_eq!(paths, ["crate::a", "crate::b::c", "crate::b::d::e", "crate::f"]);
}

#[test]
fn relative_paths_are_resolved() {
    let module = ["exchange".to_owned(), "route".to_owned()];
    assert_eq!(resolve("super::super::control::Store", &module), "crate::control::Store");
    assert_eq!(resolve("super::pick", &module), "crate::exchange::pick");
    assert_eq!(resolve("self::inner", &module), "crate::exchange::route::inner");
    assert_eq!(resolve("tonic::Status", &module), "tonic::Status");
}

#[test]
fn no_spelling_hides_an_import() {
    let text = "use crate::{\n    live::Live,\n    control::Store,\n};\n// use crate::admin;\nlet x = super::super::health::probe(); // crate::app\n";
    let source = Source::of("proxy/src/exchange/route.rs", text);
    let module = module(&source.path).expect("a module");
    let found = paths(&source, &module);
    assert_eq!(
        found,
        [
            (1, "crate::live::Live".to_owned()),
            (1, "crate::control::Store".to_owned()),
            (6, "crate::health::probe".to_owned())
        ]
    );
}
