//! Attributes that name no rule, or more than one.

use lorewell_agent::State;

#[derive(Clone, Default, State)]
#[reduce(append)]
struct Desk {
    #[reduce(apend)]
    misspelt: Vec<String>,
    #[reduce(mesages(3))]
    misspelt_with_arguments: Vec<String>,
    #[reduce(concatenate)]
    unlike: Vec<String>,
    #[reduce]
    bare: u32,
    #[reduce()]
    empty: u32,
    #[reduce = "sum"]
    value: u32,
    #[reduce(max, min)]
    two: u32,
    #[reduce(max)]
    #[reduce(min)]
    twice: u32,
    #[reduce(append(3))]
    with_arguments: Vec<String>,
    #[reduce(messages = 3)]
    with_value: Vec<String>,
    #[reduce(messages)]
    no_list: String,
    #[reduce(with)]
    no_function: u32,
    #[reduce(with = )]
    no_path: u32,
    #[reduce(with = |a, b| *a = b)]
    closure: u32,
    #[reduce(with = path::to::one, max)]
    function_and_rule: u32,
}

fn main() {}
