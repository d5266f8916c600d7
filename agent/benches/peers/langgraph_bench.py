"""The workloads of the graph bench on LangGraph: `langgraph_bench.py CASE VARIANT SAMPLES FOLDER` prints one report.

The definitions, the variants and the way to measure are those of `benches/graph`; `measure.rs` says why each step of
`measure` below is as it is.
"""

import asyncio
import json
import operator
import os
import random
import shutil
import string
import sys
import time
import warnings
from dataclasses import dataclass, field
from typing import Annotated, Any, Optional, TypedDict

warnings.filterwarnings("ignore", category=DeprecationWarning)  # of `create_react_agent`, which has moved

import uvloop  # noqa: E402
from langgraph.checkpoint.memory import InMemorySaver  # noqa: E402
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver  # noqa: E402
from langgraph.graph import END, START, StateGraph, add_messages  # noqa: E402
from langgraph.types import Send  # noqa: E402

SAMPLE_SECONDS = 0.010
RUNS_MAX = 2000
SAMPLES_MIN = 3
BUDGET_SECONDS = 60
STEPS_MAX = 1_000_000_000
DURABILITY = {
    "memory, on exit": "exit",
    "memory, background": "async",
    "SQLite, background": "async",
    "SQLite, sync": "sync",
}


# W1


def sequential(nodes):
    class Chat(TypedDict):
        messages: Annotated[list, add_messages]

    graph = StateGraph(Chat)
    for node in range(nodes):
        graph.add_node(f"node_{node}", nothing)
        graph.add_edge(START if node == 0 else f"node_{node - 1}", f"node_{node}")
    graph.add_edge(f"node_{nodes - 1}", END)

    def check(state):
        assert state["messages"] == []

    return graph, {"messages": []}, nodes, check


async def nothing(state):
    return None


# W2


def fanout(subjects):
    class Show(TypedDict):
        subjects: list
        jokes: Annotated[list, operator.add]

    class Joke(TypedDict):
        subject: str
        jokes: list

    async def edit(state):
        return {"subject": state["subject"] + " - hohoho"}

    async def generate(state):
        return {"jokes": ["Joke about " + state["subject"]]}

    async def bump(state):
        return {"jokes": [state["jokes"][0] + " a"]}

    async def is_done(state):
        return END if state["jokes"][0].endswith(" a" * 10) else "bump"

    async def share(state):
        return [Send("generate_joke", {"subject": subject}) for subject in state["subjects"]]

    within = StateGraph(Joke)
    within.add_node("edit", edit)
    within.add_node("generate", generate)
    within.add_node("bump", bump)
    within.add_edge(START, "edit")
    within.add_edge("edit", "generate")
    within.add_edge("generate", END)
    within.add_edge("generate", "bump")
    within.add_conditional_edges("bump", is_done, ["bump", END])

    graph = StateGraph(Show)
    graph.add_node("generate_joke", within.compile())
    graph.add_conditional_edges(START, share, ["generate_joke"])
    graph.add_edge("generate_joke", END)

    texts = [str(random.choices(string.ascii_lowercase, k=1000)) for _ in range(subjects)]

    def check(state):
        expected = ["Joke about " + text + " - hohoho" + " a" * 10 for text in texts]
        assert state["jokes"] == expected and all(len(joke) == 5040 for joke in expected)

    return graph, {"subjects": texts}, 12 * subjects + 1, check


# W3


def react(calls):
    from uuid import uuid4

    from langchain_core.language_models.chat_models import BaseChatModel
    from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
    from langchain_core.outputs import ChatGeneration, ChatResult
    from langchain_core.tools import tool
    from langgraph.prebuilt import create_react_agent

    @tool
    def f(query: str) -> str:
        """Answers a query."""
        return ("result for query: " + query) * 10

    script = [({"query": str(uuid4()) * 100}, str(uuid4())) for _ in range(calls)]

    class Scripted(BaseChatModel):
        @property
        def _llm_type(self):
            return "scripted"

        def bind_tools(self, tools, **_):
            return self

        def _generate(self, messages, stop=None, run_manager=None, **_):
            turn = sum(isinstance(message, AIMessage) for message in messages)
            if turn == calls:
                says = AIMessage("answer" * 100)
            else:
                arguments, id = script[turn]
                says = AIMessage("", tool_calls=[{"name": "f", "args": arguments, "id": id}])
            return ChatResult(generations=[ChatGeneration(message=says)])

    def check(state):
        results = [message for message in state["messages"] if isinstance(message, ToolMessage)]
        assert len(state["messages"]) == 2 * calls + 2 and len(results) == calls
        assert all(len(message.content) == 36180 for message in results)
        assert len(state["messages"][-1].content) == 600

    def graph(saver):
        return create_react_agent(Scripted(), [f], checkpointer=saver)

    return graph, {"messages": [HumanMessage("hi?")]}, 2 * calls + 1, check


