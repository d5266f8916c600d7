//! The file of a namespace, edited by a person.

use std::fs;

use super::*;

/// A namespace with its file.
struct Desk {
    bench: Bench,
    anna: Namespace,
    file: PathBuf,
}

impl Desk {
    async fn new(texts: &[&str]) -> Self {
        let bench = Bench::new().await;
        let (anna, file) = (bench.anna(), bench.folder.path().join("anna.md"));
        remember_all(&anna, texts).await;
        let desk = Self { bench, anna, file };
        assert_eq!(desk.sync().await, Synced::default());
        desk
    }

    async fn sync(&self) -> Synced {
        self.anna.sync(&self.file).await.unwrap()
    }

    fn read(&self) -> String {
        fs::read_to_string(&self.file).unwrap()
    }

    fn edit(&self, from: &str, to: &str) {
        let before = self.read();
        assert!(before.contains(from), "{before}");
        fs::write(&self.file, before.replacen(from, to, 1)).unwrap();
    }

    /// Takes the line with these words out.
    fn take_out(&self, words: &str) {
        let kept: Vec<String> = self.read().lines().filter(|line| !line.contains(words)).map(str::to_owned).collect();
        fs::write(&self.file, kept.join("\n") + "\n").unwrap();
    }

    async fn id(&self, text: &str) -> MemoryId {
        let items = self.anna.list(&MemoryFilter::new(), 1000).await.unwrap();
        items.iter().find(|item| item.text == text).unwrap_or_else(|| panic!("{items:?}")).id
    }
}

#[tokio::test]
async fn edits_of_a_person_win() {
    let desk = Desk::new(&["Has a dog.", "Likes tea.", "Lives in Bonn."]).await;
    let (dog, tea) = (desk.id("Has a dog.").await, desk.id("Likes tea.").await);
    desk.edit("Has a dog.", "Has a dog\n  and a car.");
    desk.take_out("Likes tea.");
    desk.edit("## Notes\n", "## Notes\n\n- Speaks French.\n");
    let synced = desk.sync().await;
    assert_eq!((synced.updated, synced.forgotten, synced.conflicts), (vec![dog], vec![tea], Vec::new()));
    let added = desk.anna.get(synced.added[0]).await.unwrap().unwrap();
    assert_eq!((&*added.text, added.origin), ("Speaks French.", Origin::User));
    assert_eq!(all(&desk.anna).await, ["Has a dog\nand a car.", "Lives in Bonn.", "Speaks French."]);
    assert_eq!(texts(&desk.anna.search("auto").limit(1).await.unwrap()), ["Has a dog\nand a car."]);
    assert!(desk.read().contains(&format!("- Speaks French. <!-- {} -->", added.id)), "{}", desk.read());
    let before = desk.read();
    assert_eq!(desk.sync().await, Synced::default(), "a second time changes nothing");
    assert_eq!(desk.read(), before);
    assert!(fs::read_dir(desk.bench.folder.path()).unwrap().all(|file| {
        let name = file.unwrap().file_name();
        !name.to_string_lossy().ends_with(".part")
    }));
}

#[tokio::test]
async fn what_the_store_has_changed_comes_into_the_file() {
    let desk = Desk::new(&["Has a dog.", "Likes tea."]).await;
    let (dog, tea) = (desk.id("Has a dog.").await, desk.id("Likes tea.").await);
    desk.anna.update(dog, "Has two dogs.").await.unwrap();
    desk.anna.forget(tea).await.unwrap();
    desk.anna.remember("From a page.").origin(Origin::Web).await.unwrap();
    desk.anna.remember("Moved out.").kind(MemoryKind::Episodic).await.unwrap();
    assert_eq!(desk.sync().await, Synced::default());
    let text = desk.read();
    assert!(text.contains("- Has two dogs. <!--") && !text.contains("tea"), "{text}");
    assert!(text.contains(" web -->") && text.contains("## Events\n\n- Moved out."), "{text}");
    desk.edit("From a page.", "From a page!");
    desk.sync().await;
    let id = desk.id("From a page!").await;
    assert_eq!(desk.anna.get(id).await.unwrap().unwrap().origin, Origin::Web, "an edit does not vouch for the rest");
}

