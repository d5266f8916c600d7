//! `#[derive(State)]` of lorewell-agent, which re-exports it beside the trait and documents it there. `parse` reads the
//! struct into a model, `expand` writes the code.

mod expand;
mod parse;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a struct the state of a graph. See `lorewell_agent::State`.
#[proc_macro_derive(State, attributes(reduce))]
pub fn state(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let code = parse::model(&input).and_then(|model| expand::state(&model));
    code.unwrap_or_else(syn::Error::into_compile_error).into()
}
