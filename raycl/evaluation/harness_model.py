"""The harness' model class, told where a document begins. Imports the harness, which takes long."""

from __future__ import annotations

from typing import Any

from lm_eval.models.huggingface import HFLM


class StateModel(HFLM):  # type: ignore[misc]
    """A stored state, whose tokenizer may have a token that begins each document."""

    add_bos_token: bool

    def loglikelihood_rolling(self, requests: Any, disable_tqdm: bool = False) -> Any:
        """Log-likelihoods of whole documents.

        The harness' windows begin with the prefix, which is that token already: it is neither
        written nor predicted a second time.
        """
        begins, self.add_bos_token = self.add_bos_token, False
        try:
            return super().loglikelihood_rolling(requests, disable_tqdm)
        finally:
            self.add_bos_token = begins
