//! What finding an app costs, with one host and with ten thousand, and with one app on a host and with eight.

use divan::{Bencher, black_box};
use doorward::plan::compile::compile_text;
use doorward::plan::whole::Plan;
use doorward::policy::host::Host;
use doorward::policy::target::Target;

/// Hosts of one installation.
const HOSTS: [usize; 3] = [1, 100, 10_000];
/// A host that is written out, one under a wildcard, and one that is nobody's.
const NAMES: [&str; 3] = ["h0.example", "x.apps.example", "x.unknown.example"];

fn main() {
    divan::main();
}

fn plan(text: &str) -> Plan {
    compile_text(text).expect("compiles").plan
}

#[divan::bench(args = NAMES, consts = HOSTS)]
fn find<const COUNT: usize>(bencher: Bencher<'_, '_>, name: &str) {
    let app = |at| format!("[[app]]\nhost = \"h{at}.example\"\nupstream = \"http://127.0.0.1:1\"\n");
    let apps: String = (0..COUNT).map(app).collect();
    let plan = plan(&format!("{apps}[[app]]\nhost = \"*.apps.example\"\nupstream = \"http://127.0.0.1:1\"\n"));
    let host = Host::parse(name).expect("a host");
    bencher.bench(|| plan.site(black_box(&host)).is_some());
}

#[divan::bench(args = ["/x", "/app7/x?y", "/app7/a%2Fb;c//d"], consts = [1, 8])]
fn enter<const COUNT: usize>(bencher: Bencher<'_, '_>, text: &str) {
    let app = |at| format!("[[app]]\nhost = \"a.example\"\npath = \"/app{at}\"\nupstream = \"http://127.0.0.1:1\"\n");
    let apps: String = (1..COUNT).map(app).collect();
    let plan = plan(&format!("[[app]]\nhost = \"a.example\"\nupstream = \"http://127.0.0.1:1\"\n{apps}"));
    let (host, target) = (Host::parse("a.example").expect("a host"), Target::parse(text).expect("a target"));
    bencher.bench(|| plan.app_for(black_box(&host), black_box(&target)).is_some());
}
