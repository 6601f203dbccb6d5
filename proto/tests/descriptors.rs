//! What the management API promises and no linter of protocol buffers can check.

use prost::Message as _;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    ServiceDescriptorProto,
};

/// Calls that change what the proxy does, and so make or show a revision. What is in neither list is a fault of the
/// test: whoever adds a call decides here what it is.
const MUTATIONS: [&str; 17] = [
    "AddBackend",
    "UpdateBackend",
    "RemoveBackend",
    "EnableBackend",
    "DisableBackend",
    "DisconnectBackend",
    "DrainBackend",
    "AddUpstream",
    "UpdateUpstream",
    "RemoveUpstream",
    "AddRoute",
    "UpdateRoute",
    "RemoveRoute",
    "ApplyConfig",
    "ReloadConfig",
    "ClearOverlay",
    "RollbackConfig",
];
/// Calls that do something to the process and leave the configuration as it is: no revision, but they can be tried.
const ACTS: [&str; 3] = ["KillStreams", "SetLogLevel", "DrainServer"];
/// Calls that change nothing an operator would have to undo.
const OTHERS: [&str; 19] = [
    "ListRevisions",
    "ListStreams",
    "ExplainPick",
    "ListBackends",
    "GetBackend",
    "ListUpstreams",
    "GetUpstream",
    "ListRoutes",
    "GetRoute",
    "ReportPerformance",
    "GetConfig",
    "GetServerStats",
    "GetUpstreamStats",
    "GetBackendStats",
    "GetServerInfo",
    "WatchBackends",
    "WatchConfig",
    "WatchStats",
    "WatchEvents",
];

const PACKAGE: &str = "speedmimi.v1";

fn files() -> Vec<FileDescriptorProto> {
    let set = FileDescriptorSet::decode(speedmimi_proto::FILE_DESCRIPTOR_SET).expect("the build wrote a valid set");
    set.file.into_iter().filter(|file| file.package() == PACKAGE).collect()
}

fn calls() -> Vec<String> {
    files()
        .iter()
        .flat_map(|file| &file.service)
        .flat_map(|service| &service.method)
        .map(|m| m.name().to_owned())
        .collect()
}

fn message(name: &str) -> DescriptorProto {
    let all = files().into_iter().flat_map(|file| file.message_type);
    all.into_iter().find(|message| message.name() == name).unwrap_or_else(|| unreachable!("no message {name}"))
}

fn field(message: &DescriptorProto, name: &str) -> Option<FieldDescriptorProto> {
    message.field.iter().find(|field| field.name() == name).cloned()
}

/// Type of a field of messages, as `speedmimi.v1.Backend`.
fn type_of(message: &DescriptorProto, name: &str) -> Option<String> {
    field(message, name).map(|field| field.type_name().trim_start_matches('.').to_owned())
}

#[test]
fn every_call_is_known_here() {
    let mut known: Vec<&str> = MUTATIONS.into_iter().chain(ACTS).chain(OTHERS).collect();
    let mut calls = calls();
    known.sort_unstable();
    calls.sort_unstable();
    assert_eq!(calls, known);
}

#[test]
fn every_call_has_messages_of_its_own() {
    for service in files().iter().flat_map(|file| &file.service) {
        for method in &service.method {
            let name = method.name();
            assert_eq!(method.input_type(), format!(".{PACKAGE}.{name}Request"));
            assert_eq!(method.output_type(), format!(".{PACKAGE}.{name}Response"));
        }
    }
}

