//! Flags of `speedctl route explain`.

use clap::Args;

use super::stream::Protocol;
use super::value;

/// What a pick is explained for: an upstream, a route, or an example request.
#[derive(Debug, Clone, Args)]
pub(crate) struct ExplainArguments {
    /// An upstream, by its own algorithm
    #[arg(value_name = "UPSTREAM", conflicts_with_all = ["route", "host", "path", "method", "headers"])]
    pub(crate) upstream: Option<String>,
    /// A route
    #[arg(long, value_name = "ROUTE", conflicts_with_all = ["host", "path", "method", "headers"])]
    pub(crate) route: Option<String>,
    /// Host of an example request
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Option<String>,
    /// Path of an example request
    #[arg(long, value_name = "PATH")]
    pub(crate) path: Option<String>,
    /// Method of an example request
    #[arg(long, value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// A header field of an example request, given once for each, such as accept=text/event-stream
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = value::pair)]
    pub(crate) headers: Vec<(String, String)>,
    /// The address that connects
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) client: Option<String>,
    /// What an exchange on the route is; a request says it by its header
    #[arg(long, value_name = "PROTOCOL", conflicts_with_all = ["host", "path", "method", "headers"])]
    pub(crate) protocol: Option<Protocol>,
    /// The worker that is asked: each has turns and draws of its own
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = value::whole::<u32>)]
    pub(crate) worker: u32,
}
