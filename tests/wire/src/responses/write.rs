//! OpenAI Responses: answers, whole and in events. The events build the same items that the whole answer has.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::answer::{Answer, Block, Call, Citation, Finish, Pieces, Search, Usage};
use crate::ask::{Ask, Thinks};
use crate::state::State;
use crate::stream::{Event, Frame};

const CREATED: u64 = 1_760_000_000;

/// Writes an answer in one piece.
pub(super) fn whole(ask: &Ask, answer: &Answer, state: &State) -> Value {
    let mut script = Script::new(ask, answer, state);
    script.is_streamed = false;
    script.blocks(&answer.blocks);
    script.response(answer)
}

/// Writes an answer as events.
pub(super) fn frames(ask: &Ask, answer: &Answer, state: &State) -> VecDeque<Frame> {
    let mut script = Script::new(ask, answer, state);
    let begun = script.envelope("in_progress");
    script.event("response.created", json!({"response": begun}));
    script.event("response.in_progress", json!({"response": begun}));
    script.blocks(&answer.blocks);
    let response = script.response(answer);
    let name = if answer.finish == Finish::Length { "response.incomplete" } else { "response.completed" };
    script.event(name, json!({"response": response}));
    script.frames
}

struct Script<'a> {
    ask: &'a Ask,
    state: &'a State,
    id: String,
    is_streamed: bool,
    is_cut: bool,
    frames: VecDeque<Frame>,
    output: Vec<Value>,
    /// The reasoning item that the next calls need.
    sealed: Option<String>,
}

impl<'a> Script<'a> {
    fn new(ask: &'a Ask, answer: &Answer, state: &'a State) -> Self {
        let id = state.id("resp_");
        let is_cut = answer.finish == Finish::Length;
        let (frames, output) = (VecDeque::new(), Vec::new());
        Self { ask, state, id, is_streamed: true, is_cut, frames, output, sealed: None }
    }

    fn event(&mut self, name: &'static str, data: Value) {
        if self.is_streamed {
            self.frames.push_back(Frame::typed(name, data));
        }
    }

    fn many(&mut self, pieces: &Pieces, make: impl Fn(&str) -> Event + Send + Sync + 'static) {
        if self.is_streamed {
            self.frames.push_back(Frame::Many(pieces.clone(), Box::new(make)));
        }
    }

    /// Closing events say everything once more, which 100 MB would make 400.
    fn text(&self, pieces: &Pieces) -> String {
        if self.is_streamed { pieces.brief() } else { pieces.whole() }
    }

    fn envelope(&self, status: &str) -> Value {
        json!({
            "id": self.id, "object": "response", "created_at": CREATED, "status": status, "background": false,
            "error": null, "incomplete_details": null, "instructions": null, "max_output_tokens": null,
            "max_tool_calls": null, "model": self.ask.model, "output": [], "parallel_tool_calls": self.ask.parallel,
            "previous_response_id": null, "prompt_cache_key": null, "reasoning": {"effort": null, "summary": null},
            "safety_identifier": null, "service_tier": "default", "store": true, "temperature": 1.0,
            "text": {"format": {"type": "text"}, "verbosity": "medium"}, "tool_choice": "auto", "tools": [],
            "top_logprobs": 0, "top_p": 1.0, "truncation": "disabled", "usage": null, "user": null, "metadata": {},
        })
    }

    fn response(&self, answer: &Answer) -> Value {
        let mut response = self.envelope(if self.is_cut { "incomplete" } else { "completed" });
        if self.is_cut {
            response["incomplete_details"] = json!({"reason": "max_output_tokens"});
        }
        response["output"] = Value::Array(self.output.clone());
        response["usage"] = usage(&answer.usage);
        self.state.store(&self.id, self.stored());
        response
    }

    /// What a later request finds under the id of this one.
    fn stored(&self) -> Vec<Value> {
        let asked = json!({"role": "user", "content": self.ask.prompt});
        std::iter::once(asked).chain(self.output.iter().cloned()).collect()
    }

    fn added(&mut self, item: &Value) -> usize {
        let index = self.output.len();
        self.event("response.output_item.added", json!({"output_index": index, "item": item}));
        index
    }

    fn done(&mut self, item: Value) {
        let index = self.output.len();
        self.event("response.output_item.done", json!({"output_index": index, "item": item}));
        self.output.push(item);
    }

    fn blocks(&mut self, blocks: &[Block]) {
        for block in blocks {
            match block {
                Block::Thought(pieces) => self.thought(pieces),
                Block::Text { pieces, citations } => self.message(pieces, citations),
                Block::Refusal(pieces) => self.refusal(pieces),
                Block::Call(call) => self.call(call),
                Block::Server(search) => self.search(search),
            }
        }
    }

