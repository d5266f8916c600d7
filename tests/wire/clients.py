"""Talks to the test server with the official clients of the providers, so that it is known to be true to the wire.

Takes the address of a running server as its argument, prints one line for each check and a total, and fails if one
check did. The clients of OpenAI and Anthropic must be installed; those of Google and Ollama are used if they are.
"""

import json
import sys
import traceback
from base64 import b64decode, b64encode

import anthropic
import openai
from pydantic import BaseModel

BASE = sys.argv[1]
PNG = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
DATA_URL = "data:image/png;base64," + b64encode(PNG).decode()
SEEN = f"I see: image/png, {len(PNG)} bytes."
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
ARGUMENTS = {"city": "Köln", "days": 3}
ASK = f"call it with {json.dumps(ARGUMENTS, ensure_ascii=False)}"
CHECKS = []
CLIENTS = []


class Place(BaseModel):
    city: str
    days: int
    tags: list[str]


def check(function):
    CHECKS.append(function)
    return function


def raises(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


def is_markdown(text):
    assert text.startswith("# Bücher über Füchse\n") and "日本語 🦀" in text, text


# OpenAI, both formats


def openai_client(key="test-key", path="/v1", retries=0):
    return openai.OpenAI(api_key=key, base_url=BASE + path, max_retries=retries)


def chat(model, prompt="hi", client=None, **more):
    messages = [{"role": "user", "content": prompt}]
    return (client or openai_client()).chat.completions.create(model=model, messages=messages, **more)


def respond(model, prompt="hi", client=None, **more):
    return (client or openai_client()).responses.create(model=model, input=prompt, **more)


CHAT_TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": PARAMETERS, "strict": True}} for name in ["first", "second"]
]
RESPONSE_TOOLS = [{"type": "function", "name": name, "parameters": PARAMETERS, "strict": True} for name in ["first", "second"]]


@check
def chat_plain():
    answer = chat("text")
    is_markdown(answer.choices[0].message.content)
    assert answer.choices[0].finish_reason == "stop" and answer.usage.total_tokens > 10


@check
def chat_streamed():
    chunks = list(chat("text", stream=True, stream_options={"include_usage": True}))
    is_markdown("".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices))
    assert len(chunks) > 10 and chunks[-1].usage.completion_tokens > 10


@check
def chat_stream_helper():
    with openai_client().chat.completions.stream(model="text", messages=[{"role": "user", "content": "hi"}]) as stream:
        for _ in stream:
            pass
        is_markdown(stream.get_final_completion().choices[0].message.content)


@check
def chat_tool_and_result():
    messages = [{"role": "user", "content": ASK}]
    client = openai_client().chat.completions
    with client.stream(model="tool", messages=messages, tools=CHAT_TOOLS) as stream:
        deltas = [event for event in stream if event.type == "tool_calls.function.arguments.delta"]
        message = stream.get_final_completion().choices[0].message
    assert len(deltas) > 3
    call = message.tool_calls[0]
    assert json.loads(call.function.arguments) == ARGUMENTS and call.function.parsed_arguments == ARGUMENTS
    messages.append(message.model_dump(exclude_none=True, exclude={"tool_calls": {0: {"function": {"parsed_arguments"}}}, "parsed": True}))
    messages[-1]["tool_calls"][0]["function"].pop("parsed_arguments", None)
    messages.append({"role": "tool", "tool_call_id": call.id, "content": "sunny"})
    answer = client.create(model="tool", messages=messages, tools=CHAT_TOOLS)
    assert answer.choices[0].message.content == "The tool said: sunny"


@check
def chat_parallel_tools():
    chunks = list(chat("tools", ASK, tools=CHAT_TOOLS, stream=True))
    arguments = {}
    for chunk in chunks:
        for call in chunk.choices[0].delta.tool_calls or []:
            arguments[call.index] = arguments.get(call.index, "") + (call.function.arguments or "")
    assert [json.loads(text) for text in arguments.values()] == [ARGUMENTS, ARGUMENTS]
    assert chunks[-1].choices[0].finish_reason == "tool_calls"
    assert len(chat("tools", tools=CHAT_TOOLS, parallel_tool_calls=False).choices[0].message.tool_calls) == 1


