//! `new`: makes a Rust project that builds on the library. What it writes is compiled and tested in this repository, where
//! it lies; here are only the name, the place and the version put in.

mod name;
mod place;
mod template;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum as _;
use serde::Serialize;

use crate::args::Global;
use crate::args::new::{New, Template};
use crate::exit::Exit;
use crate::output::{self, BOLD, count, note, paint, plain};
use name::CrateName;
use place::Place;
use template::Source;

#[derive(Serialize)]
struct Made<'a> {
    project: &'a Path,
    template: &'a str,
    files: Vec<&'a str>,
}

#[derive(Serialize)]
struct Listed {
    templates: Vec<About>,
}

#[derive(Serialize)]
struct About {
    name: String,
    about: String,
}

pub(super) fn run(global: &Global, args: &New) -> Result<Exit> {
    match &args.name {
        Some(name) => make(global, args, name),
        None => list(global),
    }
}

fn make(global: &Global, args: &New, name: &str) -> Result<Exit> {
    let name = CrateName::new(name, args.template)?;
    let source = source(args.local.as_deref())?;
    let dir = args.path.clone().unwrap_or_else(|| PathBuf::from(name.as_str()));
    let place = Place::find(&dir)?;
    let files = args.template.files(&name, &source)?;
    place.fill(&files)?;

    let template = about(args.template).name;
    if global.json || global.jsonl {
        let files = files.iter().map(|file| file.path).collect();
        output::json(&Made { project: place.dir(), template: &template, files }, global.json)?;
        return Ok(Exit::Done);
    }
    let (name, shown) = (name.as_str(), plain(&dir.display().to_string()));
    let files = count(files.len() as u64, "file");
    output::line(&format!("Made `{name}` in {shown} from the template `{template}` ({files})"))?;
    note("Go on there with `cargo test`, then `cargo run`: both work offline once the dependencies are there.");
    note("README.md says how to take a model.");
    Ok(Exit::Done)
}

/// Returns where the project takes Lorewell from.
fn source(local: Option<&Path>) -> Result<Source> {
    let Some(local) = local else { return Ok(Source::Release) };
    let folder = super::folder(local)?;
    let manifest = folder.join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest).with_context(|| format!("reading `{}`", manifest.display()))?;
    let document: toml_edit::DocumentMut = text.parse().with_context(|| format!("reading `{}`", manifest.display()))?;
    let package = document.get("package").and_then(|package| package.get("name")).and_then(|name| name.as_str());
    if package != Some("lorewell") {
        bail!("`{}` does not hold the sources of Lorewell; give the root of its repository", local.display());
    }
    let Some(folder) = folder.to_str() else {
        bail!("`{}` is not UTF-8, which `Cargo.toml` cannot name; move the sources", folder.display());
    };
    Ok(Source::Local(folder.to_owned()))
}

fn list(global: &Global) -> Result<Exit> {
    let templates: Vec<About> = Template::value_variants().iter().map(|template| about(*template)).collect();
    if global.json {
        output::json(&Listed { templates }, true)?;
    } else if global.jsonl {
        templates.iter().try_for_each(|about| output::json(about, false))?;
    } else {
        let width = templates.iter().map(|about| about.name.len()).max().unwrap_or(0);
        for About { name, about } in &templates {
            output::line(&format!("{}  {about}", paint(BOLD, &format!("{name:width$}"))))?;
        }
    }
    Ok(Exit::Done)
}

/// Returns what the help says about a template, which is said in one place.
fn about(template: Template) -> About {
    let value = template.to_possible_value().expect("no template is left out of the help");
    let about = value.get_help().map(ToString::to_string).unwrap_or_default();
    About { name: value.get_name().to_owned(), about }
}