    fn thought(&mut self, pieces: &Pieces) {
        let id = self.state.id("rs_");
        let sealed = self.state.seal("gAAAAAB", Value::Null);
        self.state.keep(&id, json!(sealed));
        let mut item = json!({"id": id, "type": "reasoning", "summary": []});
        if self.ask.sealed {
            item["encrypted_content"] = json!("gAAAAABunfinished");
        }
        let index = self.added(&item);
        if self.ask.thinks == Thinks::Shown {
            let text = self.text(pieces);
            let part = json!({"type": "summary_text", "text": text});
            let place = json!({"item_id": id, "output_index": index, "summary_index": 0});
            let with = |name: &str, value: Value| {
                let mut data = place.clone();
                data[name] = value;
                data
            };
            let empty = json!({"type": "summary_text", "text": ""});
            self.event("response.reasoning_summary_part.added", with("part", empty));
            let base = place.clone();
            self.many(pieces, move |piece| {
                let mut data = base.clone();
                data["delta"] = json!(piece);
                data["obfuscation"] = json!("x7Ka");
                Event::typed("response.reasoning_summary_text.delta", data)
            });
            self.event("response.reasoning_summary_text.done", with("text", json!(text)));
            self.event("response.reasoning_summary_part.done", with("part", part.clone()));
            item["summary"] = json!([part]);
        }
        // Only the last form of the seal is the true one.
        if self.ask.sealed {
            item["encrypted_content"] = json!(sealed);
        }
        self.done(item);
        self.sealed = Some(id);
    }

    /// Opens a message with one part and returns its place.
    fn open(&mut self, part: &Value) -> (Value, Value) {
        let id = self.state.id("msg_");
        let item = json!({"id": id, "type": "message", "status": "in_progress", "content": [], "role": "assistant"});
        let index = self.added(&item);
        let place = json!({"item_id": id, "output_index": index, "content_index": 0});
        let mut data = place.clone();
        data["part"] = part.clone();
        self.event("response.content_part.added", data);
        (item, place)
    }

    fn close(&mut self, mut item: Value, mut place: Value, part: &Value) {
        place["part"] = part.clone();
        self.event("response.content_part.done", place);
        item["content"] = json!([part]);
        item["status"] = json!(if self.is_cut { "incomplete" } else { "completed" });
        self.done(item);
    }

    fn message(&mut self, pieces: &Pieces, citations: &[Citation]) {
        let part = |text: &str| json!({"type": "output_text", "annotations": [], "logprobs": [], "text": text});
        let (item, place) = self.open(&part(""));
        let base = place.clone();
        self.many(pieces, move |piece| {
            let mut data = base.clone();
            data["delta"] = json!(piece);
            data["logprobs"] = json!([]);
            data["obfuscation"] = json!("Pq9");
            Event::typed("response.output_text.delta", data)
        });
        let mut part = part(&self.text(pieces));
        for (number, citation) in citations.iter().enumerate() {
            let annotation = json!({"type": "url_citation", "start_index": citation.start, "end_index": citation.end,
                                    "title": citation.title, "url": citation.url});
            let mut data = place.clone();
            data["annotation_index"] = json!(number);
            data["annotation"] = annotation.clone();
            self.event("response.output_text.annotation.added", data);
            part["annotations"].as_array_mut().into_iter().for_each(|all| all.push(annotation.clone()));
        }
        let mut data = place.clone();
        data["text"] = part["text"].clone();
        data["logprobs"] = json!([]);
        self.event("response.output_text.done", data);
        self.close(item, place, &part);
    }

    fn refusal(&mut self, pieces: &Pieces) {
        let (item, place) = self.open(&json!({"type": "refusal", "refusal": ""}));
        let base = place.clone();
        self.many(pieces, move |piece| {
            let mut data = base.clone();
            data["delta"] = json!(piece);
            Event::typed("response.refusal.delta", data)
        });
        let text = self.text(pieces);
        let mut data = place.clone();
        data["refusal"] = json!(text);
        self.event("response.refusal.done", data);
        self.close(item, place, &json!({"type": "refusal", "refusal": text}));
    }

    fn call(&mut self, call: &Call) {
        let (id, call_id) = (self.state.id("fc_"), self.state.id("call_"));
        if let Some(sealed) = &self.sealed {
            self.state.require(&call_id, sealed);
        }
        let mut item = json!({"id": id, "type": "function_call", "status": "in_progress", "arguments": "",
                              "call_id": call_id, "name": call.name});
        let index = self.added(&item);
        let place = json!({"item_id": id, "output_index": index});
        let base = place.clone();
        self.many(&call.arguments, move |piece| {
            let mut data = base.clone();
            data["delta"] = json!(piece);
            data["obfuscation"] = json!("k");
            Event::typed("response.function_call_arguments.delta", data)
        });
        let arguments = call.arguments.whole();
        let mut data = place;
        data["arguments"] = json!(arguments);
        data["name"] = json!(call.name);
        self.event("response.function_call_arguments.done", data);
        item["arguments"] = json!(arguments);
        item["status"] = json!("completed");
        self.done(item);
    }

    fn search(&mut self, search: &Search) {
        let id = self.state.id("ws_");
        let mut item = json!({"id": id, "type": "web_search_call", "status": "in_progress"});
        let index = self.added(&item);
        let place = json!({"item_id": id, "output_index": index});
        self.event("response.web_search_call.in_progress", place.clone());
        self.event("response.web_search_call.searching", place.clone());
        self.event("response.web_search_call.completed", place);
        item["status"] = json!("completed");
        item["action"] = json!({"type": "search", "query": search.query});
        self.state.keep(&id, item.clone());
        self.done(item);
    }
}

fn usage(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.thoughts},
        "total_tokens": usage.input + usage.output,
    })
}
