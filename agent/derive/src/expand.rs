//! Writes the code of a model: the update with its setters, and the implementation of the trait. Every path in it is
//! absolute, so that it means the same wherever the struct stands.

use proc_macro_crate::{FoundCrate, crate_name};
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Error, Result, Type};

use crate::parse::{Field, Model, Rule, is_number, one_argument, only_argument};

/// Writes all of it.
///
/// # Errors
/// The crate that the code would refer to is not among the dependencies.
pub(crate) fn state(model: &Model) -> Result<TokenStream> {
    let root = root()?;
    let update = update(model, &root);
    let setters = setters(model, &root);
    let debug = debug(model);
    let implementation = implementation(model, &root);
    let conversions = conversions(model, &root);
    Ok(quote! { #update #setters #debug #implementation #conversions })
}

/// An update is a command, and an input.
fn conversions(Model { name, update, .. }: &Model, root: &TokenStream) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl ::core::convert::From<#update> for #root::Command<#name> {
            fn from(update: #update) -> Self {
                Self::update(update)
            }
        }

        #[automatically_derived]
        impl ::core::convert::From<#update> for #root::Input<#name> {
            fn from(update: #update) -> Self {
                Self::Update(update)
            }
        }
    }
}

/// Returns the path of `lorewell_agent` as the user's crate knows it.
fn root() -> Result<TokenStream> {
    match crate_name("lorewell-agent") {
        Ok(FoundCrate::Itself) => return Ok(quote!(::lorewell_agent)),
        Ok(FoundCrate::Name(name)) => {
            let name = format_ident!("{name}");
            return Ok(quote!(::#name));
        }
        Err(_) => {} // Then it comes through the facade.
    }
    match crate_name("lorewell") {
        Ok(FoundCrate::Itself) => Ok(quote!(::lorewell::agent)),
        Ok(FoundCrate::Name(name)) => {
            let name = format_ident!("{name}");
            Ok(quote!(::#name::agent))
        }
        Err(_) => Err(Error::new(
            Span::call_site(),
            "the derive refers to `lorewell` or `lorewell-agent`; add one of them to the dependencies",
        )),
    }
}

/// Returns where the type of a field stands, for errors, but with the names of the macro, so that no lint takes the
/// code for the user's.
fn at(field: &Field) -> Span {
    Span::call_site().located_at(field.kind.span())
}

fn update(model: &Model, root: &TokenStream) -> TokenStream {
    let Model { visibility, name, update, fields } = model;
    let about = format!("What a node writes to [`{}`]: for each field perhaps something.", name.unraw());
    let serde = quote!(#root::__private::serde);
    let serde_path = path_text(&serde);
    let fields = fields.iter().map(|field| update_field(field, root));
    quote! {
        #[doc = #about]
        #[derive(
            ::core::clone::Clone,
            ::core::default::Default,
            #serde::Serialize,
            #serde::Deserialize,
        )]
        #[serde(crate = #serde_path)]
        #[must_use = "an update does nothing until a node returns it"]
        #visibility struct #update {
            #(#fields)*
        }
    }
}

fn update_field(field: &Field, root: &TokenStream) -> TokenStream {
    let Field { visibility, ident, name, rule, .. } = field;
    let about = format!("What is written to `{name}`, if anything.");
    let kind = written_type(field, root);
    let serde = match rule {
        Rule::Untracked => quote!(#[serde(skip)]),
        _ => {
            // `None` is what was not written, so a null that is there is a value of the field.
            let written = path_text(&quote!(#root::__private::written));
            quote! {
                #[serde(
                    default,
                    skip_serializing_if = "::core::option::Option::is_none",
                    deserialize_with = #written
                )]
            }
        }
    };
    quote! {
        #[doc = #about]
        #serde
        #visibility #ident: ::core::option::Option<#kind>,
    }
}

/// Returns the type of one write to the field.
fn written_type(field: &Field, root: &TokenStream) -> TokenStream {
    let kind = &field.kind;
    match &field.rule {
        Rule::Append | Rule::Merge => quote!(#root::state::Change<#kind>),
        Rule::Messages(message) => quote!(::std::vec::Vec<#root::state::Edit<#message>>),
        _ => kind.to_token_stream(),
    }
}

/// Serde takes paths as text, without the spaces that tokens are printed with.
fn path_text(path: &TokenStream) -> String {
    path.to_string().replace(' ', "")
}

fn setters(model: &Model, root: &TokenStream) -> TokenStream {
    let Model { visibility, name, update, fields } = model;
    let setters = fields.iter().map(|field| match &field.rule {
        Rule::Append | Rule::Merge => collection_setters(field, root),
        Rule::Messages(message) => messages_setter(field, message, root),
        _ => plain_setter(field),
    });
    let about = format!("Begins an update of [`{}`], which writes nothing yet.", name.unraw());
    quote! {
        #[automatically_derived]
        impl #name {
            #[doc = #about]
            #visibility fn update() -> #update {
                ::core::default::Default::default()
            }
        }

        #[automatically_derived]
        impl #update {
            #(#setters)*
        }
    }
}

fn plain_setter(field: &Field) -> TokenStream {
    let Field { visibility, ident, name, kind, .. } = field;
    let about = format!("Writes `{name}`, in place of what this update wrote to it before.");
    // A literal has no type of its own when several numbers turn into this one.
    let (argument, value) = if is_number(kind) {
        (quote!(#kind), quote!(#ident))
    } else {
        (quote!(impl ::core::convert::Into<#kind>), quote!(::core::convert::Into::into(#ident)))
    };
    quote! {
        #[doc = #about]
        #visibility fn #ident(mut self, #ident: #argument) -> Self {
            self.#ident = ::core::option::Option::Some(#value);
            self
        }
    }
}

fn collection_setters(field: &Field, root: &TokenStream) -> TokenStream {
    let Field { visibility, ident, name, kind, .. } = field;
    let replace = format_ident!("replace_{}", ident.unraw());
    let about = format!("Adds to `{name}`, and to what this update wrote to it before.");
    let about_replace = format!("Replaces all of `{name}`, and what this update wrote to it before.");
    let (item, items) = match one_argument(kind) {
        Some((_, item)) if !is_number(item) => (
            quote!(impl ::core::convert::Into<#item>),
            quote!(::core::iter::Iterator::map(
                ::core::iter::IntoIterator::into_iter(#ident),
                ::core::convert::Into::<#item>::into,
            )),
        ),
        Some((_, item)) => (item.to_token_stream(), ident.to_token_stream()),
        None => (quote_spanned!(at(field)=> <#kind as ::core::iter::IntoIterator>::Item), ident.to_token_stream()),
    };
    let extend = quote_spanned! {at(field)=>
        ::core::iter::Extend::extend(
            ::core::option::Option::get_or_insert_with(&mut self.#ident, ::core::default::Default::default),
            #items,
        );
    };
    quote! {
        #[doc = #about]
        #visibility fn #ident(mut self, #ident: impl ::core::iter::IntoIterator<Item = #item>) -> Self {
            #extend
            self
        }

        #[doc = #about_replace]
        #visibility fn #replace(mut self, #ident: #kind) -> Self {
            self.#ident = ::core::option::Option::Some(#root::state::Change::Replace(#ident));
            self
        }
    }
}

fn messages_setter(field: &Field, message: &Type, root: &TokenStream) -> TokenStream {
    let Field { visibility, ident, name, .. } = field;
    let about = format!("Puts and removes messages of `{name}`, after what this update wrote to it before.");
    quote! {
        #[doc = #about]
        #visibility fn #ident(
            mut self,
            #ident: impl ::core::iter::IntoIterator<Item = impl ::core::convert::Into<#root::state::Edit<#message>>>,
        ) -> Self {
            let edits = ::core::iter::Iterator::map(
                ::core::iter::IntoIterator::into_iter(#ident),
                ::core::convert::Into::into,
            );
            ::core::iter::Extend::extend(
                ::core::option::Option::get_or_insert_with(&mut self.#ident, ::core::default::Default::default),
                edits,
            );
            self
        }
    }
}

fn debug(model: &Model) -> TokenStream {
    let Model { update, fields, .. } = model;
    let title = update.unraw().to_string();
    let entries = fields.iter().map(|Field { ident, name, .. }| {
        quote! {
            if ::core::option::Option::is_some(&self.#ident) {
                tuple.field(&::core::format_args!(#name));
            }
        }
    });
    quote! {
        /// Names the fields that are written.
        #[automatically_derived]
        impl ::core::fmt::Debug for #update {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                let mut tuple = ::core::fmt::Formatter::debug_tuple(f, #title);
                #(#entries)*
                tuple.finish()
            }
        }
    }
}

fn implementation(model: &Model, root: &TokenStream) -> TokenStream {
    let Model { name, update, fields, .. } = model;
    let described = fields.iter().map(|field| described(field, root));
    let apply = fields.iter().map(apply);
    let identify = fields.iter().filter_map(|field| identify(field, root));
    let stored = || fields.iter().filter(|field| !matches!(field.rule, Rule::Untracked));
    let save = stored().map(save);
    let load = stored().map(load);
    let written = fields.iter().map(|Field { ident, name, .. }| {
        quote! {
            if ::core::option::Option::is_some(&update.#ident) {
                written.push(::std::borrow::Cow::Borrowed(#name));
            }
        }
    });
    quote! {
        #[automatically_derived]
        impl #root::state::State for #name {
            type Update = #update;

            fn fields(&self) -> ::std::vec::Vec<#root::state::Field> {
                ::std::vec![#(#described),*]
            }

            fn apply(&mut self, writes: &mut #root::state::Writes<'_, #update>) -> #root::__private::Result<()> {
                #(#apply)*
                ::core::result::Result::Ok(())
            }

            fn identify(&self, update: &mut #update, ids: &mut dyn ::core::ops::FnMut() -> ::std::string::String) {
                #(#identify)*
            }

            fn save(&self, saved: &mut #root::state::Saved) -> #root::__private::Result<()> {
                #(#save)*
                ::core::result::Result::Ok(())
            }

            fn load(&self, saved: &mut #root::state::Saved) -> #root::__private::Result<Self> {
                let mut state = ::core::clone::Clone::clone(self);
                #(#load)*
                ::core::result::Result::Ok(state)
            }

            fn written(&self, update: &#update) -> ::std::vec::Vec<::std::borrow::Cow<'static, str>> {
                let mut written = ::std::vec::Vec::new();
                #(#written)*
                written
            }
        }
    }
}

fn described(field: &Field, root: &TokenStream) -> TokenStream {
    let name = &field.name;
    let rule = match &field.rule {
        Rule::Last => quote!(Last),
        Rule::Append => quote!(Append),
        Rule::Merge => quote!(Merge),
        Rule::Max => quote!(Max),
        Rule::Min => quote!(Min),
        Rule::Sum => quote!(Sum),
        Rule::Messages(_) => quote!(Messages),
        Rule::Custom(_) => quote!(Custom),
        Rule::Untracked => quote!(Untracked),
        Rule::Ephemeral => quote!(Ephemeral),
    };
    quote!(#root::state::Field::new(#name, #root::state::Rule::#rule))
}

fn apply(field: &Field) -> TokenStream {
    let Field { ident, name, kind, rule, .. } = field;
    let is_option = only_argument(kind, "Option").is_some();
    let value = quote_spanned!(at(field)=> &mut self.#ident);
    let take = quote_spanned!(at(field)=> |update| ::core::option::Option::take(&mut update.#ident));
    match rule {
        Rule::Last | Rule::Untracked => quote_spanned!(at(field)=> writes.last(#name, #value, #take)?;),
        Rule::Ephemeral => quote_spanned!(at(field)=> writes.ephemeral(#name, #value, #take)?;),
        Rule::Append | Rule::Merge => quote_spanned!(at(field)=> writes.extend(#name, #value, #take)?;),
        Rule::Messages(_) => quote_spanned!(at(field)=> writes.messages(#name, #value, #take)?;),
        Rule::Max if is_option => quote_spanned!(at(field)=> writes.max_some(#value, #take);),
        Rule::Max => quote_spanned!(at(field)=> writes.max(#value, #take);),
        Rule::Min if is_option => quote_spanned!(at(field)=> writes.min_some(#value, #take);),
        Rule::Min => quote_spanned!(at(field)=> writes.min(#value, #take);),
        Rule::Sum => quote_spanned!(at(field)=> writes.sum(#name, #value, #take)?;),
        Rule::Custom(function) => {
            let at = Span::call_site().located_at(function.span());
            quote_spanned!(at=> writes.custom(#name, #value, #take, #function)?;)
        }
    }
}

fn identify(field: &Field, root: &TokenStream) -> Option<TokenStream> {
    let Field { ident, rule: Rule::Messages(_), .. } = field else { return None };
    Some(quote_spanned! {at(field)=>
        for edit in ::core::iter::Iterator::flatten(::core::option::Option::iter_mut(&mut update.#ident)) {
            #root::state::Edit::identify(edit, ids);
        }
    })
}

fn save(field: &Field) -> TokenStream {
    let Field { ident, name, .. } = field;
    quote_spanned!(at(field)=> saved.put(#name, &self.#ident)?;)
}

fn load(field: &Field) -> TokenStream {
    let Field { ident, name, .. } = field;
    quote_spanned! {at(field)=>
        if let ::core::option::Option::Some(value) = saved.take(#name)? {
            state.#ident = value;
        }
    }
}
