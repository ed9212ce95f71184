//! One look at each app once the gateway is ready, so that whoever started it learns at once what stands in the way, in the
//! place where they look. Nothing waits for it, and nothing depends on what it finds.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use crate::base::task;
use crate::command::output::Output;
use crate::model::event::Event;
use crate::plan::app::App;
use crate::plan::upstream::{Address, Origin, Upstream};
use crate::plan::whole::origin_of;
use crate::proxy::fault::Fault;
use crate::proxy::peer::Peer;
use crate::proxy::tls_trouble::TlsTrouble;
use crate::wire::symptom::{Symptom, recognise};

/// How long an app may take to be found, to answer, and to end its answer, all together.
const PATIENCE: Duration = Duration::from_secs(2);
/// What is read of an answer at most, in bytes.
const MOST: usize = 64 * 1024;

/// What came of asking an app.
#[derive(Debug)]
enum Found {
    /// Nobody takes the connection.
    Nothing,
    /// Its name leads nowhere.
    NoSuchName(io::Error),
    /// No TLS connection that can be trusted comes about.
    Distrust(TlsTrouble),
    /// It takes the connection and says nothing.
    Silence,
    /// It said something.
    Answer(Vec<u8>),
}

/// Looks at every app at the same time, each within two seconds. Call within a runtime.
pub fn look_at(apps: &[Arc<App>], https_port: u16, output: Output) {
    for app in apps {
        let app = Arc::clone(app);
        task::start("look at app", async move {
            if let Some(remark) = remark_on(&app, https_port).await {
                tell(&app, &remark, output);
            }
        });
    }
}

/// What stands in the way of an app, looked at once within two seconds.
pub async fn remark_on(app: &App, https_port: u16) -> Option<String> {
    let found = ask(app, https_port).await;
    remark(&app.upstream, found)
}

fn tell(app: &App, remark: &str, output: Output) {
    if output.json {
        warn!(event = Event::AppRemark.name(), app = app.name, "{remark}");
    } else {
        output.remark(&format!("{}: {remark}", app.name));
    }
}

/// A plain `GET /` under the name that browsers will use: some apps answer by name.
async fn ask(app: &App, https_port: u16) -> Found {
    let until = Instant::now() + PATIENCE;
    if let Origin::Http(Address { host, port }) | Origin::Https(Address { host, port }) = &app.upstream.origin {
        match timeout_at(until, lookup_host((host.as_str(), *port))).await {
            Ok(Ok(_)) => {}
            Ok(Err(fault)) => return Found::NoSuchName(fault),
            Err(_) => return Found::NoSuchName(io::ErrorKind::TimedOut.into()),
        }
    }
    let proof = app.trust.proof();
    let mut stream = match timeout_at(until, Peer::connect(app, proof.as_deref())).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(Fault::Tls { trouble, .. })) => return Found::Distrust(trouble),
        Ok(Err(_)) | Err(_) => return Found::Nothing,
    };
    let host = app.patterns().next().map(|host| origin_of(&host.example(), https_port)).unwrap_or_default();
    let host = host.trim_start_matches("https://");
    let path = if app.mount.strips() { "/".to_owned() } else { app.mount.to_string() };
    let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: doorward\r\nAccept: */*\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    let read = async {
        stream.write_all(head.as_bytes()).await?;
        while answer.len() < MOST && stream.read_buf(&mut answer).await? > 0 {}
        io::Result::Ok(())
    };
    // Cut off in the middle, what came until then still tells.
    let in_time = timeout_at(until, read).await.is_ok();
    if answer.is_empty() && !in_time { Found::Silence } else { Found::Answer(answer) }
}

/// What is said of it; `None` if there is nothing to say.
fn remark(upstream: &Upstream, found: Found) -> Option<String> {
    let at = upstream.origin.place();
    let symptom = match found {
        Found::Nothing => {
            let advice = "start the app, Doorward will pass requests on as soon as it does";
            return Some(format!("nothing answers at {at} yet; {advice}"));
        }
        Found::NoSuchName(fault) => return Some(format!("the name in {at} leads nowhere yet: {fault}")),
        Found::Distrust(trouble) => return Some(format!("at {at}: {trouble}")),
        Found::Silence => return Some(format!("{at} takes connections but has not answered within 2 seconds")),
        Found::Answer(bytes) => recognise(&bytes)?,
    };
    Some(match symptom {
        Symptom::JupyterForeignHost => format!(
            "Jupyter at {at} answers 403 to this host name; start it with `--ServerApp.allow_remote_access=True`, or set \
             `c.ServerApp.allow_remote_access = True` in jupyter_server_config.py"
        ),
        Symptom::Tls => format!("{at} speaks TLS; write its upstream with https://, or give Doorward the app's plain HTTP port"),
        Symptom::NotHttp => format!("what answers at {at} is not HTTP; is that the app's port?"),
    })
}
