//! The test server as a program: prints its address, serves until its standard input closes.

use std::io::Write;
use std::time::Duration;

use lorewell_wire::{Server, Settings};
use tokio::io::{AsyncReadExt, stdin};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let server = Server::with(settings()).await;
    writeln!(std::io::stdout(), "{}", server.url())?;
    let mut ignored = [0; 256];
    while stdin().read(&mut ignored).await? > 0 {}
    Ok(())
}

/// Reads the settings that are given in the environment: waits in milliseconds, and sizes.
fn settings() -> Settings {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let mut settings = Settings::default();
    let waits = [
        ("WIRE_SLOW_MS", &mut settings.slow),
        ("WIRE_TRICKLE_MS", &mut settings.trickle),
        ("WIRE_HANG_MS", &mut settings.hang),
    ];
    for (name, wait) in waits {
        *wait = number(name).map_or(*wait, Duration::from_millis);
    }
    for (name, size) in [("WIRE_HUGE_BYTES", &mut settings.huge_bytes), ("WIRE_PIECES", &mut settings.pieces)] {
        *size = number(name).and_then(|value| usize::try_from(value).ok()).unwrap_or(*size);
    }
    settings.retry_after = std::env::var("WIRE_RETRY_AFTER").unwrap_or(settings.retry_after);
    settings
}