@check
def chat_parsed():
    messages = [{"role": "user", "content": "a place"}]
    answer = openai_client().chat.completions.parse(model="json", messages=messages, response_format=Place)
    assert answer.choices[0].message.parsed == Place(city="ein city für dich", days=7, tags=["ein tags für dich"])


@check
def chat_images():
    parts = [{"type": "text", "text": "what?"}, {"type": "image_url", "image_url": {"url": DATA_URL}}]
    assert chat("vision", parts).choices[0].message.content == SEEN


@check
def chat_refusal_length_citations_cache():
    assert chat("refusal").choices[0].message.refusal == "I can’t help with that."
    assert chat("length").choices[0].finish_reason == "length"
    assert chat("cited").choices[0].message.annotations[0].url_citation.title == "Über Füchse"
    usages = [chat("cached", prompt_cache_key="chat").usage.prompt_tokens_details for _ in range(2)]
    assert usages[0].cached_tokens == 0 and usages[1].cached_tokens > 0
    assert chat("reasoning").usage.completion_tokens_details.reasoning_tokens > 0


@check
def responses_plain():
    answer = respond("text", instructions="be brief")
    is_markdown(answer.output_text)
    assert answer.status == "completed" and answer.usage.output_tokens > 10


@check
def responses_streamed():
    with openai_client().responses.stream(model="text", input="hi") as stream:
        events = list(stream)
        is_markdown(stream.get_final_response().output_text)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    is_markdown("".join(event.delta for event in events if event.type == "response.output_text.delta"))


