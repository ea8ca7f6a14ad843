"""Which parameters of a model take part in training, as a stage says."""

from __future__ import annotations

from raycl.plan.trained import Trains
from raycl.plan.trained_names import trained_names
from raycl.train.model.adapters import add_adapters
from raycl.train.model.language_model import LanguageModel


def restrict(model: LanguageModel, trains: Trains) -> None:
    """Freeze what is not trained, or add adapters, in place; the model has no bytes yet.

    Parameters that are frozen already stay frozen. Raises InputError where the model has no weights
    of the names that the stage gives, or would train none or all of them.
    """
    if trains.everything:
        return
    if trains.lora is not None:
        add_adapters(model, trains.lora)
        return
    first = {id(parameter): name for name, parameter in model.model.named_parameters()}
    names = {
        name: first[id(parameter)]
        for name, parameter in model.model.named_parameters(remove_duplicate=False)
        if parameter.requires_grad
    }
    trained = trained_names(trains, names, embedding_names(model))
    for name, parameter in model.model.named_parameters():
        parameter.requires_grad_(name in trained)


def embedding_names(model: LanguageModel) -> list[str]:
    """The names of the weights of the embedding of tokens and of the output matrix."""
    parts = (model.model.get_input_embeddings(), model.model.get_output_embeddings())
    own = {id(p) for part in parts if part is not None for p in part.parameters()}
    return [name for name, parameter in model.model.named_parameters() if id(parameter) in own]


def tied_names(model: LanguageModel) -> tuple[str, str] | None:
    """The embedding's name and the head's, where both are one parameter."""
    first = {id(parameter): name for name, parameter in model.model.named_parameters()}
    for name, parameter in model.model.named_parameters(remove_duplicate=False):
        if first[id(parameter)] != name:
            return first[id(parameter)], name
    return None
