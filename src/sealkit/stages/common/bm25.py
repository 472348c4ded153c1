"""Lexical scores by BM25, with bm25s and its tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sealkit.finding import UsageError
from sealkit.stage import Params

METHOD = "lucene"  # BM25 as Lucene has it: Kamphuis et al. 2020, "Which BM25 Do You Mean?"


class Bm25(Params):
    """`stemmer`: Snowball's English stemmer, or none. `stop_words`: the English ones of bm25s are left out, or none are."""

    k1: float = Field(default=1.5, ge=0)
    b: float = Field(default=0.75, ge=0, le=1)
    stemmer: Literal["english"] | None = "english"
    stop_words: Literal["english"] | None = "english"

    def document(self) -> dict[str, Any]:
        return {"method": METHOD, **self.model_dump()}


class Lexical:
    """A BM25 index over texts, held in memory."""

    def __init__(self, texts: Sequence[str], params: Bm25) -> None:
        import bm25s

        self._params = params
        words = self._words(texts)
        if not any(words):
            raise UsageError("no document holds a word that BM25 can index", "check the corpus, or the stop words")
        self._index = bm25s.BM25(method=METHOD, k1=params.k1, b=params.b)
        self._index.index(words, show_progress=False)

    def scores(self, query: str) -> NDArray[np.float32]:
        """The score of every document, of shape (documents,); 0 where it holds no word of the query."""
        known = self._index.get_tokens_ids(self._words([query])[0])
        found: NDArray[np.float32] = self._index.get_scores_from_ids(known)
        return found

    def _words(self, texts: Sequence[str]) -> list[list[str]]:
        import bm25s
        import Stemmer

        stemmer = Stemmer.Stemmer(self._params.stemmer) if self._params.stemmer else None
        found: list[list[str]] = bm25s.tokenize(
            list(texts), stopwords=self._params.stop_words or [], stemmer=stemmer, return_ids=False, show_progress=False
        )
        return found