@check
def responses_tool_and_result():
    items = [{"role": "user", "content": ASK}]
    with openai_client().responses.stream(model="tool", input=items, tools=RESPONSE_TOOLS) as stream:
        deltas = [event for event in stream if event.type == "response.function_call_arguments.delta"]
        answer = stream.get_final_response()
    call = answer.output[0]
    assert len(deltas) > 3 and json.loads(call.arguments) == ARGUMENTS
    items.append({"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments})
    items.append({"type": "function_call_output", "call_id": call.call_id, "output": "sunny"})
    assert respond("tool", items, tools=RESPONSE_TOOLS).output_text == "The tool said: sunny"
    later = [{"type": "function_call_output", "call_id": call.call_id, "output": "rain"}]
    answer = respond("tool", later, tools=RESPONSE_TOOLS, previous_response_id=answer.id)
    assert answer.output_text == "The tool said: rain"


@check
def responses_parallel_tools():
    calls = respond("tools", tools=RESPONSE_TOOLS).output
    assert [call.name for call in calls] == ["first", "second"]


@check
def responses_parsed():
    answer = openai_client().responses.parse(model="json", input="a place", text_format=Place)
    assert answer.output_parsed.days == 7


@check
def responses_reasoning_comes_back():
    more = {"include": ["reasoning.encrypted_content"], "reasoning": {"effort": "low", "summary": "auto"}, "store": False}
    items = [{"role": "user", "content": "think"}]
    with openai_client().responses.stream(model="reasoning", input=items, tools=RESPONSE_TOOLS, **more) as stream:
        thoughts = "".join(event.delta for event in stream if event.type == "response.reasoning_summary_text.delta")
        answer = stream.get_final_response()
    reasoning, call = answer.output
    assert thoughts == reasoning.summary[0].text and reasoning.encrypted_content
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "42"}
    own = [{"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments}]
    sealed = reasoning.model_dump(exclude_none=True)
    good = respond("reasoning", items + [sealed] + own + [result], tools=RESPONSE_TOOLS, **more)
    assert good.output_text == "Die Antwort ist 42."
    missing = raises(openai.BadRequestError, lambda: respond("reasoning", items + own + [result], tools=RESPONSE_TOOLS))
    assert "without its required 'reasoning' item" in missing.message
    spoilt = {**sealed, "encrypted_content": "gAAAAother"}
    error = raises(openai.BadRequestError, lambda: respond("reasoning", items + [spoilt] + own + [result]))
    assert error.code == "invalid_encrypted_content"


@check
def responses_images_and_files():
    parts = [
        {"type": "input_text", "text": "what?"},
        {"type": "input_image", "image_url": DATA_URL, "detail": "auto"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
    ]
    answer = respond("vision", [{"role": "user", "content": parts}])
    assert answer.output_text == f"I see: image/png, {len(PNG)} bytes; application/pdf, 5 bytes."


@check
def responses_server_tool():
    answer = respond("server-tool", tools=[{"type": "web_search"}])
    assert answer.output[0].type == "web_search_call"
    assert answer.output[1].content[0].annotations[0].url.startswith("https://")
    items = [{"role": "user", "content": "hi"}] + [item.model_dump(exclude_none=True) for item in answer.output]
    items.append({"role": "user", "content": "and?"})
    assert respond("server-tool", items).output_text == "The blocks came back unchanged."


@check
def responses_refusal_length_unknown():
    assert respond("refusal").output[0].content[0].refusal == "I can’t help with that."
    assert respond("length").incomplete_details.reason == "max_output_tokens"
    events = list(respond("unknown-events", stream=True))
    assert events[-1].type == "response.completed" and len(events) > 15


@check
def openai_mid_error():
    raises(openai.APIError, lambda: list(chat("mid-error", stream=True)))
    raises(openai.APIError, lambda: list(respond("mid-error", stream=True)))


@check
def openai_models():
    names = [model.id for model in openai_client().models.list()]
    assert "text" in names and openai_client().models.retrieve("text").id == "text"


@check
def openai_errors():
    kinds = {
        "error-429": openai.RateLimitError,
        "quota": openai.RateLimitError,
        "error-500": openai.InternalServerError,
        "overloaded": openai.InternalServerError,
        "context-too-long": openai.BadRequestError,
        "html": openai.InternalServerError,
    }
    for call in [chat, respond]:
        for model, kind in kinds.items():
            raises(kind, lambda: call(model))
        for key in ["sk-wrong-key-0123456789", "expired-key"]:
            raises(openai.AuthenticationError, lambda: call("text", client=openai_client(key)))
        for more in [{"temperature": 3}, {"extra_body": {"nonsense": 1}}]:
            raises(openai.BadRequestError, lambda: call("text", **more))
    raises(openai.NotFoundError, lambda: chat("no-such-model"))
    raises(openai.BadRequestError, lambda: respond("no-such-model"))
    assert raises(openai.RateLimitError, lambda: chat("quota")).code == "insufficient_quota"
    assert raises(openai.RateLimitError, lambda: chat("error-429")).response.headers["retry-after"] == "1"
    lax = [{"type": "function", "function": {"name": "lax", "parameters": {"type": "object", "properties": {}}, "strict": True}}]
    assert "additionalProperties" in raises(openai.BadRequestError, lambda: chat("tool", tools=lax)).message


@check
def openai_retries():
    for model in ["error-429-once", "error-500-once"]:
        is_markdown(chat(model, client=openai_client(retries=1)).choices[0].message.content)
        is_markdown(respond(model, client=openai_client(retries=1)).output_text)


@check
def compat_servers():
    for server in ["vllm", "deepseek", "openrouter", "groq", "mistral", "llamacpp", "xai", "together", "lmstudio", "bare"]:
        client = openai_client(path=f"/compat/{server}")
        chunks = list(chat("text", client=client, stream=True))
        is_markdown("".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices))
        is_markdown(chat("text", client=client).choices[0].message.content)
        call = chat("tool", ASK, client=client, tools=CHAT_TOOLS).choices[0].message.tool_calls[0]
        assert json.loads(call.function.arguments) == ARGUMENTS, server
    message = chat("reasoning", client=openai_client(path="/compat/deepseek")).choices[0].message
    assert message.reasoning_content.startswith("Die Frage")


# Anthropic


def anthropic_client(key="test-key", retries=0):
    return anthropic.Anthropic(api_key=key, base_url=BASE, max_retries=retries)


def message(model, prompt="hi", client=None, **more):
    messages = prompt if isinstance(prompt, list) else [{"role": "user", "content": prompt}]
    more = {"max_tokens": 4096, **more}
    return (client or anthropic_client()).messages.create(model=model, messages=messages, **more)


MESSAGE_TOOLS = [{"name": name, "input_schema": PARAMETERS} for name in ["first", "second"]]


def stream(model, messages, **more):
    messages = messages if isinstance(messages, list) else [{"role": "user", "content": messages}]
    with anthropic_client().messages.stream(model=model, messages=messages, max_tokens=4096, **more) as events:
        seen = list(events)
        return seen, events.get_final_message()


@check
def messages_plain():
    answer = message("text", system="be brief")
    is_markdown(answer.content[0].text)
    assert answer.stop_reason == "end_turn" and answer.usage.output_tokens > 10


@check
def messages_streamed():
    seen, answer = stream("text", "hi")
    is_markdown(answer.content[0].text)
    is_markdown("".join(event.text for event in seen if event.type == "text"))
    assert answer.usage.output_tokens > 10


@check
def messages_tool_and_result():
    messages = [{"role": "user", "content": ASK}]
    seen, answer = stream("tool", messages, tools=MESSAGE_TOOLS)
    call = answer.content[0]
    assert call.input == ARGUMENTS and answer.stop_reason == "tool_use"
    assert len([event for event in seen if event.type == "input_json"]) > 3
    messages.append({"role": "assistant", "content": answer.content})
    result = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "sunny"}]}
    answer = message("tool", messages + [{"role": "user", "content": [result]}], tools=MESSAGE_TOOLS)
    assert answer.content[0].text == "The tool said: sunny"
    result["tool_use_id"] = "toolu_other"
    bad = messages + [{"role": "user", "content": [result]}]
    assert "unexpected `tool_use_id`" in raises(anthropic.BadRequestError, lambda: message("tool", bad, tools=MESSAGE_TOOLS)).message


