"""Ingests a folder of Markdown with LlamaIndex: vector index, plus BM25 so that words are searchable as well."""

import ingest

from typing import Any

from llama_index.core import SimpleDirectoryReader, VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.node_parser import SentenceSplitter
from llama_index.retrievers.bm25 import BM25Retriever
from pydantic import PrivateAttr


class OnnxEmbedding(BaseEmbedding):
    """The shared onnxruntime model behind LlamaIndex's interface."""

    _encoder: Any = PrivateAttr()

    def __init__(self, encoder):
        super().__init__(model_name="all-MiniLM-L6-v2", embed_batch_size=2048)
        self._encoder = encoder

    def _get_text_embeddings(self, texts):
        return [vector.tolist() for vector in self._encoder.embed(texts)]

    def _get_text_embedding(self, text):
        return self._get_text_embeddings([text])[0]

    def _get_query_embedding(self, query):
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query):
        return self._get_text_embedding(query)


def build(folder, encoder):
    """Reads, splits, embeds and indexes."""
    documents = SimpleDirectoryReader(folder, recursive=True, required_exts=[".md"]).load_data()

    def tokens(text):
        return encoder.tokenizer.encode(text, add_special_tokens=False).ids

    splitter = SentenceSplitter(
        chunk_size=ingest.CHUNK_TOKENS, chunk_overlap=ingest.CHUNK_OVERLAP, tokenizer=tokens
    )
    nodes = splitter.get_nodes_from_documents(documents)
    BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=10)
    VectorStoreIndex(nodes, embed_model=OnnxEmbedding(encoder))
    return len(nodes)


ingest.run(build)
