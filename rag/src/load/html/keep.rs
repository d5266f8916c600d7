//! Deciding which elements of a page are its content. Every rule that takes something away is undone where it would
//! take most of the page away, because then the page is built differently from what the rule supposes.

use super::tree::{Element, Role};

/// A `<main>` with less than one part in this many of the page's text is an empty shell for a script to fill.
const MAIN_PARTS_MAX: usize = 4;

/// Articles with less than one part in this many of the page's text are teasers beside the content.
const ARTICLE_PARTS_MAX: usize = 2;

/// Links that a block must have before it can be a menu.
const MENU_LINKS_MIN: usize = 3;

/// Tells for each element whether its text is content.
pub(super) fn visible(elements: &[Element]) -> Vec<bool> {
    let scope = scope(elements);
    let is_boilerplate = boilerplate(elements, scope);
    let without_landmarks = mark(elements, scope, |id| is_boilerplate[id]);
    let without_menus = mark(elements, scope, |id| is_boilerplate[id] || is_menu(&elements[id]));
    if own_bytes(elements, &without_menus) * 2 >= own_bytes(elements, &without_landmarks) {
        without_menus
    } else {
        without_landmarks
    }
}

/// Chooses the role of the elements that hold the content; without one, it is the whole page.
fn scope(elements: &[Element]) -> Option<Role> {
    let page_bytes = elements.first().map_or(0, |page| page.text_bytes);
    let share = |role| {
        let visible = mark(elements, Some(role), |_| false);
        own_bytes(elements, &visible)
    };
    let has = |role| elements.iter().any(|element| element.role == role);
    if has(Role::Main) && share(Role::Main) * MAIN_PARTS_MAX >= page_bytes.max(1) {
        Some(Role::Main)
    } else if has(Role::Article) && share(Role::Article) * ARTICLE_PARTS_MAX >= page_bytes.max(1) {
        Some(Role::Article)
    } else {
        None
    }
}

/// Tells which elements are marks, and landmarks and banners around the content. One that holds most of the text is the content:
/// some frameworks wrap whole pages in a form. A banner inside an article belongs to the article.
fn boilerplate(elements: &[Element], scope: Option<Role>) -> Vec<bool> {
    let inside = mark(elements, scope, |_| false);
    let total = own_bytes(elements, &inside);
    let mut in_article = vec![false; elements.len()];
    for (id, element) in elements.iter().enumerate() {
        in_article[id] = matches!(element.role, Role::Main | Role::Article) || (id > 0 && in_article[element.parent]);
    }
    let is_boilerplate = |(id, element): (usize, &Element)| {
        let is_around = element.role == Role::Landmark || (element.role == Role::Banner && !in_article[id]);
        // A link without words is the mark beside a heading that leads to the heading itself: `§`, `¶`.
        let is_mark = element.role == Role::Link && !element.has_words;
        element.role == Role::Dropped || is_mark || (is_around && element.text_bytes * 2 <= total)
    };
    elements.iter().enumerate().map(is_boilerplate).collect()
}

/// Tells whether a block is mostly links. Kohlschütter et al. 2010 find a third to part navigation from prose; lists
/// of references in prose come close to that, so two thirds are asked for here.
fn is_menu(element: &Element) -> bool {
    let is_container = matches!(element.role, Role::List | Role::Block | Role::Table);
    is_container && element.n_links >= MENU_LINKS_MIN && element.link_bytes * 3 > element.text_bytes * 2
}

/// Marks what lies inside the scope and not inside anything dropped. What is dropped around the scope does not count.
fn mark(elements: &[Element], scope: Option<Role>, is_dropped: impl Fn(usize) -> bool) -> Vec<bool> {
    let mut in_scope = vec![scope.is_none(); elements.len()];
    let mut dropped = vec![false; elements.len()];
    for (id, element) in elements.iter().enumerate() {
        let (parent_in_scope, parent_dropped) =
            if id > 0 { (in_scope[element.parent], dropped[element.parent]) } else { (scope.is_none(), false) };
        in_scope[id] = parent_in_scope || scope == Some(element.role);
        dropped[id] = (parent_in_scope && parent_dropped) || is_dropped(id);
    }
    in_scope.into_iter().zip(dropped).map(|(in_scope, dropped)| in_scope && !dropped).collect()
}

fn own_bytes(elements: &[Element], visible: &[bool]) -> usize {
    elements.iter().zip(visible).filter(|(_, visible)| **visible).map(|(element, _)| element.own_bytes).sum()
}