@check
def messages_parallel_tools():
    _, answer = stream("tools", ASK, tools=MESSAGE_TOOLS)
    assert [call.name for call in answer.content] == ["first", "second"]
    one = message("tools", tools=MESSAGE_TOOLS, tool_choice={"type": "auto", "disable_parallel_tool_use": True})
    assert len(one.content) == 1


@check
def messages_parsed():
    messages = [{"role": "user", "content": "a place"}]
    answer = anthropic_client().messages.parse(model="json", messages=messages, max_tokens=1000, output_format=Place)
    assert answer.parsed_output.days == 7


@check
def messages_thinking_comes_back():
    thinking = {"type": "enabled", "budget_tokens": 1024}
    messages = [{"role": "user", "content": "think"}]
    seen, answer = stream("reasoning", messages, tools=MESSAGE_TOOLS, thinking=thinking)
    kinds = [block.type for block in answer.content]
    assert kinds == ["thinking", "redacted_thinking", "tool_use"], kinds
    assert any(event.type == "signature" for event in seen) and answer.content[0].thinking.startswith("Die Frage")
    result = [{"type": "tool_result", "tool_use_id": answer.content[2].id, "content": "42"}]
    whole = messages + [{"role": "assistant", "content": answer.content}, {"role": "user", "content": result}]
    good = message("reasoning", whole, tools=MESSAGE_TOOLS, thinking=thinking)
    assert good.content[-1].text == "Die Antwort ist 42."
    whole[1] = {"role": "assistant", "content": answer.content[2:]}
    error = raises(anthropic.BadRequestError, lambda: message("reasoning", whole, tools=MESSAGE_TOOLS, thinking=thinking))
    assert "Expected `thinking`" in error.message
    changed = answer.content[0].model_copy(update={"signature": "other"})
    whole[1] = {"role": "assistant", "content": [changed, *answer.content[1:]]}
    error = raises(anthropic.BadRequestError, lambda: message("reasoning", whole, tools=MESSAGE_TOOLS, thinking=thinking))
    assert "Invalid `signature`" in error.message


@check
def messages_images_and_documents():
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": b64encode(PNG).decode()}}
    assert message("vision", [{"role": "user", "content": [image]}]).content[0].text == SEEN
    source = {"type": "text", "media_type": "text/plain", "data": "Foxes are red. They run."}
    document = {"type": "document", "source": source, "title": "foxes", "citations": {"enabled": True}}
    _, answer = stream("cited", [{"role": "user", "content": [document, {"type": "text", "text": "colour?"}]}])
    assert answer.content[0].citations[0].cited_text == "Foxes are red."
    _, answer = stream("cited", "colour?")
    assert answer.content[0].citations[0].url.startswith("https://")


