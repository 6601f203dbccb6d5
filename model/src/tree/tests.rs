use super::*;

fn shape(node: &Node) -> String {
    match &node.value {
        Value::Null => "~".into(),
        Value::Scalar(text) => format!("{text:?}"),
        Value::Sequence(items) => format!("[{}]", items.iter().map(shape).collect::<Vec<_>>().join(", ")),
        Value::Mapping(entries) => {
            let entries = entries.iter().map(|(key, node)| format!("{}: {}", key.text, shape(node)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

fn told(text: &str) -> String {
    match read(text) {
        Ok(node) => shape(&node),
        Err(fault) => format!("{}:{}: {}", fault.line, fault.column, fault.message),
    }
}

#[test]
fn comments_say_nothing_wherever_they_stand() {
    assert_eq!(told("# first\na: 1 # behind\n# between\nb:\n  # before\n  - 2\n  # last\n"), told("a: 1\nb: [2]\n"));
    assert_eq!(told("# nothing else\n"), "~");
}

#[test]
fn json_is_read_however_it_is_laid_out() {
    let plain = told("{\"a\": [1, {\"b\": \"x\"}], \"c\": null}");
    assert_eq!(plain, "{a: [\"1\", {b: \"x\"}], c: ~}");
    assert_eq!(told("{\n\t\"a\": [1,\n\t\t{\"b\":\"x\"}],\r\n\t\"c\":null\n}\n"), plain);
}

#[test]
fn json_escapes_beyond_the_first_plane_are_read() {
    assert_eq!(told("{\"a\": \"\\ud83d\\ude00 \\/ \\u00e9\"}"), "{a: \"😀 / é\"}");
}

#[test]
fn a_byte_order_mark_and_other_line_ends_do_not_matter() {
    assert_eq!(told("\u{feff}a: 1\nb: 2\n"), told("a: 1\r\nb: 2\r\n"));
}

#[test]
fn quotes_keep_a_word_from_being_nothing() {
    assert_eq!(told("[null, ~, Null, 'null', \"\"]"), "[~, ~, ~, \"null\", \"\"]");
    assert_eq!(told("a:\nb: ''"), "{a: ~, b: \"\"}");
}

#[test]
fn places_are_counted_in_characters_from_one() {
    let node = read("a: {\"ключ\": x, b: y}\n").expect("YAML");
    let Value::Mapping(entries) = &node.value else { panic!("a mapping") };
    let Value::Mapping(inner) = &entries[0].1.value else { panic!("a mapping") };
    assert_eq!(inner[0].0.place, Place { line: 1, column: 5 });
    assert_eq!(inner[1].1.place, Place { line: 1, column: 19 });
}

#[test]
fn aliases_are_resolved_within_bounds() {
    assert_eq!(told("a: &x [1, 2]\nb: *x"), "{a: [\"1\", \"2\"], b: [\"1\", \"2\"]}");
    let mut laughs = "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let alias = format!("*l{}, ", level - 1).repeat(9);
        laughs += &format!("l{level}: &l{level} [{alias}*l{}]\n", level - 1);
    }
    assert!(told(&laughs).ends_with("values, aliases included"), "{}", told(&laughs));
    // Few values, but each of them long.
    let long = format!("a: &x \"{}\"\nb: [{}*x]\n", "x".repeat(1 << 20), "*x, ".repeat(50));
    assert!(told(&long).ends_with("bytes of text, aliases included"));
    assert!(told("a: *unknown").contains("not YAML"), "{}", told("a: *unknown"));
    assert!(told("a: &a [*a]").starts_with("1:"), "{}", told("a: &a [*a]"));
}

#[test]
fn size_and_depth_are_bounded() {
    assert!(told(&"#".repeat(SIZE + 1)).contains("at most"));
    assert!(told(&"- ".repeat(40)).contains("deeper"), "{}", told(&"- ".repeat(40)));
    // Beyond that the parser has a bound of its own.
    assert!(told(&"[".repeat(100_000)).contains("recursion"), "{}", told(&"[".repeat(100_000)));
}

#[test]
fn one_document_is_read() {
    assert_eq!(told("a: 1\n---\nb: 2\n"), "2:1: a second document begins; one is read");
    assert_eq!(told("---\na: 1\n...\n"), "{a: \"1\"}");
}
