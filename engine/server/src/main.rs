//! The binary `selfheal`.

use std::path::PathBuf;

use clap::Parser;
use selfheal_server::config::Overrides;
use selfheal_server::load::Place;

#[derive(Parser)]
#[command(version)]
enum Command {
    Serve {
        #[arg(long)]
        config: Option<PathBuf>,
        #[arg(long)]
        rules: Option<String>,
        #[arg(long)]
        data: Option<String>,
        #[arg(long)]
        listen: Option<String>,
    },
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    rustls::crypto::ring::default_provider().install_default().expect("nobody else has installed one");
    let Command::Serve { config, rules, data, listen } = Command::parse();
    let place = Place { file: config, overrides: Overrides { listen, data, rules } };
    match selfheal_server::serve::serve(&place, None).await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{fault}");
            std::process::ExitCode::from(2)
        }
    }
}