#[tokio::test]
async fn nothing_is_lost_where_both_have_changed() {
    let desk = Desk::new(&["Has a dog.", "Likes tea.", "Lives in Bonn."]).await;
    let (dog, tea, bonn) = (desk.id("Has a dog.").await, desk.id("Likes tea.").await, desk.id("Lives in Bonn.").await);
    desk.anna.update(dog, "Has two dogs.").await.unwrap();
    desk.anna.update(tea, "Likes green tea.").await.unwrap();
    desk.anna.forget(bonn).await.unwrap();
    desk.edit("Has a dog.", "Has three dogs.");
    desk.take_out("Likes tea.");
    desk.edit("Lives in Bonn.", "Lives in Ulm.");
    let synced = desk.sync().await;
    let conflicts: Vec<_> = synced.conflicts.iter().map(|conflict| (conflict.id, conflict.line.as_deref())).collect();
    assert_eq!(conflicts, [(dog, Some("Has three dogs.")), (bonn, Some("Lives in Ulm.")), (tea, None)]);
    assert!(synced.conflicts[0].message.contains("both texts were kept"));
    assert_eq!(synced.added.len(), 2);
    let mut now = all(&desk.anna).await;
    now.sort();
    assert_eq!(now, ["Has three dogs.", "Has two dogs.", "Likes green tea.", "Lives in Ulm."]);
    assert_eq!(desk.sync().await, Synced::default());
}

#[tokio::test]
async fn a_sync_that_was_cut_off_is_made_again() {
    let desk = Desk::new(&["Has a dog.", "Likes tea."]).await;
    desk.edit("Has a dog.", "Has a car.");
    desk.take_out("Likes tea.");
    desk.edit("## Notes\n", "## Notes\n\n- Speaks French.\n");
    let edited = desk.read();
    desk.sync().await;
    // The store has the edits, and the file was not written any more.
    fs::write(&desk.file, edited).unwrap();
    assert_eq!(desk.sync().await, Synced::default());
    assert_eq!(all(&desk.anna).await, ["Has a car.", "Speaks French."]);
}

#[tokio::test]
async fn an_old_file_forgets_nothing_that_it_never_held() {
    let desk = Desk::new(&["Has a dog."]).await;
    let old = desk.read();
    desk.anna.remember("Likes tea.").await.unwrap();
    desk.sync().await;
    fs::write(&desk.file, old).unwrap();
    assert_eq!(desk.sync().await, Synced::default());
    assert_eq!(all(&desk.anna).await, ["Has a dog.", "Likes tea."]);
}

#[tokio::test]
async fn facts_are_edited_too() {
    let desk = Desk::new(&[]).await;
    desk.anna.fact(Fact::new("ACME", "ceo", "Ms. Bolt").valid_from(at(100))).await.unwrap();
    desk.anna.fact(Fact::new("ACME", "town", "Ulm").valid_from(at(100))).await.unwrap();
    desk.sync().await;
    assert!(desk.read().contains("### ACME\n\n- ceo: Ms. Bolt <!--"), "{}", desk.read());
    desk.edit("Ms. Bolt", "Mr. Carl");
    desk.take_out("town: Ulm");
    desk.edit("### ACME\n", "### Rex\n\n- is a: dog\n\n### ACME\n");
    let synced = desk.sync().await;
    assert_eq!((synced.updated.len(), synced.forgotten.len(), synced.added.len()), (1, 1, 1));
    let facts = desk.anna.facts("ACME").await.unwrap();
    assert_eq!((facts.len(), &*facts[0].statement.value, facts[0].valid_from), (1, "Mr. Carl", Some(at(100))));
    let history = desk.anna.history("ACME").await.unwrap();
    assert_eq!(history[0].statement.value, "Ms. Bolt", "what was believed is kept");
    assert_eq!(desk.anna.facts("Rex").await.unwrap()[0].statement.value, "dog");
    assert_eq!(desk.sync().await, Synced::default());
}

#[tokio::test]
async fn a_file_that_cannot_be_kept_changes_nothing() {
    let desk = Desk::new(&["Has a dog."]).await;
    let good = desk.read();
    let too_long = format!("## Notes\n- {}", "x".repeat(TEXT_BYTES_MAX + 1));
    let bert = good.replace("user/anna", "user/bert");
    for (text, kind) in [
        (good.replace("## Notes", "Notes"), Kind::BadInput),
        (good.replace("## Notes", &too_long), Kind::Limit),
        (good.replace("## Notes", &format!("## Facts\n### {}\n- a: b\n## Notes", "x".repeat(2000))), Kind::Limit),
        (good[..good.len() / 2].to_owned(), Kind::BadInput),
        (String::new(), Kind::BadInput),
        (bert, Kind::BadInput),
        ("x".repeat(FILE_BYTES_MAX + 1), Kind::Limit),
    ] {
        fs::write(&desk.file, &text).unwrap();
        let told = desk.anna.sync(&desk.file).await.unwrap_err();
        assert_eq!(told.kind(), kind, "{told}");
        assert_eq!(desk.read(), text, "the file is left as it is");
        assert_eq!(all(&desk.anna).await, ["Has a dog."]);
    }
    fs::write(&desk.file, [0xff, 0xfe]).unwrap();
    assert_eq!(desk.anna.sync(&desk.file).await.unwrap_err().kind(), Kind::BadInput);
    let folder = desk.bench.folder.path();
    assert_eq!(desk.anna.sync(folder.join("no/anna.md")).await.unwrap_err().kind(), Kind::NotFound);
    assert!(desk.anna.sync(folder).await.is_err());
}