# W4

LISTS = {"messages", "trigger_events", "relevant_rules", "memory_docs", "categorizations", "responses"}
OBJECTS = {"autoresponse", "issue", "user_info", "crm_info", "slack_participants", "notified_assignees"}
LENGTHS = {
    300: (595, 277, 277, 406, 406),
    600: (1873, 872, 872, 1278, 1278),
    1200: (1873, 872, 872, 1278, 1278),
}


def non_empty(kept, written):
    return written or kept


def present(kept, written):
    return kept if written is None else written


def newest(_, written):
    return written


@dataclass(kw_only=True)
class Desk:
    messages: Annotated[list, operator.add] = field(default_factory=list)
    trigger_events: Annotated[list, operator.add] = field(default_factory=list)
    primary_issue_medium: Annotated[str, non_empty] = "email"
    autoresponse: Annotated[Optional[dict], newest] = None
    issue: Annotated[Optional[dict], present] = None
    relevant_rules: Optional[list] = None
    memory_docs: Optional[list] = None
    categorizations: Annotated[list, operator.add] = field(default_factory=list)
    responses: Annotated[list, operator.add] = field(default_factory=list)
    user_info: Annotated[Optional[dict], present] = None
    crm_info: Annotated[Optional[dict], present] = None
    email_thread_id: Annotated[Optional[str], present] = None
    slack_participants: Annotated[dict, operator.or_] = field(default_factory=dict)
    bot_id: Optional[str] = None
    notified_assignees: Annotated[dict, operator.or_] = field(default_factory=dict)


DeskDict = TypedDict("DeskDict", {name: hint for name, hint in Desk.__annotations__.items()})


def wide(size, state=Desk):
    values, length = map(int, size.split("x"))
    inner = 5 if values == 25 else 3
    outer = values // inner
    is_dict = state is DeskDict

    def read(desk, name):
        return desk.get(name) if is_dict else getattr(desk, name)

    def node(source, fields):
        async def run(desk):
            value = read(desk, source)
            whole = value if isinstance(value, list) else [value]
            update = {}
            for name in fields:
                if name in LISTS:
                    update[name] = whole
                elif name in OBJECTS:
                    update[name] = whole[-1]
                else:
                    update[name] = "".join(random.choices(string.ascii_lowercase, k=length))
            return update

        return run

    async def is_done(desk):
        return END if len(read(desk, "messages")) > length else "one"

    graph = StateGraph(state)
    graph.add_node("one", node("messages", ["trigger_events", "primary_issue_medium"]))
    graph.add_node("two", node("trigger_events", ["autoresponse", "issue"]))
    graph.add_node("three", node("autoresponse", ["relevant_rules"]))
    graph.add_node("four", node("trigger_events", ["categorizations", "responses", "memory_docs"]))
    five = ["user_info", "crm_info", "email_thread_id", "slack_participants", "bot_id", "notified_assignees"]
    graph.add_node("five", node("categorizations", five))
    graph.add_node("six", node("responses", ["messages"]))
    for start, end in [(START, "one"), ("one", "two"), ("two", "three"), ("two", "four"), ("five", "six")]:
        graph.add_edge(start, end)
    graph.add_edge(["three", "four"], "five")
    graph.add_conditional_edges("six", is_done, ["one", END])

    leaf = ["hi?" * 10, True, 1, 6327816386138, None] * 5
    document = {str(i) * 10: {str(j) * 10: leaf for j in range(inner)} for i in range(outer)}

    def check(desk):
        names = ["messages", "trigger_events", "memory_docs", "categorizations", "responses"]
        assert tuple(len(desk[name]) for name in names) == LENGTHS[length]
        assert len(desk["notified_assignees"]) == outer

    return graph, {"messages": [document]}, 30 if length == 300 else 35, check


# Measuring