@check
def messages_server_tool_and_pause():
    for model in ["server-tool", "paused"]:
        messages = [{"role": "user", "content": "search"}]
        _, answer = stream(model, messages)
        assert answer.content[0].type == "server_tool_use" and answer.content[0].input == {"query": "Füchse"}
        messages.append({"role": "assistant", "content": answer.content})
        if model == "paused":
            assert answer.stop_reason == "pause_turn"
            is_markdown(message(model, messages).content[0].text)
        else:
            messages.append({"role": "user", "content": "and?"})
            assert message(model, messages).content[0].text == "The blocks came back unchanged."


@check
def messages_cache():
    system = [{"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}}]
    first, second = [message("cached", system=system).usage for _ in range(2)]
    assert first.cache_creation_input_tokens > 0 and first.cache_read_input_tokens == 0
    assert second.cache_read_input_tokens > 0 and second.cache_creation_input_tokens == 0


@check
def messages_refusal_length_unknown():
    assert message("refusal").stop_reason == "refusal"
    assert message("length").stop_reason == "max_tokens"
    assert stream("unknown-events", "hi")[1].stop_reason == "end_turn"


@check
def messages_mid_error():
    raises(anthropic.APIStatusError, lambda: stream("mid-error", "hi"))


@check
def anthropic_models_and_tokens():
    assert "trickle" in [model.id for model in anthropic_client().models.list(limit=5)]
    assert anthropic_client().models.retrieve("text").display_name == "text"
    counted = anthropic_client().messages.count_tokens(model="text", messages=[{"role": "user", "content": "hi"}])
    assert counted.input_tokens > 10


@check
def anthropic_errors():
    kinds = {
        "error-429": anthropic.RateLimitError,
        "quota": anthropic.BadRequestError,
        "error-500": anthropic.InternalServerError,
        "overloaded": anthropic.InternalServerError,
        "context-too-long": anthropic.BadRequestError,
        "not-found": anthropic.NotFoundError,
        "html": anthropic.InternalServerError,
    }
    for model, kind in kinds.items():
        raises(kind, lambda: message(model))
    for key in ["sk-ant-wrong", "expired-key"]:
        raises(anthropic.AuthenticationError, lambda: message("text", client=anthropic_client(key)))
    bodies = [{"extra_body": {"nonsense": 1}}, {"max_tokens": 0}, {"prompt": [{"role": "user", "content": ""}]}]
    for more in bodies:
        raises(anthropic.BadRequestError, lambda: message("text", **more))
    error = raises(anthropic.BadRequestError, lambda: message("text", extra_body={"nonsense": 1}))
    assert "Extra inputs are not permitted" in error.message and error.request_id.startswith("req_")


@check
def anthropic_retries():
    for model in ["error-429-once", "error-500-once"]:
        is_markdown(message(model, client=anthropic_client(retries=1)).content[0].text)


# Google and Ollama, if their clients are here


def google_checks():
    from google import genai
    from google.genai import errors, types

    client = genai.Client(api_key="test-key", http_options=types.HttpOptions(base_url=BASE))
    models = client.models
    # A client that nobody holds closes itself.
    CLIENTS.append(client)
    declared = [types.FunctionDeclaration(name=name, parameters_json_schema=PARAMETERS) for name in ["first", "second"]]
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=declared)],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        thinking_config=types.ThinkingConfig(include_thoughts=True),
    )

    def said(text):
        return types.Content(role="user", parts=[types.Part(text=text)])

    @check
    def google_plain_and_streamed():
        answer = models.generate_content(model="text", contents="hi")
        is_markdown(answer.text)
        assert answer.usage_metadata.candidates_token_count > 10
        is_markdown("".join(chunk.text or "" for chunk in models.generate_content_stream(model="text", contents="hi")))

    @check
    def google_tools_and_signatures():
        answer = models.generate_content(model="reasoning", contents=[said(ASK)], config=config)
        call = answer.function_calls[0]
        assert call.args == ARGUMENTS and answer.candidates[0].content.parts[0].thought
        result = types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response={"result": "42"}))
        turns = [said(ASK), answer.candidates[0].content, types.Content(role="user", parts=[result])]
        good = models.generate_content(model="reasoning", contents=turns, config=config)
        assert good.text == "Die Antwort ist 42."
        for part in turns[1].parts:
            part.thought_signature = None
        error = raises(errors.ClientError, lambda: models.generate_content(model="reasoning", contents=turns, config=config))
        assert "missing a thought_signature" in error.message

    @check
    def google_parallel_parsed_cited():
        chunks = list(models.generate_content_stream(model="tools", contents=ASK, config=config))
        assert [len(chunk.function_calls or []) for chunk in chunks] == [2, 0]
        wanted = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Place)
        assert models.generate_content(model="json", contents="a place", config=wanted).parsed.days == 7
        cited = models.generate_content(model="cited", contents="foxes?").candidates[0].grounding_metadata
        assert cited.grounding_chunks[0].web.title == "Über Füchse"

    @check
    def google_images_and_models():
        picture = types.Part.from_bytes(data=PNG, mime_type="image/png")
        assert models.generate_content(model="vision", contents=[picture, "what?"]).text == SEEN
        names = [model.name for model in models.list(config={"page_size": 7})]
        assert "models/hang-middle" in names and len(names) > 30

    @check
    def google_errors():
        for model, code in {"error-429": 429, "error-500": 500, "overloaded": 503, "not-found": 404}.items():
            assert raises(errors.APIError, lambda: models.generate_content(model=model, contents="hi")).code == code
        other = genai.Client(api_key="wrong", http_options=types.HttpOptions(base_url=BASE))
        error = raises(errors.ClientError, lambda: other.models.generate_content(model="text", contents="hi"))
        assert error.code == 400 and "API key not valid" in error.message


