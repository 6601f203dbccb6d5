//! Reading: nothing makes it panic, and what is written is read back as it was.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use speedmimi_model::parse;

use crate::generate;

fn files() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["../configs", "tests/broken"].map(|folder| fs::read_dir(root.join(folder)).expect("a folder"));
    let paths = folders.into_iter().flatten().map(|entry| entry.expect("an entry").path());
    let texts = paths.filter(|path| path.extension().is_some_and(|ext| ext != "expected"));
    let mut texts: Vec<_> = texts.map(|path| fs::read_to_string(path).expect("a readable file")).collect();
    texts.sort();
    texts
}

/// Reads the text and draws its faults; only a panic or a place outside the text is wrong.
fn read(text: &str) -> Result<(), TestCaseError> {
    let Err(faults) = parse("file", text) else { return Ok(()) };
    prop_assert!(!faults.0.is_empty());
    for fault in &faults.0 {
        prop_assert!(fault.line >= 1 && fault.column >= 1, "{fault:?}");
        let lines = text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count();
        prop_assert!(fault.line as usize <= lines, "{fault:?} in {lines} lines");
    }
    for color in [false, true] {
        prop_assert!(faults.render("file", text, color).contains("file:"));
    }
    prop_assert!(!faults.to_string().is_empty());
    Ok(())
}

proptest! {
    // Whole configurations have a thousand ways to be smaller.
    #![proptest_config(ProptestConfig { max_shrink_time: 30_000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_without_a_panic(text in any::<String>()) {
        read(&text)?;
    }

    #[test]
    fn yaml_like_text_is_read_without_a_panic(
        words in proptest::collection::vec(
            select(vec![
                "backends", "server", ":", " ", "\n", "  ", "- ", "[", "]", "{", "}", ",", "\"", "'", "&a ", "*a", "!!str ",
                "|", ">", "#", "\t", "---", "...", "? ", "~", "default", "host: a", "port: 1", "\u{0}", "é", "%YAML 1.2", "<<",
            ]),
            0..60,
        ),
    ) {
        read(&words.concat())?;
    }

    #[test]
    fn damaged_files_are_read_without_a_panic(
        file in select(files()),
        damage in proptest::collection::vec((any::<Index>(), any::<Index>(), "[ -~\n\té]{0,6}"), 1..5),
    ) {
        let mut text: Vec<char> = file.chars().collect();
        for (from, length, replacement) in damage {
            let from = from.index(text.len() + 1);
            let to = (from + length.index(9)).min(text.len());
            text.splice(from..to, replacement.chars());
        }
        read(&text.into_iter().collect::<String>())?;
    }

    #[test]
    fn what_is_written_is_read_back_as_it_was(config in generate::config()) {
        let yaml = config.to_yaml();
        let read = parse("yaml", &yaml).map_err(|faults| TestCaseError::fail(faults.render("yaml", &yaml, false)))?;
        prop_assert_eq!(&read, &config, "{}", yaml);
        for json in [config.to_json().to_string(), format!("{:#}", config.to_json())] {
            let read = parse("json", &json).map_err(|faults| TestCaseError::fail(faults.render("json", &json, false)))?;
            prop_assert_eq!(&read, &config);
        }
        prop_assert!(speedmimi_model::diff(&config, &read).is_empty());
        let own = speedmimi_model::from_json(&config.to_json());
        prop_assert_eq!(own.map_err(|faults| TestCaseError::fail(faults.to_string()))?, config);
    }
}

/// Each alias is shallow and small; what they make together is neither.
#[test]
fn aliases_make_neither_depth_nor_size() {
    let mut deep = "a0: &a0 [x]\n".to_owned();
    for level in 1..200 {
        deep += &format!("a{level}: &a{level} [[[[[[[[*a{}]]]]]]]]\n", level - 1);
    }
    let wide = format!("a: &a [{}]\nb: [{}]\n", "x, ".repeat(1000), "*a, ".repeat(1000));
    for (text, told) in [(deep, "deeper than 32"), (wide, "more than 500000"), ("a: &a [*a]".into(), "no anchor")] {
        let faults = parse("aliases", &text).expect_err("too much");
        assert!(faults.to_string().contains(told), "{faults}");
    }
}

#[test]
fn many_keys_are_all_told() {
    let keys: String = (0..90_000).map(|key| format!("k{key}: 1\n")).collect();
    let faults = parse("keys", &keys).expect_err("none of them is known");
    assert_eq!(faults.0.len(), 90_001);
}
