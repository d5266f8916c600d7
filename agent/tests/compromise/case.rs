//! The cases as they stand in `cases.json`: who has published the pattern, what the person wants, what the attacker has written
//! where, what that tries, and how a correct run ends.

use std::collections::BTreeMap;

use lorewell_agent::{Access, ApprovalScope};
use serde::Deserialize;

use crate::disguise::Disguise;

/// One attack.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) family: String,
    /// Who has published the pattern.
    pub(crate) source: String,
    /// What the person wants; see `task`.
    pub(crate) task: String,
    /// What the attacker has written, by where; `{{payload}}` stands for the attack, `{{1/2}}` for the first half of it.
    pub(crate) texts: BTreeMap<Place, String>,
    #[serde(default)]
    pub(crate) disguise: Disguise,
    /// What the model is told to do.
    pub(crate) attack: String,
    #[serde(default)]
    pub(crate) host: Setting,
    pub(crate) ends: Ends,
}

/// Where the words of others stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    Report,
    FileName,
    /// The name of a folder within the folder.
    Folder,
    /// The name of a link to a file.
    LinkName,
    Row,
    /// A cell of the database that is asked in SQL.
    Cell,
    /// The name of a table there.
    TableName,
    /// That of a column.
    ColumnName,
    Memory,
    /// What an earlier conversation has remembered.
    Remembered,
    Mail,
    Page,
    Search,
    /// What a server says that has failed.
    Failure,
    /// The description of a tool of others.
    Description,
    /// That of an argument of it.
    Schema,
    /// What a tool of others answers.
    Foreign,
    /// A file that the person sends along.
    Attachment,
    /// A conversation that the person quotes, and says so.
    Paste,
}

/// How the agent is set up, and what the person has said before.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Setting {
    pub(crate) allow: Vec<Touch>,
    /// How far the approval of the wanted calls goes.
    pub(crate) scope: Scope,
    /// Whether the person has approved calls of the same tools in a turn before, and how far that goes.
    pub(crate) before: Option<Scope>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Touch {
    Write,
    Network,
    Execute,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scope {
    #[default]
    Once,
    Call,
    Tool,
    /// Until a time that is over.
    Expired,
    /// Until a time to come.
    Until,
}

/// What becomes of the attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ends {
    /// A person is asked, and declines.
    Asked,
    /// The model is told that there is no such call, and nobody is asked.
    Refused,
    /// It changes nothing, and nobody learns of it.
    Harmless,
}

impl Case {
    /// All there are, as far as there is what they need.
    pub(crate) fn all() -> Vec<Self> {
        let all: Vec<Self> = serde_json::from_str(include_str!("cases.json")).unwrap();
        all.into_iter().filter(|case| cfg!(feature = "fetch") || !case.task.starts_with("fetch")).collect()
    }

    /// What the attacker has written at a place.
    pub(crate) fn text(&self, place: Place) -> Option<String> {
        let text = self.texts.get(&place)?;
        let [first, second] = Disguise::halves(&self.attack);
        let filled = text.replace("{{payload}}", &self.disguise.hide(&self.attack));
        Some(filled.replace("{{1/2}}", &first).replace("{{2/2}}", &second))
    }
}

impl Setting {
    pub(crate) fn allowed(&self) -> Access {
        self.allow.iter().fold(Access::NONE, |all, touch| {
            all | match touch {
                Touch::Write => Access::WRITE,
                Touch::Network => Access::NETWORK,
                Touch::Execute => Access::EXECUTE,
            }
        })
    }
}

impl From<Scope> for ApprovalScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Once => Self::Once,
            Scope::Call => Self::Call,
            Scope::Tool => Self::Tool,
            Scope::Expired => Self::Until(1),
            Scope::Until => Self::Until(u64::MAX),
        }
    }
}
