//! `speedctl upstream`.

use speedmimi_proto::v1::{GetUpstreamRequest, RemoveUpstreamRequest};

use crate::args::{Global, UpdateUpstreamArguments, UpstreamVerb};
use crate::client::Client;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::{request, view};

/// Runs a verb of this noun.
pub(super) async fn run(verb: UpstreamVerb, global: &Global, printer: &mut Printer<'_>) -> Result<(), Failure> {
    if let UpstreamVerb::Update(arguments) = &verb {
        // What is wrong with the command line itself is said before anybody is asked.
        request::upstream::update(arguments, None, None)?;
    }
    let client = Client::connect(global).await?;
    match verb {
        UpstreamVerb::List => printer.show("ListUpstreamsResponse", &client.all_upstreams().await?, view::upstreams),
        UpstreamVerb::Get { upstream, explain } => {
            let request = GetUpstreamRequest { upstream, explain };
            let response = client.answer(client.upstreams().get_upstream(request)).await?;
            printer.show("GetUpstreamResponse", &response, |response| match explain {
                true => view::sources(&response.fields),
                false => view::upstream(response.upstream.as_ref()),
            })
        }
        UpstreamVerb::Add { upstream, fields, mutation } => {
            let request = request::upstream::add(upstream, &fields, &mutation);
            let response = client.answer(client.upstreams().add_upstream(request)).await?;
            printer.show("AddUpstreamResponse", &response, |response| {
                view::upstream_changed(response.upstream.as_ref(), "added", response.revision, mutation.dry_run)
            })
        }
        UpstreamVerb::Update(arguments) => update(&client, &arguments, printer).await,
        UpstreamVerb::Remove { upstream, force, mutation } => {
            let request = RemoveUpstreamRequest { upstream, force, options: request::options(&mutation) };
            let response = client.answer(client.upstreams().remove_upstream(request)).await?;
            printer.show("RemoveUpstreamResponse", &response, |response| {
                view::upstream_changed(response.upstream.as_ref(), "removed", response.revision, mutation.dry_run)
            })
        }
    }
}

async fn update(
    client: &Client,
    arguments: &UpdateUpstreamArguments,
    printer: &mut Printer<'_>,
) -> Result<(), Failure> {
    // A check is replaced as a whole: what was not named is kept by sending it back.
    let (check, revision) = if arguments.fields.check.keeps_rest() {
        let entry = client.upstream(&arguments.upstream).await?;
        (entry.upstream.and_then(|upstream| upstream.health_check), entry.status.map(|status| status.revision))
    } else {
        (None, None)
    };
    let request = request::upstream::update(arguments, check, revision)?;
    let response = client.answer(client.upstreams().update_upstream(request)).await?;
    printer.show("UpdateUpstreamResponse", &response, |response| {
        view::upstream_changed(response.upstream.as_ref(), "updated", response.revision, arguments.mutation.dry_run)
    })
}
