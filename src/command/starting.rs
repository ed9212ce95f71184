//! The words of what starts a gateway without a file.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

/// Words of `demo`.
#[derive(Debug, Args)]
pub struct DemoWords {
    /// Forget the last demo first: its account, certificates and sessions
    #[arg(long)]
    pub fresh: bool,
    /// Where to listen.
    #[command(flatten)]
    pub listen: Listen,
}

/// Words of `up`.
#[derive(Debug, Args)]
pub struct UpWords {
    /// Hosts and the apps behind them, such as jupyter.localhost=127.0.0.1:8888
    #[arg(required = true, value_name = "HOST=UPSTREAM")]
    pub apps: Vec<String>,
    /// One account only, which signs in by a code alone or a passkey: no name, no password
    #[arg(long)]
    pub single_owner: bool,
    /// Where to listen.
    #[command(flatten)]
    pub listen: Listen,
    /// Where certificates for public names come from.
    #[command(flatten)]
    pub acme: AcmeWords,
    /// Print the gateway.toml this stands for, and run nothing
    #[arg(long)]
    pub print_config: bool,
}

/// Where certificates for public names come from.
#[derive(Debug, Args)]
pub struct AcmeWords {
    /// Agree to the terms of the authority, so that public names get certificates everybody trusts; on a terminal you are asked
    #[arg(long)]
    pub agree_tos: bool,
    /// An address that the authority may write to
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<String>,
    /// The authority [default: Let's Encrypt]
    #[arg(long, value_name = "URL")]
    pub acme_directory: Option<String>,
    /// The certificate (PEM) of a private authority
    #[arg(long, value_name = "FILE")]
    pub acme_ca: Option<PathBuf>,
}

/// Where to listen.
#[derive(Debug, Args)]
pub struct Listen {
    /// Listen here for HTTPS [default: every address, 443 or else 8443; demo: 127.0.0.1:8443]
    #[arg(long = "listen", value_name = "ADDRESS:PORT", value_parser = address)]
    pub https: Vec<SocketAddr>,
    /// Listen here for plain HTTP, which only redirects [default: 80 or else 8080; demo: 127.0.0.1:8080]
    #[arg(long = "listen-http", value_name = "ADDRESS:PORT", value_parser = address)]
    pub http: Vec<SocketAddr>,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let examples = "write an address of this machine and a port, such as 127.0.0.1:8443, or [::]:8443 for every address";
    text.parse().map_err(|_| examples.to_owned())
}
