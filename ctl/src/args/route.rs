//! Verbs and flags of `speedctl route`.

use clap::{Args, Subcommand};
use speedmimi_proto::v1::LoadBalancer;

use super::backend::Mutation;
use super::explain::ExplainArguments;
use super::policy::TimeoutFields;
use super::value;

/// What can be done with routes.
#[derive(Debug, Subcommand)]
pub(crate) enum RouteVerb {
    /// List routes
    List,
    /// Show one route
    Get {
        /// Name of the route
        #[arg(value_name = "ROUTE")]
        route: String,
        /// Show of each field where its value comes from
        #[arg(long)]
        explain: bool,
    },
    /// Show which backend a request would get now, and why; without any flag, a request for /
    Explain(Box<ExplainArguments>),
    /// Add a route; --upstream is needed
    Add {
        /// Name of the route
        #[arg(value_name = "ROUTE")]
        route: String,
        #[command(flatten)]
        fields: Box<RouteFields>,
        #[command(flatten)]
        mutation: Mutation,
    },
    /// Change some fields of a route; what is not named stays
    Update(Box<UpdateRouteArguments>),
    /// Take a route out; exchanges in flight on it go on to their end
    Remove {
        /// Name of the route
        #[arg(value_name = "ROUTE")]
        route: String,
        #[command(flatten)]
        mutation: Mutation,
    },
}

/// Fields of a route.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub(crate) struct RouteFields {
    /// A host it is for, such as example.com or *.example.com, given once for each; all of them are replaced
    #[arg(long = "host", value_name = "HOST")]
    pub(crate) hosts: Vec<String>,
    /// Prefix of the path, ending at a segment; the longest wins
    #[arg(long, value_name = "PATH", conflicts_with = "path_exact")]
    pub(crate) path: Option<String>,
    /// The whole path, instead of a prefix
    #[arg(long, value_name = "PATH")]
    pub(crate) path_exact: Option<String>,
    /// Where it leads
    #[arg(long, value_name = "UPSTREAM")]
    pub(crate) upstream: Option<String>,
    /// How a backend is chosen, instead of the upstream's way
    #[arg(long, value_name = "ALGORITHM", value_parser = value::algorithm())]
    pub(crate) load_balancer: Option<LoadBalancer>,
    /// How one is chosen for WebSocket upgrades
    #[arg(long, value_name = "ALGORITHM", value_parser = value::algorithm())]
    pub(crate) websocket: Option<LoadBalancer>,
    /// How one is chosen for server-sent events
    #[arg(long, value_name = "ALGORITHM", value_parser = value::algorithm())]
    pub(crate) sse: Option<LoadBalancer>,
    #[command(flatten)]
    pub(crate) timeouts: TimeoutFields,
    #[command(flatten)]
    pub(crate) headers: HeaderFields,
}

/// Edits of header fields; those of a direction are replaced as a whole.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub(crate) struct HeaderFields {
    /// A field towards the backend that gets this one value; all edits in this direction are replaced
    #[arg(long, value_name = "NAME=VALUE", value_parser = value::pair)]
    pub(crate) request_set: Vec<(String, String)>,
    /// A field towards the backend that is added beside what is there
    #[arg(long, value_name = "NAME=VALUE", value_parser = value::pair)]
    pub(crate) request_add: Vec<(String, String)>,
    /// A field that is taken out towards the backend
    #[arg(long, value_name = "NAME")]
    pub(crate) request_remove: Vec<String>,
    /// A field towards the client that gets this one value; all edits in this direction are replaced
    #[arg(long, value_name = "NAME=VALUE", value_parser = value::pair)]
    pub(crate) response_set: Vec<(String, String)>,
    /// A field towards the client that is added beside what is there
    #[arg(long, value_name = "NAME=VALUE", value_parser = value::pair)]
    pub(crate) response_add: Vec<(String, String)>,
    /// A field that is taken out towards the client
    #[arg(long, value_name = "NAME")]
    pub(crate) response_remove: Vec<String>,
}

/// What to change.
#[derive(Debug, Args)]
pub(crate) struct UpdateRouteArguments {
    /// Name of the route
    #[arg(value_name = "ROUTE")]
    pub(crate) route: String,
    #[command(flatten)]
    pub(crate) fields: RouteFields,
    /// A field that goes back to the value of the file, given once for each
    #[arg(long, value_name = "FIELD", value_parser = RESETTABLE)]
    pub(crate) reset: Vec<String>,
    #[command(flatten)]
    pub(crate) mutation: Mutation,
}

/// Fields that can go back to the value of the file.
const RESETTABLE: [&str; 16] = [
    "hosts",
    "path",
    "path_exact",
    "upstream",
    "load_balancer",
    "protocols",
    "protocols.websocket",
    "protocols.sse",
    "timeouts",
    "timeouts.connect",
    "timeouts.first_byte",
    "timeouts.idle",
    "timeouts.total",
    "headers",
    "headers.request",
    "headers.response",
];
