"""Ingests a folder of Markdown with Haystack: its in-memory store keeps both vectors and the words for BM25."""

import os

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"

import ingest

from dataclasses import replace
from pathlib import Path

from haystack import Document, Pipeline, component
from haystack.components.converters import TextFileToDocument
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.writers import DocumentWriter
from haystack.document_stores.in_memory import InMemoryDocumentStore

# Haystack's splitter counts words; the book has about 1.7 tokens a word, so this is its 256 tokens.
CHUNK_WORDS = 150
OVERLAP_WORDS = 19


@component
class OnnxEmbedder:
    """The shared onnxruntime model as a Haystack component."""

    def __init__(self, encoder):
        self.encoder = encoder

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]):
        vectors = self.encoder.embed([document.content for document in documents])
        pairs = zip(documents, vectors)
        return {"documents": [replace(document, embedding=vector.tolist()) for document, vector in pairs]}


def build(folder, encoder):
    """Reads, splits, embeds and writes."""
    store = InMemoryDocumentStore()
    pipeline = Pipeline()
    pipeline.add_component("read", TextFileToDocument())
    pipeline.add_component(
        "split", DocumentSplitter(split_by="word", split_length=CHUNK_WORDS, split_overlap=OVERLAP_WORDS)
    )
    pipeline.add_component("embed", OnnxEmbedder(encoder))
    pipeline.add_component("write", DocumentWriter(store))
    pipeline.connect("read", "split")
    pipeline.connect("split", "embed")
    pipeline.connect("embed", "write")
    pipeline.run({"read": {"sources": sorted(Path(folder).rglob("*.md"))}})
    return store.count_documents()


ingest.run(build)
