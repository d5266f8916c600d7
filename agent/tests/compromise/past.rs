//! What was before: an earlier conversation with the same agent, in which it has remembered what others had written. Nothing in
//! it was untrusted then, so nobody was asked.

use lorewell_agent::memory::{MemoryStore, Namespace};
use lorewell_agent::{Access, Agent};
use lorewell_model::mock::Script;
use lorewell_model::{Message, Model, Part, Role, ToolCall};
use serde_json::json;

use crate::world::World;

/// Has the conversation, and returns the memory that it leaves.
pub(crate) async fn remembered(world: &World) -> Namespace {
    let memory = MemoryStore::open(world.memory()).await.unwrap().namespace(["user", "anna"]).unwrap();
    let call = ToolCall::new("1", "remember", &json!({"text": world.remembered()}));
    let answers = [Message::new(Role::Assistant, [Part::ToolCall(call)]), Message::assistant("I will remember it.")];
    let model = Model::new("mock:script".parse().unwrap(), Script::new(answers));
    let agent = Agent::new(model).tools(memory.tools()).allow(Access::WRITE);
    assert_eq!(agent.run("Keep this in mind.").await.unwrap(), "I will remember it.");
    memory
}
