"""The workloads of the bench of agents on LangGraph's prebuilt agent: `langgraph_agents.py CASE STORED SAMPLES FOLDER` prints
one report.

The definitions are those of `benches/agents`, and the way to measure is that of the graph bench. The model is a class of
langchain that reads what comes next from the newest message, as the models of the other sides do.
"""

import asyncio
import json
import os
import sys
import time
from uuid import uuid4

from langgraph_bench import STEPS_MAX, measure, memory, peak_memory  # first: it turns off a warning

import uvloop  # noqa: E402
from langchain_core.language_models.chat_models import BaseChatModel  # noqa: E402
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage  # noqa: E402
from langchain_core.outputs import ChatGeneration, ChatResult  # noqa: E402
from langchain_core.tools import tool  # noqa: E402
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver  # noqa: E402
from langgraph.prebuilt import create_react_agent  # noqa: E402

LARGE = 100  # ids in the argument of a call of W3, 3600 characters
SMALL = 1
ANSWER = "answer" * 100
INSTRUCTIONS = "You answer questions. Use the tools where they help, and say what you have found."
CALLS = 10  # of a turn in a long conversation and in a crowd
AGENTS = 1_000  # that wait; each takes so much that more would not fit
FIRST = 100


def result(query):
    return ("result for query: " + query) * 10


@tool
def f(query: str) -> str:
    """Answers a query."""
    return result(query)


@tool
def g(query: str) -> str:
    """Answers a query."""
    return result(query)


@tool
def h(query: str) -> str:
    """Answers a query."""
    return result(query)


class Scripted(BaseChatModel):
    """Makes so many calls of `f`, one after the other, and then answers."""

    queries: list
    yields: bool = False

    @property
    def _llm_type(self):
        return "scripted"

    def bind_tools(self, tools, **_):
        return self

    def _says(self, messages):
        made, newest = 0, messages[-1]
        if isinstance(newest, ToolMessage):
            made = int(newest.tool_call_id.removeprefix("call-")) + 1
            assert len(newest.content) == len(result(self.queries[0]))
        if made == len(self.queries):
            says = AIMessage(ANSWER)
        else:
            call = {"name": "f", "args": {"query": self.queries[made]}, "id": f"call-{made}"}
            says = AIMessage("", tool_calls=[call])
        return ChatResult(generations=[ChatGeneration(message=says)])

    def _generate(self, messages, stop=None, run_manager=None, **_):
        return self._says(messages)

    async def _agenerate(self, messages, stop=None, run_manager=None, **_):
        if self.yields:
            await asyncio.sleep(0)
        return self._says(messages)


def model(calls, ids, yields=False):
    return Scripted(queries=[str(uuid4()) * ids for _ in range(calls)], yields=yields)


def config(thread):
    return {"configurable": {"thread_id": thread}, "recursion_limit": STEPS_MAX}


def conversation(messages):
    text = "what was said before " * 10
    return [(AIMessage if n % 2 else HumanMessage)(text) for n in range(messages)]


class Talk:
    """A turn: with many calls in a conversation that begins with it, or with ten at the end of a long one."""

    def __init__(self, calls, ids, before, is_stored):
        self.calls, self.ids, self.before, self.is_stored = calls, ids, before, is_stored
        self.supersteps = 2 * calls + 1
        if before is not None:
            self.runs_max = 1 if is_stored else 50

    async def open(self, folder):
        saver, context = None, None
        if self.is_stored:
            context = AsyncSqliteSaver.from_conn_string(os.path.join(folder, "threads.sqlite"))
            saver = await context.__aenter__()
            await saver.setup()
        agent = create_react_agent(model(self.calls, self.ids), [f], prompt=INSTRUCTIONS, checkpointer=saver)
        inputs = []
        if self.before is not None and self.is_stored:
            said = conversation(self.before - min(self.before, 2 * self.calls + 2))
            await self.turn(agent, said + [HumanMessage("hi?")], "talk")
        elif self.before is not None:
            inputs = [conversation(self.before) + [HumanMessage("hi?")] for _ in range(self.runs_max)]
        return agent, context, inputs, []

    async def turn(self, agent, messages, thread):
        durability = {"durability": "sync"} if self.is_stored else {}
        return await agent.ainvoke({"messages": messages}, config=config(thread), **durability)

    async def run(self, store, thread, _):
        agent, _, inputs, ended = store
        if self.before is None:
            state = await self.turn(agent, [HumanMessage("hi?")], thread)
            assert len(state["messages"]) == 2 * self.calls + 2
        else:
            state = await self.turn(agent, inputs.pop() if inputs else [HumanMessage("hi?")], "talk")
            ended.append(state)
        assert state["messages"][-1].content == ANSWER

    async def close(self, store):
        if store[1] is not None:
            await store[1].__aexit__(None, None, None)


class Crowd:
    """Many agents at once, each with a turn of ten calls."""

    def __init__(self, agents):
        self.agents = agents
        self.supersteps = agents * (2 * CALLS + 1)

    async def open(self, _):
        scripted = model(CALLS, SMALL, yields=True)
        return [create_react_agent(scripted, [f], prompt=INSTRUCTIONS) for _ in range(self.agents)]

    async def run(self, agents, *_):
        turns = (agent.ainvoke({"messages": [HumanMessage("hi?")]}, config=config("none")) for agent in agents)
        for state in await asyncio.gather(*turns):
            assert state["messages"][-1].content == ANSWER

    async def close(self, _):
        pass


async def idle():
    scripted, kept = model(0, SMALL), []

    async def make(n):
        agent = create_react_agent(scripted, [f, g, h], prompt=f"{INSTRUCTIONS} ({n})", name=f"agent-{n}")
        await agent.ainvoke({"messages": [HumanMessage("hi?")]}, config=config("none"))
        kept.append(agent)

    for n in range(FIRST):
        await make(n)
    before, cpu, wall = memory("VmRSS:"), time.process_time(), time.perf_counter()
    for n in range(AGENTS):
        await make(FIRST + n)
    return {
        "supersteps": 1,
        "runs": AGENTS,
        "cpu_us": [(time.process_time() - cpu) * 1e6 / AGENTS],
        "wall_us": [(time.perf_counter() - wall) * 1e6 / AGENTS],
        "bytes": (memory("VmRSS:") - before) // AGENTS,
        "peak_bytes": peak_memory(),
    }


def measured(case, stored, samples, scratch):
    name, size = case.split("_")
    is_stored = stored != "none"
    match name:
        case "react":
            work = Talk(int(size), LARGE, None, is_stored)
        case "long":
            work = Talk(CALLS, SMALL, int(size), is_stored)
        case "crowd":
            work = Crowd(int(size))
        case "idle":
            return idle()
    return measure(work, samples, scratch)


if __name__ == "__main__":
    case, stored, samples, scratch = sys.argv[1:]
    print(json.dumps(uvloop.run(measured(case, stored, int(samples), scratch))))
