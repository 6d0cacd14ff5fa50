//! The double as a program, for trying selfheal by hand where no cluster is.

use clap::Parser;
use selfheal_test_kubernetes::ApiDouble;
use serde_json::Value;
use std::{error::Error, fs, net::SocketAddr, path::PathBuf};

/// A stand-in for the Kubernetes API server: plain HTTP, nothing survives its end.
///
/// It stores what it is given and serves kubectl and selfheal; there are no pods behind it. README.md says what it does not do.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Where to listen, such as 127.0.0.1:8001; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Objects to begin with: YAML, many documents in a file. May be given more than once.
    #[arg(long, value_name = "FILE")]
    objects: Vec<PathBuf>,
    /// Write a kubeconfig for this server to this file.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Let rollouts and volumes settle at once after each change, as if controllers ran.
    #[arg(long)]
    settle: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let double = ApiDouble::start_on(options.listen).map_err(|error| {
        format!("cannot listen on {}: {error}; choose another with --listen", options.listen)
    })?;
    double.settle_always(options.settle);
    for path in &options.objects {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        for object in documents.into_iter().filter(|object| !object.is_null()) {
            double.try_create(object).map_err(|refusal| format!("{}: {refusal}", path.display()))?;
        }
    }
    if let Some(path) = &options.kubeconfig {
        double.write_kubeconfig(path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    println!("serving on {}; Ctrl-C ends it", double.url());
    tokio::signal::ctrl_c().await?;
    Ok(())
}
