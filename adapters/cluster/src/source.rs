//! From a cluster's settings to a client: reads files and the service account, on first use and again when the server no
//! longer accepts what was read.

use kube::config::{
    AuthInfo, Cluster, Context, KubeConfigOptions, Kubeconfig, NamedAuthInfo, NamedCluster, NamedContext,
};
use kube::{Client, Config};

use crate::settings::{ClusterSettings, Timeouts, Where};

/// Why there is no client; a text for the operator.
#[derive(Debug)]
pub(crate) enum NoClient {
    /// Nobody has said where the cluster is, and selfheal runs in none: waiting does not help.
    NotConfigured(String),
    /// What was said cannot be used, at the moment or ever.
    Unusable(String),
}

impl From<String> for NoClient {
    fn from(words: String) -> Self {
        Self::Unusable(words)
    }
}

/// Makes a client; blocks on files, and on the program that a kubeconfig may name for its token.
///
/// # Errors
/// There is none, because.
pub(crate) async fn client(settings: &ClusterSettings, timeouts: Timeouts) -> Result<Client, NoClient> {
    let mut config = config(settings).await?;
    config.connect_timeout = Some(timeouts.connect.duration());
    // A retry of the library's own would repeat a change that a 504 leaves open; what may be repeated is decided here.
    config.default_retry = false;
    Client::try_from(config).map_err(|fault| fault.to_string().into())
}

async fn config(settings: &ClusterSettings) -> Result<Config, NoClient> {
    let url = settings
        .url
        .as_ref()
        .map(|url| url.parse::<http::Uri>().map_err(|fault| format!("url {url:?}: {fault}")))
        .transpose()?;
    let found = match &settings.at {
        Where::InCluster => Config::incluster().map_err(|fault| {
            NoClient::NotConfigured(format!(
                "selfheal does not run in a cluster ({fault}); name the one that it is to act on under \
                 adapters.kubernetes.clusters, or set KUBERNETES_URL (KUBECONFIG and ~/.kube/config are not looked at)"
            ))
        }),
        Where::Kubeconfig { path, context } => {
            let of =
                |fault: &dyn std::fmt::Display| format!("the kubeconfig {path:?} cannot be used: {fault}");
            let file = Kubeconfig::read_from(path).map_err(|fault| of(&fault))?;
            let options = KubeConfigOptions { context: context.clone(), ..KubeConfigOptions::default() };
            Config::from_custom_kubeconfig(file, &options).await.map_err(|fault| of(&fault).into())
        }
        Where::Address { url, token_file, ca_file } => {
            let file = kubeconfig(url, token_file.clone(), ca_file.clone());
            Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
                .await
                .map_err(|fault| fault.to_string().into())
        }
    };
    match (found, url) {
        (Ok(mut config), Some(url)) => {
            config.cluster_url = url;
            Ok(config)
        }
        // An address alone is enough for a server that asks for no login, such as `kubectl proxy`.
        (Err(_), Some(url)) if settings.at == Where::InCluster => Ok(Config::new(url)),
        (found, _) => found,
    }
}

/// Whether selfheal runs in a cluster.
pub(crate) fn is_inside() -> bool {
    Config::incluster().is_ok()
}

fn kubeconfig(url: &str, token_file: Option<String>, ca_file: Option<String>) -> Kubeconfig {
    let name = || "selfheal".to_owned();
    let cluster =
        Cluster { server: Some(url.to_owned()), certificate_authority: ca_file, ..Cluster::default() };
    let user = AuthInfo { token_file, ..AuthInfo::default() };
    let context = Context { cluster: name(), user: Some(name()), ..Context::default() };
    Kubeconfig {
        clusters: vec![NamedCluster { name: name(), cluster: Some(cluster), ..NamedCluster::default() }],
        auth_infos: vec![NamedAuthInfo { name: name(), auth_info: Some(user), ..NamedAuthInfo::default() }],
        contexts: vec![NamedContext { name: name(), context: Some(context), ..NamedContext::default() }],
        current_context: Some(name()),
        ..Kubeconfig::default()
    }
}
