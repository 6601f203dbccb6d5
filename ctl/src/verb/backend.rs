//! `speedctl backend`.

use speedmimi_proto::v1::{
    DisableBackendRequest, DisconnectBackendRequest, EnableBackendRequest, GetBackendRequest, RemoveBackendRequest,
};

use crate::args::{
    AddArguments, BackendVerb, ChangeArguments, DisconnectArguments, GetArguments, Global, NameArguments,
    RemoveArguments, ReportArguments, UpdateArguments,
};
use crate::client::Client;
use crate::failure::Failure;
use crate::name::{BackendName, for_new};
use crate::printer::Printer;
use crate::{request, view};

/// Runs a verb of this noun.
pub(super) async fn run(verb: BackendVerb, global: &Global, printer: &mut Printer<'_>) -> Result<(), Failure> {
    sound(&verb)?;
    let verb = match verb {
        BackendVerb::Drain(arguments) => return super::drain::drain(&arguments, global, printer).await,
        BackendVerb::Watch(arguments) => return super::watch::backends(&arguments, global, printer).await,
        verb => verb,
    };
    let client = Client::connect(global).await?;
    match verb {
        BackendVerb::List(list) => {
            let all = client.all_backends(list.upstream.as_deref()).await?;
            printer.show("ListBackendsResponse", &all, view::backends)
        }
        BackendVerb::Get(arguments) => get(&client, &arguments, printer).await,
        BackendVerb::Add(arguments) => add(&client, arguments, printer).await,
        BackendVerb::Update(arguments) => update(&client, &arguments, printer).await,
        BackendVerb::Remove(arguments) => remove(&client, &arguments, printer).await,
        BackendVerb::Enable(arguments) => enable(&client, &arguments, printer).await,
        BackendVerb::Disable(arguments) => disable(&client, &arguments, printer).await,
        BackendVerb::Disconnect(arguments) => disconnect(&client, &arguments, printer).await,
        BackendVerb::Report(arguments) => report(&client, &arguments, printer).await,
        // They connect by themselves, and again where they have to.
        BackendVerb::Drain(_) | BackendVerb::Watch(_) => Ok(()),
    }
}

/// What is wrong with the command line itself is said before anybody is asked.
fn sound(verb: &BackendVerb) -> Result<(), Failure> {
    let name = match verb {
        BackendVerb::List(_) => return Ok(()),
        BackendVerb::Add(AddArguments { name, upstream, id, .. }) => {
            &NameArguments { name: name.clone(), upstream: upstream.clone(), id: id.clone() }
        }
        BackendVerb::Update(arguments) => {
            request::update(BackendName::default(), arguments, None, None)?;
            &arguments.name
        }
        BackendVerb::Report(arguments) => {
            request::report(BackendName::default(), arguments)?;
            &arguments.name
        }
        BackendVerb::Get(arguments) => &arguments.name,
        BackendVerb::Remove(arguments) => &arguments.name,
        BackendVerb::Enable(arguments) | BackendVerb::Disable(arguments) => &arguments.name,
        BackendVerb::Disconnect(arguments) => &arguments.name,
        BackendVerb::Drain(arguments) => &arguments.name,
        BackendVerb::Watch(arguments) => &arguments.name(),
    };
    name.named().map(|_| ())
}

async fn get(client: &Client, arguments: &GetArguments, printer: &mut Printer<'_>) -> Result<(), Failure> {
    let BackendName { upstream, id } = arguments.name.resolve(client).await?;
    let request = GetBackendRequest { upstream, backend_id: id, explain: arguments.explain };
    let response = client.answer(client.backends().get_backend(request)).await?;
    printer.show("GetBackendResponse", &response, |response| match arguments.explain {
        true => view::sources(&response.fields),
        false => view::backend(response.backend.as_ref()),
    })
}

