//! Reading the Prometheus text format.

/// One sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: Vec<(String, String)>,
    pub value: f64,
}

/// Every sample of a text. Label values of the product hold no quotes, commas or braces that would need care.
#[track_caller]
pub fn samples(text: &str) -> Vec<Sample> {
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(sample).collect()
}

#[track_caller]
fn sample(line: &str) -> Sample {
    let (head, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("not a sample: {line}"));
    let (name, labels) = head.split_once('{').unwrap_or((head, ""));
    let labels = labels.trim_end_matches('}').split("\",").filter(|label| !label.is_empty()).map(|label| {
        let (key, value) = label.split_once("=\"").unwrap_or_else(|| panic!("not a label: {label} in {line}"));
        (key.to_owned(), value.trim_end_matches('"').to_owned())
    });
    let value = value.parse().unwrap_or_else(|_| panic!("not a value: {line}"));
    Sample { name: name.to_owned(), labels: labels.collect(), value }
}

/// Sum of the samples with that name that have these labels.
#[track_caller]
pub fn sum(text: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let fits = |sample: &Sample| {
        sample.name == name
            && labels.iter().all(|(key, value)| sample.labels.iter().any(|(k, v)| k == key && v == value))
    };
    samples(text).iter().filter(|sample| fits(sample)).map(|sample| sample.value).sum()
}
