"""Renders conversations with the chat templates of a folder, as Hugging Face transformers sets up jinja2, and writes what
comes out as JSON lines: {"template", "conversation", "context", "prompt"} or the same with "error" in place of "prompt".

    python render.py FOLDER > expectations.jsonl
"""

import datetime
import json
import pathlib
import sys

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

# 3 February 2026, 04:05:06 UTC, so that the date in prompts is the same everywhere.
NOW = datetime.datetime.fromtimestamp(1770091506, datetime.timezone.utc)


class Generation(jinja2.ext.Extension):
    """The mark around the words of the model, which training needs and a prompt does not."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        call = self.call_method("inside")
        return jinja2.nodes.CallBlock(call, [], [], body).set_lineno(line)

    def inside(self, caller):
        return caller()


def raise_exception(words):
    raise jinja2.exceptions.TemplateError(words)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def environment():
    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = NOW.strftime
    return made


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


def call(id, name, arguments):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def result(id, name, text):
    return {"role": "tool", "name": name, "tool_call_id": id, "content": text}


def function(name, description, properties, required):
    parameters = {"type": "object", "properties": properties, "required": required}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


WEATHER = function(
    "get_weather",
    "Tells the weather of a city, e.g. \"Zürich\" <today> & tomorrow.",
    {
        "city": {"type": "string", "description": "The city's name"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "description": "The unit"},
        "days": {"type": "integer", "description": "How many", "default": 1},
    },
    ["city"],
)
SEND = function(
    "send",
    "Sends a message.",
    {
        "to": {"type": "array", "items": {"type": "string"}, "description": "Who"},
        "body": {
            "type": "object",
            "description": "What",
            "properties": {"text": {"type": "string", "description": "Words"}, "weight": {"type": "number"}},
            "required": ["text"],
        },
    },
    ["to", "body"],
)
SYSTEM = {"role": "system", "content": "You are terse.\nAnswer in one line."}
ZURICH = {"city": "Zürich", "unit": "celsius"}
BODY = {"to": ["ann", "bob"], "body": {"text": "it's \"5 < 6\" & so\n\ton", "weight": 1.5}}


def context(messages, tools=None, **more):
    tokens = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    return {"messages": messages, "tools": tools, "documents": None, "add_generation_prompt": True, **tokens, **more}


CONVERSATIONS = {
    "plain": context([user("Hello")]),
    "system": context([SYSTEM, user("Hello")]),
    "turns": context(
        [SYSTEM, user("  One? \n"), assistant("1\n"), user("Two?"), assistant(" 2 "), user("Three?")],
        enable_thinking=False,
    ),
    "tools": context([SYSTEM, user("How is the weather in Zürich?")], [WEATHER, SEND]),
    "call": context(
        [
            user("How is the weather in Zürich?"),
            assistant("", tool_calls=[call("abcdefgh1", "get_weather", ZURICH)]),
            result("abcdefgh1", "get_weather", "{\"degrees\": 21.5, \"sky\": \"heiter\"}"),
        ],
        [WEATHER, SEND],
    ),
    "parallel": context(
        [
            SYSTEM,
            user("Weather, and tell Ann and Bob."),
            assistant(
                "I do both.",
                tool_calls=[call("abcdefgh1", "get_weather", ZURICH), call("abcdefgh2", "send", BODY)],
            ),
            result("abcdefgh1", "get_weather", "rain"),
            result("abcdefgh2", "send", "sent"),
            assistant("Done."),
            user("Thanks! And now?"),
        ],
        [WEATHER, SEND],
    ),
    "reasoning": context(
        [
            user("What is 2+2?"),
            assistant("4", reasoning_content="Two and two\nmake four."),
            user("And 3+3? 'quotes' \"double\" <b>&amp;</b> 日本語 🙂 \\n {{ braces }} {% raw %}"),
        ],
        enable_thinking=True,
    ),
    "thoughtful call": context(
        [
            SYSTEM,
            user("How is the weather in Zürich?"),
            assistant(
                "",
                reasoning_content="I must look.\n",
                tool_calls=[call("abcdefgh1", "get_weather", ZURICH)],
            ),
            result("abcdefgh1", "get_weather", "rain"),
        ],
        [WEATHER],
        enable_thinking=True,
        reasoning_effort="low",
    ),
    "bare": {"messages": [user("Hello"), assistant("Hi."), user("<think>?</think>\n")], "add_generation_prompt": True},
    "not continued": context([SYSTEM, user("Hello"), assistant("Hi.\n")], add_generation_prompt=False),
}


def render(template, given):
    """Some templates fail if there are no tools, and do not if nothing is said of them."""
    try:
        return given, template.render(**given)
    except TypeError:
        given = {name: value for name, value in given.items() if value is not None}
        return given, template.render(**given)


def main(folder):
    made = environment()
    for path in sorted(pathlib.Path(folder).glob("*.jinja")):
        source = path.read_text()
        for name, given in CONVERSATIONS.items():
            line = {"template": path.stem, "conversation": name, "context": given}
            try:
                line["context"], line["prompt"] = render(made.from_string(source), given)
            except Exception as error:  # whatever it is, there is no prompt
                line["error"] = f"{type(error).__name__}: {error}"
            print(json.dumps(line))


if __name__ == "__main__":
    main(sys.argv[1])