#[test]
fn every_mutation_answers_with_the_revision() {
    for call in MUTATIONS {
        let revision = field(&message(&format!("{call}Response")), "revision");
        let kind = revision.map(|field| field.r#type());
        assert_eq!(kind, Some(prost_types::field_descriptor_proto::Type::Uint64), "{call}");
    }
}

#[test]
fn every_mutation_can_be_tried_first() {
    for call in MUTATIONS.into_iter().chain(ACTS) {
        let request = message(&format!("{call}Request"));
        let options = type_of(&request, "options");
        assert_eq!(options.as_deref(), Some("speedmimi.v1.MutationOptions"), "{call}");
    }
}

#[test]
fn every_update_has_a_mask() {
    let calls = calls();
    let updates: Vec<&String> = calls.iter().filter(|call| call.starts_with("Update")).collect();
    assert!(!updates.is_empty());
    for call in updates {
        let mask = type_of(&message(&format!("{call}Request")), "update_mask");
        assert_eq!(mask.as_deref(), Some("google.protobuf.FieldMask"), "{call}");
    }
}

#[test]
fn every_list_comes_in_pages() {
    let calls = calls();
    let lists: Vec<&String> = calls.iter().filter(|call| call.starts_with("List")).collect();
    assert!(!lists.is_empty());
    for call in lists {
        let (request, response) = (message(&format!("{call}Request")), message(&format!("{call}Response")));
        for (message, name) in [(&request, "page_size"), (&request, "page_token"), (&response, "next_page_token")] {
            assert!(field(message, name).is_some(), "{call}: {name}");
        }
    }
}

#[test]
fn whoever_names_a_backend_uses_the_same_two_fields() {
    for message in files().into_iter().flat_map(|file| file.message_type) {
        if message.name().ends_with("Request") && field(&message, "backend_id").is_some() {
            assert_eq!(field(&message, "upstream").map(|field| field.number()), Some(1), "{}", message.name());
            assert_eq!(field(&message, "backend_id").map(|field| field.number()), Some(2), "{}", message.name());
        }
    }
}

#[test]
fn times_are_times_and_not_numbers() {
    const UNITS: [&str; 6] = ["_ms", "_s", "_seconds", "_millis", "_us", "_ns"];
    for message in files().into_iter().flat_map(|file| file.message_type) {
        for field in &message.field {
            let name = field.name();
            assert!(!UNITS.iter().any(|unit| name.ends_with(unit)), "{}.{name}", message.name());
        }
    }
}

/// Everything declared in a file, with its path as `SourceCodeInfo` counts it and its name for people.
fn declared(file: &FileDescriptorProto) -> Vec<(Vec<i32>, String)> {
    let mut all = Vec::new();
    for (index, message) in (0..).zip(&file.message_type) {
        in_message(message, &[4, index], message.name(), &mut all);
    }
    for (index, kind) in (0..).zip(&file.enum_type) {
        in_enum(kind, &[5, index], kind.name(), &mut all);
    }
    for (index, service) in (0..).zip(&file.service) {
        in_service(service, &[6, index], &mut all);
    }
    all
}

fn in_message(message: &DescriptorProto, path: &[i32], name: &str, all: &mut Vec<(Vec<i32>, String)>) {
    // Entries of maps are written by the compiler.
    if message.options.as_ref().is_some_and(|options| options.map_entry()) {
        return;
    }
    all.push((path.to_vec(), name.to_owned()));
    for (index, field) in (0..).zip(&message.field) {
        all.push(([path, &[2, index]].concat(), format!("{name}.{}", field.name())));
    }
    for (index, inner) in (0..).zip(&message.nested_type) {
        in_message(inner, &[path, &[3, index]].concat(), &format!("{name}.{}", inner.name()), all);
    }
    for (index, inner) in (0..).zip(&message.enum_type) {
        in_enum(inner, &[path, &[4, index]].concat(), &format!("{name}.{}", inner.name()), all);
    }
}

fn in_enum(kind: &EnumDescriptorProto, path: &[i32], name: &str, all: &mut Vec<(Vec<i32>, String)>) {
    all.push((path.to_vec(), name.to_owned()));
    for (index, value) in (0..).zip(&kind.value) {
        all.push(([path, &[2, index]].concat(), value.name().to_owned()));
    }
}

fn in_service(service: &ServiceDescriptorProto, path: &[i32], all: &mut Vec<(Vec<i32>, String)>) {
    all.push((path.to_vec(), service.name().to_owned()));
    for (index, method) in (0..).zip(&service.method) {
        all.push(([path, &[2, index]].concat(), format!("{}.{}", service.name(), method.name())));
    }
}

#[test]
fn everything_says_what_it_is_for() {
    let mut silent = Vec::new();
    let mut seen = 0;
    for file in files() {
        let source = file.source_code_info.clone().expect("the build keeps the source information");
        for (path, name) in declared(&file) {
            let place = source.location.iter().find(|location| location.path == path);
            let said = place.is_some_and(|location| !location.leading_comments().trim().is_empty());
            seen += 1;
            if !said {
                silent.push(name);
            }
        }
    }
    assert!(seen > 150, "only {seen} declarations found");
    assert!(silent.is_empty(), "without a comment: {silent:?}");
}

#[test]
fn every_enum_begins_with_not_said() {
    for kind in files().into_iter().flat_map(|file| file.enum_type) {
        let first = kind.value.first().map(|value| (value.number(), value.name().ends_with("_UNSPECIFIED")));
        assert_eq!(first, Some((0, true)), "{}", kind.name());
    }
}
