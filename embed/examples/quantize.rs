//! Converts a BERT model to int8, as the bundled one was:
//! `cargo run --release -p lorewell-embed --example quantize -- <model dir> <out dir>`.
//! `quantize --check <model dir> <out dir>` prints how close the vectors of both are, for the lines of standard input.

use std::io::BufRead;

use lorewell_embed::{Embedder, Purpose, dot, quantize};
use lorewell_model::{Error, Kind, Result};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--check", source, target] => check(source, target).await,
        [source, target] => quantize(source, target),
        _ => Err(Error::new(Kind::BadInput, "usage: `quantize [--check] <model dir> <out dir>`")),
    }
}

async fn check(source: &str, target: &str) -> Result<()> {
    let lines = std::io::stdin().lock().lines().collect::<Result<Vec<_>, _>>()?;
    let texts: Vec<&str> = lines.iter().map(String::as_str).filter(|line| !line.trim().is_empty()).collect();
    let [source, target] = [Embedder::open(source)?, Embedder::open(target)?];
    let expected = source.embed(&texts, Purpose::Passage).await?;
    let found = target.embed(&texts, Purpose::Passage).await?;
    let mut cosines: Vec<f32> = expected.rows().zip(found.rows()).map(|(a, b)| dot(a, b)).collect();
    cosines.sort_by(f32::total_cmp);
    match cosines[..] {
        [] => Err(Error::new(Kind::BadInput, "standard input has no text to compare")),
        [least, ..] => {
            let middle = cosines[cosines.len() / 2];
            println!("{} texts: cosine to the source at least {least:.5}, median {middle:.5}", cosines.len());
            Ok(())
        }
    }
}
