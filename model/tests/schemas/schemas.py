"""Holds bodies of requests against the types that the providers publish in their own clients.

Reads lines `{"format": …, "name": …, "body": …}` from the file that is its argument, prints one line for each format and
one for each fault, and fails if there is one. What a type does not name is a fault, too.
"""

import json
import sys
import typing
from collections import Counter

# Pydantic looks into an `Iterable` only when somebody walks it, and takes text for one. The clients' types mean lists.
typing.Iterable = typing.List

import anthropic.types
import ollama._types
import openai.types.chat
import openai.types.responses
from google.genai import types as gemini
from pydantic import BaseModel, TypeAdapter, ValidationError


class AnthropicRequest(anthropic.types.message_create_params.MessageCreateParamsStreaming, total=False):
    """Older models take fields that the client has no type for any more."""

    temperature: float
    top_k: int
    top_p: float


class GeminiRequest(BaseModel):
    """The body of generateContent; the client has a type for each of its fields, but not for the whole."""

    contents: list[gemini.Content]
    systemInstruction: gemini.Content | None = None
    tools: list[gemini.Tool] | None = None
    toolConfig: gemini.ToolConfig | None = None
    generationConfig: gemini.GenerationConfig | None = None
    safetySettings: list[gemini.SafetySetting] | None = None
    cachedContent: str | None = None


class OllamaField(BaseModel):
    """A field of a tool's arguments, as the server has it; the client's type knows less."""

    anyOf: list["OllamaField"] | None = None
    type: str | list[str] | None = None
    items: typing.Optional["OllamaField"] = None
    description: str | None = None
    enum: list | None = None
    properties: dict[str, "OllamaField"] | None = None
    required: list[str] | None = None


class OllamaParameters(BaseModel):
    type: typing.Literal["object"]
    properties: dict[str, OllamaField]
    required: list[str] | None = None


class OllamaFunction(BaseModel):
    name: str
    description: str
    parameters: OllamaParameters


class OllamaTool(BaseModel):
    type: typing.Literal["function"]
    function: OllamaFunction


class OllamaMessage(ollama._types.Message):
    """A message; the client's type lacks what the server has of calls, and what its documentation sends with them."""

    class ToolCall(ollama._types.Message.ToolCall):
        class Function(ollama._types.Message.ToolCall.Function):
            index: int

        id: str
        type: typing.Literal["function"]
        function: Function

    tool_call_id: str | None = None
    tool_calls: list[ToolCall] | None = None
    images: list[str] | None = None


class OllamaRequest(ollama._types.ChatRequest):
    messages: list[OllamaMessage]
    tools: list[OllamaTool] | None = None


TYPES = {
    "responses": TypeAdapter(openai.types.responses.response_create_params.ResponseCreateParamsStreaming),
    "chat": TypeAdapter(openai.types.chat.completion_create_params.CompletionCreateParamsStreaming),
    "anthropic": TypeAdapter(AnthropicRequest),
    "gemini": TypeAdapter(GeminiRequest),
    "ollama": TypeAdapter(OllamaRequest),
}


def fault(format, body):
    """Tells what is wrong with a body, if anything is."""
    try:
        TYPES[format].validate_json(json.dumps(body), strict=True, extra="forbid")
    except ValidationError as error:
        return str(error)
    return None


def spoilt(body):
    """Makes bodies that cannot be right: with a field that nobody knows, at the top and in each message."""
    yield body | {"nonsense": 1}
    key = next(key for key in ("messages", "input", "contents") if key in body)
    if isinstance(body[key], list):
        for index, message in enumerate(body[key]):
            yield body | {key: body[key][:index] + [message | {"nonsense": 1}]}


def main(path):
    counts, faults = Counter(), []
    for line in open(path, encoding="utf-8"):
        case = json.loads(line)
        format, body = case["format"], case["body"]
        counts[format] += 1
        if error := fault(format, body):
            faults.append(f"{format} {case['name']}: {error}\n  {json.dumps(body, ensure_ascii=False)[:1000]}")
        elif any(fault(format, wrong) is None for wrong in spoilt(body)):
            faults.append(f"{format} {case['name']}: nonsense in it is not seen")
    for name, count in sorted(counts.items()):
        print(f"{name}: {count} bodies")
    print("\n".join(faults))
    return 1 if faults else 0


sys.exit(main(sys.argv[1]))
