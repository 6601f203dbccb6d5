//! Every entry of the corpus is read as it says.

use crate::{corpus, reading};
use speedmimi_http1::Method;
use std::collections::HashSet;

#[test]
fn the_corpus_is_read_as_it_says() {
    let mut faults = Vec::new();
    let mut names = HashSet::new();
    let requests = corpus::requests();
    let responses = corpus::responses();
    let read_requests = requests.iter().map(|entry| (entry, reading::requests(&entry.bytes)));
    let read_responses = responses
        .iter()
        .map(|entry| (entry, reading::response(&entry.bytes, Method::of_name(entry.method.as_bytes()))));
    for (entry, reading) in read_requests.chain(read_responses) {
        assert!(names.insert(entry.name.clone()), "two entries are named {}", entry.name);
        if reading.to_string() != entry.ours {
            faults.push(format!("{}\n  expected {}\n  read     {reading}", entry.name, entry.ours));
        }
    }
    assert!(names.len() >= 80, "only {} entries", names.len());
    assert!(faults.is_empty(), "{} entries are read differently:\n{}", faults.len(), faults.join("\n"));
}