async fn add(client: &Client, arguments: AddArguments, printer: &mut Printer<'_>) -> Result<(), Failure> {
    let AddArguments { name, upstream, id, fields, mutation } = arguments;
    let (upstream, id) = for_new(&NameArguments { name, upstream, id })?;
    let request = request::add(upstream, id, &fields, &mutation);
    let response = client.answer(client.backends().add_backend(request)).await?;
    printer.show("AddBackendResponse", &response, |response| {
        view::changed(response.backend.as_ref(), "added", response.revision, mutation.dry_run)
    })
}

async fn update(client: &Client, arguments: &UpdateArguments, printer: &mut Printer<'_>) -> Result<(), Failure> {
    let name = arguments.name.resolve(client).await?;
    // A check is replaced as a whole: what was not named is kept by sending it back.
    let (check, revision) = if arguments.fields.check.keeps_rest() {
        let entry = client.backend(&name).await?;
        (entry.backend.and_then(|backend| backend.health_check), entry.status.map(|status| status.revision))
    } else {
        (None, None)
    };
    let request = request::update(name, arguments, check, revision)?;
    let response = client.answer(client.backends().update_backend(request)).await?;
    printer.show("UpdateBackendResponse", &response, |response| {
        view::changed(response.backend.as_ref(), "updated", response.revision, arguments.mutation.dry_run)
    })
}

async fn remove(client: &Client, arguments: &RemoveArguments, printer: &mut Printer<'_>) -> Result<(), Failure> {
    let BackendName { upstream, id } = arguments.name.resolve(client).await?;
    let options = request::options(&arguments.mutation);
    let request = RemoveBackendRequest { upstream, backend_id: id, force: arguments.force, options };
    let response = client.answer(client.backends().remove_backend(request)).await?;
    printer.show("RemoveBackendResponse", &response, |response| {
        view::removed(response, arguments.force, arguments.mutation.dry_run)
    })
}

async fn enable(client: &Client, arguments: &ChangeArguments, printer: &mut Printer<'_>) -> Result<(), Failure> {
    let BackendName { upstream, id } = arguments.name.resolve(client).await?;
    let options = request::options(&arguments.mutation);
    let request = EnableBackendRequest { upstream, backend_id: id, options };
    let response = client.answer(client.backends().enable_backend(request)).await?;
    printer.show("EnableBackendResponse", &response, |response| {
        view::changed(response.backend.as_ref(), "enabled", response.revision, arguments.mutation.dry_run)
    })
}

async fn disable(client: &Client, arguments: &ChangeArguments, printer: &mut Printer<'_>) -> Result<(), Failure> {
    let BackendName { upstream, id } = arguments.name.resolve(client).await?;
    let options = request::options(&arguments.mutation);
    let request = DisableBackendRequest { upstream, backend_id: id, options };
    let response = client.answer(client.backends().disable_backend(request)).await?;
    printer.show("DisableBackendResponse", &response, |response| {
        view::changed(response.backend.as_ref(), "disabled", response.revision, arguments.mutation.dry_run)
    })
}

async fn disconnect(
    client: &Client,
    arguments: &DisconnectArguments,
    printer: &mut Printer<'_>,
) -> Result<(), Failure> {
    let BackendName { upstream, id } = arguments.name.resolve(client).await?;
    let options = request::options(&arguments.mutation);
    let request = DisconnectBackendRequest { upstream, backend_id: id, keep_enabled: arguments.keep_enabled, options };
    let response = client.answer(client.backends().disconnect_backend(request)).await?;
    printer.show("DisconnectBackendResponse", &response, |response| view::cut(response, arguments.mutation.dry_run))
}

async fn report(client: &Client, arguments: &ReportArguments, printer: &mut Printer<'_>) -> Result<(), Failure> {
    let name = arguments.name.resolve(client).await?;
    let request = request::report(name.clone(), arguments)?;
    let response = client.answer(client.backends().report_performance(request)).await?;
    printer.show("ReportPerformanceResponse", &response, |response| view::reported(&name, response))
}
