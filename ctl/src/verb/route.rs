//! `speedctl route`.

use speedmimi_proto::v1::{GetRouteRequest, RemoveRouteRequest};

use crate::args::{Global, RouteVerb};
use crate::client::Client;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::{request, view};

/// Runs a verb of this noun.
pub(super) async fn run(verb: RouteVerb, global: &Global, printer: &mut Printer<'_>) -> Result<(), Failure> {
    if let RouteVerb::Update(arguments) = &verb {
        // What is wrong with the command line itself is said before anybody is asked.
        request::route::update(arguments)?;
    }
    let client = Client::connect(global).await?;
    match verb {
        RouteVerb::List => printer.show("ListRoutesResponse", &client.all_routes().await?, view::routes),
        RouteVerb::Get { route, explain } => {
            let response = client.answer(client.routes().get_route(GetRouteRequest { route, explain })).await?;
            printer.show("GetRouteResponse", &response, |response| match explain {
                true => view::sources(&response.fields),
                false => view::route(response.route.as_ref()),
            })
        }
        RouteVerb::Explain(arguments) => {
            let request = request::stream::explain(&arguments);
            let response = client.answer(client.routes().explain_pick(request)).await?;
            printer.show("ExplainPickResponse", &response, view::explained)
        }
        RouteVerb::Add { route, fields, mutation } => {
            let request = request::route::add(route, &fields, &mutation);
            let response = client.answer(Box::pin(client.routes().add_route(request))).await?;
            printer.show("AddRouteResponse", &response, |response| {
                view::route_changed(response.route.as_ref(), "added", response.revision, mutation.dry_run)
            })
        }
        RouteVerb::Update(arguments) => {
            let request = request::route::update(&arguments)?;
            let response = client.answer(Box::pin(client.routes().update_route(request))).await?;
            printer.show("UpdateRouteResponse", &response, |response| {
                view::route_changed(response.route.as_ref(), "updated", response.revision, arguments.mutation.dry_run)
            })
        }
        RouteVerb::Remove { route, mutation } => {
            let request = RemoveRouteRequest { route, options: request::options(&mutation) };
            let response = client.answer(client.routes().remove_route(request)).await?;
            printer.show("RemoveRouteResponse", &response, |response| {
                view::route_changed(response.route.as_ref(), "removed", response.revision, mutation.dry_run)
            })
        }
    }
}
