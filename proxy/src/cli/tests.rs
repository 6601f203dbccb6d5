use clap::CommandFactory;

use super::*;

fn parse(line: &str) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(single_dash(line.split(' ').map(OsString::from)))
}

fn run_arguments(line: &str) -> RunArguments {
    let arguments = parse(line).expect(line);
    match arguments.command {
        None => arguments.run,
        Some(Command::Run(run)) => run,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn the_declaration_is_sound() {
    Arguments::command().debug_assert();
}

#[test]
fn a_file_is_named_in_every_spelling_with_and_without_run() {
    for line in [
        "speedmimi -c f.yaml",
        "speedmimi run -c f.yaml",
        "speedmimi -config f.yaml",
        "speedmimi -config=f.yaml",
        "speedmimi --config f.yaml --announce",
        "speedmimi run -config f.yaml",
    ] {
        let arguments = run_arguments(line);
        assert_eq!(arguments.config, Some(PathBuf::from("f.yaml")), "{line}");
        assert_eq!(arguments.announce, line.contains("announce"));
    }
}

#[test]
fn flags_make_a_configuration_without_a_file() {
    let line = "speedmimi --host 127.0.0.1 --port 0 --algorithm random --debug --backend a:81 --backend [::1]:82";
    let arguments = run_arguments(line);
    assert!(matches!(source(&arguments), Ok(app::ConfigSource::Inline(_))));
    assert_eq!(run_arguments("speedmimi --backend a:81").algorithm, "round_robin");
}

#[test]
fn what_means_nothing_is_refused() {
    for line in [
        "speedmimi --backend a",
        "speedmimi --backend a:0",
        "speedmimi --backend ::1:80",
        "speedmimi --backend a:80 --algorithm best",
        "speedmimi -c f --backend a:80",
        "speedmimi --port 80",
        "speedmimi forward --target-host h",
        "speedmimi backend --ports many",
        "speedmimi check",
        "speedmimi serve",
    ] {
        assert!(parse(line).is_err_and(|error| error.use_stderr()), "{line}");
    }
    assert!(source(&run_arguments("speedmimi")).is_err_and(|text| text.contains("demo")));
}

#[test]
fn an_example_backend_takes_one_port_or_several() {
    for (line, expected) in [
        ("speedmimi backend", vec![8081]),
        ("speedmimi backend --port 8001 --id b1", vec![8001]),
        ("speedmimi backend --ports 8001,8002", vec![8001, 8002]),
    ] {
        match parse(line).expect(line).command {
            Some(Command::Backend(backend)) => assert_eq!(backend.ports.0, expected),
            other => panic!("{line}: {other:?}"),
        }
    }
    let spaced = ["speedmimi", "backend", "--ports", "8001 8002"].map(OsString::from);
    assert!(Arguments::try_parse_from(spaced).is_ok());
}