class Graphs:
    """A workload that is a graph."""

    def __init__(self, made, variant):
        self.graph, self.input, self.supersteps, self.check = made
        self.variant = variant

    async def open(self, folder):
        saver, context = None, None
        if self.variant.startswith("memory"):
            saver = InMemorySaver()
        elif self.variant.startswith("SQLite"):
            context = AsyncSqliteSaver.from_conn_string(os.path.join(folder, "threads.sqlite"))
            saver = await context.__aenter__()
            await saver.setup()
        compiled = self.graph(saver) if callable(self.graph) else self.graph.compile(checkpointer=saver)
        return compiled, context

    def arguments(self, thread):
        config = {"configurable": {"thread_id": thread}, "recursion_limit": STEPS_MAX}
        durability = DURABILITY.get(self.variant)
        return {"config": config, **({"durability": durability} if durability else {})}

    async def run(self, store, thread, is_first):
        compiled, _ = store
        if self.variant == "none, awaited" or is_first:
            state = await compiled.ainvoke(self.input, **self.arguments(thread))
            self.check(state)
        else:
            # The default stream does not tell the state at the end; the first run has checked it.
            async for _ in compiled.astream(self.input, **self.arguments(thread)):
                pass

    async def close(self, store):
        if store[1] is not None:
            await store[1].__aexit__(None, None, None)


class Savers:
    """W5: a chain of checkpoints, each with the write of one task."""

    supersteps = 100

    def __init__(self, size, variant):
        self.value = "x" * int(size)
        self.variant = variant

    async def open(self, folder):
        if self.variant.startswith("memory"):
            return InMemorySaver(), None
        context = AsyncSqliteSaver.from_conn_string(os.path.join(folder, "threads.sqlite"))
        saver = await context.__aenter__()
        await saver.setup()
        if self.variant == "SQLite, background":
            await saver.conn.execute("PRAGMA synchronous=NORMAL")
        return saver, context

    async def run(self, store, thread, _):
        from langgraph.checkpoint.base import empty_checkpoint, uuid6

        saver = store[0]
        config = {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}
        version = None
        for step in range(self.supersteps):
            version = saver.get_next_version(version, None)
            checkpoint = empty_checkpoint()
            checkpoint["id"] = str(uuid6(clock_seq=step))
            checkpoint["channel_values"] = {"value": self.value}
            checkpoint["channel_versions"] = {"value": version}
            metadata = {"source": "loop", "step": step, "parents": {}}
            config = await saver.aput(config, checkpoint, metadata, {"value": version})
            await saver.aput_writes(config, [("value", self.value)], f"task-{step}")
        found = await saver.aget_tuple({"configurable": {"thread_id": thread, "checkpoint_ns": ""}})
        assert found.checkpoint["channel_values"]["value"] == self.value

    async def close(self, store):
        if store[1] is not None:
            await store[1].__aexit__(None, None, None)


def workload(case, variant):
    name, size = case.rsplit("_", 1)
    if name == "saver":
        return Savers(size, variant)
    makers = {
        "sequential": lambda: sequential(int(size)),
        "fanout": lambda: fanout(int(size)),
        "react": lambda: react(int(size)),
        "wide": lambda: wide(size),
        "wide_json": lambda: wide(size, DeskDict),
    }
    return Graphs(makers[name](), variant)


async def measure(work, samples, scratch):
    begun = time.monotonic()
    first = float("inf")
    for round in ["cold", "warm"]:
        folder = empty(scratch, round)
        store = await work.open(folder)
        started = time.process_time()
        await work.run(store, round, True)
        first = min(first, time.process_time() - started)
        if round == "cold":
            peak = peak_memory()
        await work.close(store)
        size = sum(entry.stat().st_size for entry in os.scandir(folder) if entry.is_file())
        shutil.rmtree(folder)
    runs = int(min(max(SAMPLE_SECONDS / max(first, 1e-9), 1), getattr(work, "runs_max", RUNS_MAX)))
    cpu, wall = [], []
    while len(cpu) < samples and (len(cpu) < SAMPLES_MIN or time.monotonic() - begun < BUDGET_SECONDS):
        folder = empty(scratch, "sample")
        store = await work.open(folder)
        before, start = time.process_time(), time.perf_counter()
        for run in range(runs):
            await work.run(store, f"thread-{run}", False)
        cpu.append((time.process_time() - before) * 1e6 / runs)
        wall.append((time.perf_counter() - start) * 1e6 / runs)
        await work.close(store)
        shutil.rmtree(folder)
    return {
        "supersteps": work.supersteps,
        "runs": runs,
        "cpu_us": cpu,
        "wall_us": wall,
        "bytes": size,
        "peak_bytes": peak,
    }


def peak_memory():
    return memory("VmHWM:")


def memory(field):
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith(field))
    return int(line.split()[1]) * 1024


def empty(scratch, name):
    folder = os.path.join(scratch, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


if __name__ == "__main__":
    case, variant, samples, scratch = sys.argv[1:]
    print(json.dumps(uvloop.run(measure(workload(case, variant), int(samples), scratch))))