def ollama_checks():
    import ollama

    client = ollama.Client(host=BASE)
    tools = [{"type": "function", "function": {"name": "first", "description": "x", "parameters": PARAMETERS}}]

    def ask(model, **more):
        return client.chat(model=model, messages=[{"role": "user", "content": ASK, **more.pop("message", {})}], **more)

    @check
    def ollama_plain_and_streamed():
        is_markdown(ask("text").message.content)
        lines = list(ask("text", stream=True))
        is_markdown("".join(line.message.content for line in lines))
        assert lines[-1].done and lines[-1].eval_count > 10

    @check
    def ollama_tool_and_result():
        answer = ask("tool", tools=tools)
        assert answer.message.tool_calls[0].function.arguments == ARGUMENTS
        messages = [{"role": "user", "content": ASK}, answer.message, {"role": "tool", "tool_name": "first", "content": "sunny"}]
        assert client.chat(model="tool", messages=messages, tools=tools).message.content == "The tool said: sunny"

    @check
    def ollama_thoughts_json_images():
        assert ask("reasoning", think=True).message.thinking.startswith("Die Frage")
        assert Place.model_validate_json(ask("json", format=Place.model_json_schema()).message.content).days == 7
        assert ask("vision", message={"images": [PNG]}).message.content == SEEN

    @check
    def ollama_models_and_errors():
        assert "text:latest" in [model.model for model in client.list().models]
        assert raises(ollama.ResponseError, lambda: ask("not-found")).status_code == 404
        assert raises(ollama.ResponseError, lambda: ask("error-429")).status_code == 429
        raises(ollama.ResponseError, lambda: list(ask("mid-error", stream=True)))


def main():
    for extra in [google_checks, ollama_checks]:
        try:
            extra()
        except ImportError as error:
            print(f"skip {extra.__name__}: {error}")
    failed = 0
    for one in CHECKS:
        try:
            one()
            print(f"ok   {one.__name__}")
        except Exception:
            failed += 1
            print(f"FAIL {one.__name__}\n{traceback.format_exc(limit=-2)}")
    print(f"{len(CHECKS) - failed} of {len(CHECKS)} checks passed")
    sys.exit(1 if failed else 0)


main()
