//! `config`: four layers, the one that wins, and slips in files and variables.

use snapbox::str;

use crate::place::{Place, check};

#[test]
fn every_layer_is_named() {
    let place = Place::with_brain();
    check(&place, "config explain limit", str![]);
    std::fs::create_dir_all(place.home()).unwrap();
    std::fs::write(place.home().join("config.toml"), "# mine\nlimit = 3\n").unwrap();
    check(&place, "config explain limit", str![]);
    place.write(".lorewell/config.toml", "limit = 4\n");
    check(&place, "config explain limit", str![]);
    let by_environment = place.finish(place.command().env("LOREWELL_LIMIT", "5").args(["config", "explain", "limit"]));
    snapbox::assert_data_eq!(by_environment.transcript(), str![]);
    let all = place.json("config explain --json");
    assert_eq!(all["settings"].as_array().unwrap().len(), 6);
    check(&place, "config path", str![]);
}

#[test]
fn slips_are_named_with_their_line() {
    let place = Place::with_brain();
    check(&place, "config explain limmit", str![]);
    for (text, expected) in [
        ("\nlimmit = 3\n", str![]),
        ("limit = 0\n", str![]),
        ("limit = 5000\n", str![]),
        ("limit = [1]\n", str![]),
        ("fusion = \"max\"\n", str![]),
        ("limit = \n", str![]),
    ] {
        place.write(".lorewell/config.toml", text);
        check(&place, "ls", expected);
    }
}

#[test]
fn a_slip_in_the_environment_is_named() {
    let place = Place::with_brain();
    let run = place.finish(place.command().env("LOREWELL_CHUNKER", "knife").arg("ls"));
    snapbox::assert_data_eq!(run.transcript(), str![]);
}
