//! The official Python clients of the providers against the server, where a Python that has them is named.

use std::process::Command;

use lorewell_wire::Server;

#[tokio::test(flavor = "multi_thread")]
async fn official_clients_accept_the_server() {
    let Some(python) = std::env::var_os("LOREWELL_WIRE_PYTHON").filter(|python| !python.is_empty()) else {
        println!("skipped: LOREWELL_WIRE_PYTHON names no Python that has the packages of tests/wire/requirements.txt");
        return;
    };
    let server = Server::start().await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/clients.py");
    let mut command = Command::new(python);
    command.arg(script).arg(server.url()).env("NO_PROXY", "127.0.0.1");
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{said}");
    assert!(output.status.success(), "{said}\n{errors}");
    assert!(server.requests().len() > 100);
}
