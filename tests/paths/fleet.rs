//! The servers: real ones, each with a protected `/admin/`, an open `/public/`, and a word for everything else.

use std::ffi::OsString;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::line::{Line, Way};

/// What `/admin/` answers on every server.
pub const SECRET: &str = "SECRET-9f31c07d";
/// What `/public/` answers.
pub const OPEN: &str = "OPEN-51be02a4";
/// What everything else answers.
pub const OUTSIDE: &str = "OUTSIDE-c4d81176";

/// A server may take as long as this to answer for the first time; the Java one has to start on two busy cores.
const PATIENCE: Duration = Duration::from_secs(120);
/// Nothing outlives this, not even when the tests are killed. The full run takes an hour on a machine that has other work.
const LIFE: &str = "10800";

/// When a server takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Always: it installs within seconds.
    Fixed,
    /// Only in the full run.
    Full,
}

/// A server that can be started.
pub struct Recipe {
    pub name: &'static str,
    pub part: Part,
    /// Whether the study found spellings that reach its `/admin/` past a plain prefix rule.
    pub fooled: bool,
    how: How,
}

enum How {
    /// A program of the Python environment; `{port}` is filled in.
    Venv(&'static str, &'static [&'static str]),
    /// A kind of `node/site.js`.
    Node(&'static str),
    /// A kind of `servers/site.go`.
    Go(&'static str),
    /// A program, after `prepare` has laid out its folder.
    Program(&'static str, &'static [&'static str]),
    /// A program that reads this file of ours, filled in.
    Configured(&'static str, &'static [&'static str], &'static str),
    Tomcat,
}

const fn recipe(name: &'static str, part: Part, how: How) -> Recipe {
    Recipe { name, part, fooled: !matches!(name.as_bytes(), b"tornado"), how }
}

const GUNICORN: &[&str] = &[
    "-b",
    "127.0.0.1:{port}",
    "-k",
    "gthread",
    "--threads",
    "4",
    "--keep-alive",
    "30",
    "--log-level",
    "critical",
    "--chdir",
    "{servers}",
    "django_site:wsgi",
];

/// All servers there are.
pub const RECIPES: &[Recipe] = &[
    recipe("django-gunicorn", Part::Fixed, How::Venv("gunicorn", GUNICORN)),
    recipe(
        "django-uvicorn",
        Part::Fixed,
        How::Venv(
            "uvicorn",
            &[
                "--host",
                "127.0.0.1",
                "--port",
                "{port}",
                "--log-level",
                "critical",
                "--lifespan",
                "off",
                "--app-dir",
                "{servers}",
                "django_site:asgi",
            ],
        ),
    ),
    recipe(
        "flask-waitress",
        Part::Fixed,
        How::Venv("waitress-serve", &["--listen=127.0.0.1:{port}", "--threads=4", "flask_site:app"]),
    ),
    recipe("flask-werkzeug", Part::Fixed, How::Venv("python", &["{servers}/flask_site.py", "{port}"])),
    recipe(
        "starlette-uvicorn",
        Part::Fixed,
        How::Venv(
            "uvicorn",
            &[
                "--host",
                "127.0.0.1",
                "--port",
                "{port}",
                "--log-level",
                "critical",
                "--app-dir",
                "{servers}",
                "starlette_site:app",
            ],
        ),
    ),
    recipe(
        "starlette-hypercorn",
        Part::Fixed,
        How::Venv(
            "hypercorn",
            &["-b", "127.0.0.1:{port}", "--log-level", "critical", "--keep-alive", "30", "starlette_site:app"],
        ),
    ),
    recipe("aiohttp", Part::Fixed, How::Venv("python", &["{servers}/aiohttp_site.py", "{port}"])),
    recipe("tornado", Part::Fixed, How::Venv("python", &["{servers}/tornado_site.py", "{port}"])),
    recipe("python-http.server", Part::Fixed, How::Venv("python", &["{servers}/static_site.py", "{port}", "{folder}/site"])),
    recipe("express4", Part::Fixed, How::Node("express4")),
    recipe("express5", Part::Fixed, How::Node("express5")),
    recipe("fastify", Part::Fixed, How::Node("fastify")),
    recipe("fastify-lax", Part::Fixed, How::Node("fastify-lax")),
    recipe("koa", Part::Fixed, How::Node("koa")),
    recipe("node-whatwg", Part::Fixed, How::Node("whatwg")),
    recipe("node-whatwg-decoded", Part::Fixed, How::Node("whatwg-decoded")),
    recipe("node-normalised", Part::Fixed, How::Node("normalised")),
    recipe("node-normalised-twice", Part::Fixed, How::Node("normalised-twice")),
    recipe("node-windows-like", Part::Fixed, How::Node("windows-like")),
    recipe("nginx", Part::Fixed, How::Configured("nginx", &["-p", "{folder}", "-c", "{folder}/nginx.conf"], "nginx.conf")),
    recipe("go-servemux", Part::Full, How::Go("mux")),
    recipe("go-clean", Part::Full, How::Go("clean")),
    recipe("go-lower", Part::Full, How::Go("lower")),
    recipe(
        "puma-rack",
        Part::Full,
        How::Program(
            "puma",
            &["--quiet", "--silent", "-C", "-", "-t", "1:4", "-b", "tcp://127.0.0.1:{port}", "{servers}/config.ru"],
        ),
    ),
    recipe("php", Part::Full, How::Program("php", &["-d", "display_errors=0", "-S", "127.0.0.1:{port}", "{servers}/site.php"])),
    recipe("apache", Part::Full, How::Configured("apache2", &["-X", "-f", "{folder}/apache.conf"], "apache.conf")),
    recipe("lighttpd", Part::Full, How::Configured("lighttpd", &["-D", "-f", "{folder}/lighttpd.conf"], "lighttpd.conf")),
    recipe("tomcat", Part::Full, How::Tomcat),
];

/// A running server; it ends with its owner.
pub struct Server {
    pub name: &'static str,
    pub fooled: bool,
    pub address: SocketAddr,
    process: Child,
}

impl Server {
    /// Where it is asked directly.
    ///
    /// Each time anew if it is Puma: from the second request on a connection its `Client#reset` swallows every `IOError`, and its
    /// `HttpParserError` is one. What its parser refuses it then neither answers nor closes but awaits the rest of, for twenty
    /// seconds. The gateway keeps its connections to Puma as to any other, since nothing of that kind comes through it.
    pub fn way(&self) -> Way {
        let keeps = self.name != "puma-rack";
        Way { address: self.address, host: "site.example".to_owned(), tls: None, keeps }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(group) = i32::try_from(self.process.id()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        let _ = self.process.wait();
    }
}

/// Starts these servers in folders below `folder`, at the same time, and waits until each answers as it should.
///
/// # Panics
/// If one cannot be started: a test that asks fewer servers than it says would be no proof.
pub fn start(recipes: &[&'static Recipe], folder: &Path) -> Vec<Server> {
    if recipes.iter().any(|recipe| matches!(recipe.how, How::Go(_))) {
        build_go(folder);
    }
    let mut servers: Vec<Server> = recipes.iter().map(|recipe| recipe.start(folder)).collect();
    for server in &mut servers {
        server.wait();
    }
    servers
}

impl Recipe {
    fn start(&self, above: &Path) -> Server {
        let folder = above.join(self.name);
        lay_out(&folder);
        let port = free_port();
        let mut words: Vec<OsString> = vec!["--kill-after=1".into(), LIFE.into()];
        words.extend(self.command(&folder, port).into_iter().map(OsString::from));
        let mut command = Command::new("timeout");
        command.args(words).current_dir(servers()).stdin(Stdio::null());
        command.env("SECRET", SECRET).env("OPEN", OPEN).env("OUTSIDE", OUTSIDE).env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("NODE_PATH", target("paths-node/node_modules")).env("PYTHONPATH", servers());
        let said = fs::File::create(folder.join("said.txt")).expect("written");
        command.stdout(said.try_clone().expect("a file")).stderr(said).process_group(0);
        let process = command.spawn().unwrap_or_else(|fault| panic!("{}: timeout (coreutils) does not run: {fault}", self.name));
        Server { name: self.name, fooled: self.fooled, address: SocketAddr::from(([127, 0, 0, 1], port)), process }
    }

    /// Program and arguments.
    fn command(&self, folder: &Path, port: u16) -> Vec<String> {
        let fill = |word: &str| {
            let word = word.replace("{port}", &port.to_string()).replace("{servers}", &servers().to_string_lossy());
            word.replace("{folder}", &folder.to_string_lossy())
        };
        let with = |program: String, words: &[&str]| [vec![program], words.iter().copied().map(fill).collect()].concat();
        match self.how {
            How::Venv(program, words) => with(target("paths-venv/bin").join(program).to_string_lossy().into_owned(), words),
            How::Node(kind) => vec!["node".into(), beside("node/site.js"), kind.into(), port.to_string()],
            How::Go(kind) => vec![folder.with_file_name("go-site").to_string_lossy().into_owned(), kind.into(), port.to_string()],
            How::Program(program, words) => with(program.to_owned(), words),
            How::Configured(program, words, file) => {
                let text = fs::read_to_string(servers().join(file)).expect("in the repository");
                let text = text.replace("PORT", &port.to_string()).replace("FOLDER", &folder.to_string_lossy());
                fs::write(folder.join(file), text).expect("written");
                with(program.to_owned(), words)
            }
            How::Tomcat => tomcat(folder, port),
        }
    }
}

impl Server {
    /// Waits for its first answers, and holds them against what the proofs rely on.
    fn wait(&mut self) {
        let until = Instant::now() + PATIENCE;
        let mut line = Line::to(&self.way());
        while line.ask(b"/public/").status == 0 {
            let ended = self.process.try_wait().expect("asked");
            assert!(ended.is_none() && Instant::now() < until, "{} did not start ({ended:?}); see its said.txt", self.name);
            thread::sleep(Duration::from_millis(50));
        }
        for (target, marker) in [("/public/", OPEN), ("/admin/", SECRET), ("/", OUTSIDE)] {
            let answer = line.ask(target.as_bytes());
            assert!(answer.says(marker), "{} answers {target} with {}", self.name, String::from_utf8_lossy(&answer.bytes));
        }
    }
}

/// A folder with the pages that file servers serve.
fn lay_out(folder: &Path) {
    for (name, text) in [
        ("", OUTSIDE),
        ("private", OUTSIDE),
        ("assets", OUTSIDE),
        ("public", OPEN),
        ("public/x", OPEN),
        ("admin", SECRET),
        ("admin/login", SECRET),
    ] {
        let place = folder.join("site").join(name);
        fs::create_dir_all(&place).expect("made");
        fs::write(place.join("index.html"), text).expect("written");
    }
}

fn tomcat(folder: &Path, port: u16) -> Vec<String> {
    let home = Path::new("/usr/share/tomcat10");
    for name in ["conf", "logs", "temp", "work", "webapps"] {
        fs::create_dir_all(folder.join(name)).expect("made");
    }
    let server = fs::read_to_string(servers().join("tomcat.xml")).expect("in the repository").replace("PORT", &port.to_string());
    fs::write(folder.join("conf/server.xml"), server).expect("written");
    fs::copy(servers().join("web.xml"), folder.join("conf/web.xml")).expect("copied");
    fs::rename(folder.join("site"), folder.join("webapps/ROOT")).expect("moved");
    let jars: Vec<String> =
        ["bin/bootstrap.jar", "bin/tomcat-juli.jar"].map(|jar| home.join(jar).to_string_lossy().into_owned()).into();
    let property = |name: &str, path: &Path| format!("-Dcatalina.{name}={}", path.display());
    let words =
        ["java".into(), "-Xmx192m".into(), property("home", home), property("base", folder), "-cp".into(), jars.join(":")];
    [words.to_vec(), ["org.apache.catalina.startup.Bootstrap", "start"].map(str::to_owned).to_vec()].concat()
}

fn build_go(folder: &Path) {
    fs::create_dir_all(folder).expect("made");
    let mut command = Command::new("go");
    command.arg("build").arg("-o").arg(folder.join("go-site")).arg(servers().join("site.go"));
    command.env("GOFLAGS", "-mod=mod").env("GOCACHE", target("paths-go"));
    let status = command.status().expect("go runs (Debian package golang-go)");
    assert!(status.success(), "site.go does not build");
}

fn servers() -> PathBuf {
    beside("servers").into()
}

fn beside(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/paths").join(name).to_string_lossy().into_owned()
}

fn target(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target").join(name)
}

/// A port nobody listens on. Between here and its use somebody else may take it; then the server says so and the test fails.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}
