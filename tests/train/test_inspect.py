"""A given model is looked into before a cluster starts."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from raycl.cli.main import main
from raycl.errors import InputError
from raycl.models.headers import read_config, read_headers
from raycl.models.identifier import hashed_tensors
from raycl.models.start import TensorHeader
from raycl.models.store import folder_weights
from raycl.plan.layout import Layout
from raycl.plan.memory import Computation
from raycl.plan.memory_forms import memory_facts
from raycl.plan.model_facts import ModelFacts
from raycl.plan.presets import PRESETS, flops_per_token, parameter_count
from raycl.plan.process_memory import PROCESS, worker_memory
from raycl.plan.training import ModelSpec
from raycl.train.inspection.inspect import inspect_model
from raycl.train.inspection.probe import behaviour
from raycl.train.model.architecture import check_fields, hugging_face_config
from raycl.train.model.attention import built_with
from raycl.train.start.fill import whole_model
from tests.helpers.model_folders import LLAMA, llama_tensors, model_folder
from tests.helpers.model_types import GEMMA3, configuration
from tests.helpers.recipe_data import recipe_data, write_recipe


def inspected(
    config: Mapping[str, Any],
    tensors: Mapping[str, tuple[int, ...]] | None = None,
    length: int = 16,
    vocabulary: int = 60,
) -> ModelFacts:
    headers = {name: TensorHeader("F32", shape) for name, shape in (tensors or {}).items()}
    spec = ModelSpec(config, "identifier" if tensors else None)
    return inspect_model(spec, headers or None, length, vocabulary, "my.yaml")


@pytest.mark.parametrize("name", ["gpt-neox-tiny", "llama-tiny", "llama-135m", "llama-1b"])
def test_counts_are_those_of_the_closed_form(name: str) -> None:
    config = {**PRESETS[name], "vocab_size": 1000}
    facts = inspected(config, length=512)
    assert facts.parameters == facts.trained == facts.active == parameter_count(config)
    assert facts.flops_per_token == pytest.approx(flops_per_token(config, 512))


def test_whole_checkpoints_pass() -> None:
    tensors = llama_tensors()
    assert inspected(LLAMA, tensors).vocabulary == 300
    old = {f"model.layers.{n}.self_attn.rotary_emb.inv_freq": (4,) for n in range(2)}
    inspected(LLAMA, {**tensors, **old})
    del tensors["lm_head.weight"]
    inspected({**LLAMA, "tie_word_embeddings": True}, tensors)
    base = {name.removeprefix("model."): shape for name, shape in tensors.items()}
    inspected({**LLAMA, "tie_word_embeddings": True}, base)


def _renamed(prefix: str) -> dict[str, tuple[int, ...]]:
    return {prefix + name: shape for name, shape in llama_tensors().items()}


def _without(part: str) -> dict[str, tuple[int, ...]]:
    return {name: shape for name, shape in llama_tensors().items() if part not in name}


@pytest.mark.parametrize("config", [LLAMA, configuration("gpt2")])
def test_a_head_of_its_own_is_not_tied(config: dict[str, Any], tmp_path: Path) -> None:
    """The library warns and leaves it untied; a state of it would then lose its head."""
    spec = ModelSpec({**config, "tie_word_embeddings": False})
    model = whole_model(spec, 16, 0).model
    model.save_pretrained(tmp_path)
    tied = ModelSpec({**config, "tie_word_embeddings": True}, "identifier")
    with pytest.raises(InputError, match=r"lm_head\.weight and .* differ.*tie_word_embeddings"):
        inspect_model(tied, hashed_tensors(read_headers(tmp_path)), 16, 60, "my.yaml")
    with pytest.raises(InputError, match=r"lm_head\.weight and .* differ"):
        whole_model(tied, 16, folder_weights(tmp_path))
    with torch.no_grad():
        model.get_output_embeddings().weight.copy_(model.get_input_embeddings().weight)
    model.save_pretrained(tmp_path)
    inspect_model(tied, hashed_tensors(read_headers(tmp_path)), 16, 60, "my.yaml")
    built = whole_model(tied, 16, folder_weights(tmp_path)).model
    assert built.get_output_embeddings().weight is built.get_input_embeddings().weight


@pytest.mark.parametrize("limit", [[0.0, {"__float__": "Infinity"}], [0.0, math.inf]])
def test_a_number_that_json_has_not(limit: list[Any], tmp_path: Path) -> None:
    """Both ways in which transformers has written the infinite limit of Mamba-2's time steps."""
    path = model_folder(tmp_path) / "config.json"
    path.write_text(json.dumps({**configuration("mamba2"), "time_step_limit": limit}))
    config = read_config(tmp_path)
    assert json.loads(json.dumps(config, allow_nan=False)) == config
    assert hugging_face_config(config).time_step_limit[1] == math.inf
    inspect_model(ModelSpec(config), None, 16, 60, "my.yaml")


GPT2_NAMES = {f"transformer.h.0.{name}": (32, 32) for name in ("a", "b", "c", "d")}


@pytest.mark.parametrize(
    ("tensors", "problem"),
    [
        (_renamed("_orig_mod."), "left of torch.compile"),
        (_renamed("module."), "left of DataParallel"),
        (_renamed("module._orig_mod."), "left of"),
        (_without("layers.1."), r"weights are missing: model\.layers\.1\..* and 6 more"),
        (_without("lm_head"), "weights are missing: lm_head.weight.*saved without its head"),
        (_without("model.norm"), "missing: model.norm.weight"),
        (
            {n.removeprefix("model."): s for n, s in _without("lm_head").items()},
            "lm_head.weight.*without its head",
        ),
        (llama_tensors(3), r"no place for model\.layers\.2\."),
        ({**llama_tensors(), "lm_head.bias": (300,)}, r"no place for lm_head\.bias"),
        (
            {**llama_tensors(), "model.layers.0.self_attn.q_proj.bias": (32,)},
            r"no place for model\.layers\.0\.self_attn\.q_proj\.bias",
        ),
        (
            {**llama_tensors(), "model.layers.0.attention.bias": (32,)},
            r"no place for model\.layers\.0\.attention\.bias",
        ),
        ({**llama_tensors(), "model.norm.weight": (16,)}, r"norm.weight is \[16\], but \[32\]"),
        ({**llama_tensors(), "lm_head.weight": (300, 64)}, r"lm_head.weight is \[300, 64\]"),
        (GPT2_NAMES, "not the weights of a llama model"),
    ],
)
def test_weights_that_do_not_fit_are_named(
    tensors: dict[str, tuple[int, ...]], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=problem) as raised:
        inspected(LLAMA, tensors)
    assert raised.value.where == "my.yaml: weights"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("kind", ["gpt2", "mixtral", "qwen3_moe", "gemma3_text", "deepseek_v3"])
def test_what_transformers_saves_passes(kind: str, tmp_path: Path) -> None:
    model = whole_model(ModelSpec(configuration(kind)), 16, 0).model
    model.save_pretrained(tmp_path)
    headers = {name: header for name, (_, header) in read_headers(tmp_path).items()}
    spec = ModelSpec(json.loads((tmp_path / "config.json").read_text()), "identifier")
    facts = inspect_model(spec, headers, 16, 60, "my.yaml")
    assert facts.parameters == sum(p.numel() for p in model.parameters())
    headers.pop(max(headers))
    with pytest.raises(InputError, match=r"missing|config\.json"):
        inspect_model(spec, headers, 16, 60, "my.yaml")


@pytest.mark.parametrize("pretrained", [True, False])
def test_a_tokenizer_larger_than_the_model(pretrained: bool) -> None:
    with pytest.raises(InputError, match=r"300 tokens: the tokenizer has 320 tokens") as raised:
        inspected(LLAMA, llama_tensors() if pretrained else None, vocabulary=320)
    wanted = "raycl models extend" if pretrained else "vocab_size to 320"
    assert wanted in raised.value.remedy
    inspected(LLAMA, vocabulary=300)


@pytest.mark.parametrize(
    ("config", "length"),
    [
        (configuration("gpt2"), 64),
        (configuration("mpt"), 64),
        (configuration("opt"), 64),
        (GEMMA3, 64),
        (configuration("bert", is_decoder=True), 64),
        (configuration("roberta", is_decoder=True, pad_token_id=1), 62),
    ],
)
def test_sequences_longer_than_the_positions(config: dict[str, Any], length: int) -> None:
    inspected(config, length=length)
    with pytest.raises(InputError, match=f"{length + 1} tokens, but the model has {length} pos"):
        inspected(config, length=length + 1)


def test_large_models_are_tried_in_small() -> None:
    # 110 million parameters and more, by the sizes of the classes themselves.
    for kind in ("gpt2", "llama", "gemma2", "qwen3_moe", "mamba", "recurrent_gemma"):
        shown = behaviour({"model_type": kind}, 10**10)
        assert shown is not None
        assert shown.causal
        assert not shown.unreached
    for kind in ("bert", "roberta", "electra"):
        shown = behaviour({"model_type": kind}, 10**10)
        assert shown is not None
        assert not shown.causal


def test_parts_that_no_gradient_reaches_are_counted_apart() -> None:
    facts = inspected(GEMMA3)
    tower = whole_model(ModelSpec(GEMMA3), 16, 0).model
    text = sum(
        p.numel()
        for name, p in tower.named_parameters()
        if "vision" not in name and "multi_modal" not in name
    )
    assert facts.trained == facts.active == text < facts.parameters


def test_experts_count_where_they_are_used() -> None:
    facts = inspected(configuration("mixtral"))
    experts = 2 * 4 * 3 * 32 * 48
    assert facts.parameters - facts.active == experts // 2


@pytest.mark.parametrize(
    ("kind", "implementations"),
    [
        ("llama", ("eager", "sdpa", "flash")),
        ("gemma2", ("eager", "flash")),
        ("gemma3_text", ("eager", "sdpa", "flash")),
        ("gptj", ("eager", "flash")),
        ("bloom", ("eager",)),
        ("mamba", ("eager",)),
        ("rwkv", ("eager",)),
    ],
)
def test_attention_that_the_model_supports(kind: str, implementations: tuple[str, ...]) -> None:
    assert inspected(configuration(kind)).attention == implementations


@pytest.mark.parametrize("kind", ["gemma2", "gpt_oss", "bloom", "mpt", "gptj", "mamba", "rwkv"])
def test_eager_is_taken_by_itself_where_it_is_needed(kind: str) -> None:
    model = whole_model(ModelSpec(configuration(kind)), 16, 0).model
    assert model.config._attn_implementation == "eager"
    with pytest.raises(InputError, match=r"execution\.attention sdpa: .*auto or eager"):
        whole_model(ModelSpec(configuration(kind)), 16, 0, attention=("sdpa",))


def test_a_soft_cap_has_its_effect() -> None:
    row = torch.arange(17)[None] % 64
    losses = [
        float(whole_model(ModelSpec(configuration("gemma2", **cap)), 16, 0)(row).detach())
        for cap in ({}, {"attn_logit_softcapping": 1e-4})
    ]
    assert losses[0] != losses[1]
    for cap, implementation in ((None, "sdpa"), (30.0, "eager")):
        spec = ModelSpec(configuration("gemma3_text", attn_logit_softcapping=cap))
        assert whole_model(spec, 16, 0).model.config._attn_implementation == implementation
        assert ("sdpa" in inspected(spec.config).attention) == (cap is None)


def test_an_error_of_another_kind_is_not_blamed_on_attention() -> None:
    def build(_: str) -> transformers.PreTrainedModel:
        raise ValueError("sizes do not fit")

    config = transformers.AutoConfig.for_model("llama")
    with pytest.raises(InputError, match=r"model\.config: sizes do not fit"):
        built_with(config, ("sdpa", "eager"), build)


@pytest.mark.parametrize(
    ("config", "field", "nearest"),
    [
        (configuration("gpt2", n_layers=3), "n_layers", "n_layer"),
        (configuration("mistral", hiden_size=3), "hiden_size", "hidden_size"),
        (configuration("mistral", sliding_windw=3), "sliding_windw", "sliding_window"),
        (
            {**GEMMA3, "text_config": {"hidden_sizes": 3}},
            "text_config.hidden_sizes",
            "hidden_size",
        ),
        (
            {**GEMMA3, "vision_config": {"patchsize": 3}},
            "vision_config.patchsize",
            "patch_size",
        ),
    ],
)
def test_unknown_fields_of_any_class(config: dict[str, Any], field: str, nearest: str) -> None:
    with pytest.raises(InputError, match=f"model.config.{field}: no field.*{nearest}"):
        check_fields(config)


def test_old_and_common_names_are_understood() -> None:
    check_fields(configuration("gpt2", num_hidden_layers=2, hidden_size=32, num_labels=2))
    check_fields(configuration("mistral", rope_theta=1e4, torch_dtype="bfloat16"))
    check_fields(configuration("gemma3_text", rope_scaling=None))
    check_fields(GEMMA3)


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (configuration("mistral", hidden_size=-5), "hidden_size: -5"),
        (configuration("mistral", num_hidden_layers="text"), "num_hidden_layers: 'text'"),
        (configuration("mistral", vocab_size=1e400), "vocab_size: inf"),
        (configuration("mistral", num_attention_heads=3), "num_key_value_heads 2|divide"),
        (configuration("gpt2", n_head=3), "n_head 3: 3 heads do not divide n_embd 32"),
        (configuration("gpt2", activation_function="nonsense"), "model"),
        (configuration("mistral", hidden_act="nonsense"), "model"),
        (configuration("qwen3_moe", num_experts_per_tok=9), "model"),
        (configuration("gptj", rotary_dim=7), "model"),
        (configuration("llama", quantization_config={"quant_method": "fp8"}), "quantised"),
        ({"model_type": "my_model", "auto_map": {}}, "code of its own"),
    ],
)
def test_configurations_that_no_model_can_have(config: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem) as raised:
        inspected(config)
    assert raised.value.remedy


def plan(tmp_path: Path, capsys: pytest.CaptureFixture[str], *words: str, **model: Any) -> str:
    """What `raycl plan` prints, errors included."""
    recipe = write_recipe(tmp_path, recipe_data(model=model))
    with pytest.raises(SystemExit) as ended:
        main(["plan", str(recipe), *words])
    out = capsys.readouterr()
    return f"{ended.value.code}: {out.out}{out.err}".replace("\n", " ")


def test_a_model_without_known_blocks_is_planned_for_one_worker_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raycl.train.inspection.inspect.transformer_blocks", lambda _: [])
    pretrained = str(model_folder(tmp_path / "base"))
    assert plan(tmp_path, capsys, pretrained=pretrained).startswith("0: ")
    two = plan(tmp_path, capsys, "--set", "old.workers=2", pretrained=pretrained)
    assert two.startswith("2: error")
    assert "blocks were not found" in two
    assert "workers: 1" in two


def test_the_plan_of_a_folder_shows_what_that_of_a_preset_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = model_folder(tmp_path / "base")
    text = plan(tmp_path, capsys, "--json", pretrained=str(folder))
    made, end = json.JSONDecoder().raw_decode(text.removeprefix("0: "))
    assert "no tokenizer came with it" in text[end:]
    assert made["parameters"] == made["trained_parameters"] == parameter_count(LLAMA)
    node = made["nodes"][0]
    assert node["flops"] == pytest.approx(flops_per_token(LLAMA, 16) * node["tokens"])
    computation = Computation(8, 8, saves_between=True)  # a state every ten minutes
    memory = worker_memory(memory_facts(LLAMA, 16), Layout(), computation)
    step, expected = node["memory_per_worker"] - PROCESS, memory.total - PROCESS
    assert step == pytest.approx(expected, rel=0.01)
    (folder / "model.safetensors").write_bytes(b"")
    text = plan(tmp_path, capsys, pretrained=str(folder))
    assert text.startswith("2: error")
    assert "the file is empty" in text
    assert "there is no folder" in plan(tmp_path, capsys, pretrained=str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--set", "execution.attention=sdpa"], "execution.attention sdpa: the model does not"),
        (["--set", "sequence_length=65"], "64 positions"),
        (["--set", "model.config.n_layers=2"], "num_hidden_layers"),
    ],
)
def test_the_plan_of_a_recipe_that_the_model_cannot_do(
    words: list[str], problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = plan(tmp_path, capsys, *words, config=configuration("gemma2"))
    assert text.startswith("2: error")
    assert problem in text


def test_the_plan_knows_the_tokenizer_before_it_is_prepared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = model_folder(tmp_path / "base")
    tokens = {"<eos>": 319, **{f"t{number}": number for number in range(319)}}
    tokenizer = Tokenizer(WordLevel(tokens, unk_token="t0"))
    tokenizer.add_special_tokens(["<eos>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"eos_token": "<eos>"}')
    text = plan(tmp_path, capsys, "--set", f"tokenizer={folder}", pretrained=str(folder))
    assert "it has 300 tokens, fewer than the tokenizer's 320" in text
    text = plan(tmp_path, capsys, "--set", f"tokenizer={folder}", preset="llama-tiny")
    config = {**PRESETS["llama-tiny"], "vocab_size": 320}
    assert f"{parameter_count(config):,} parameters" in text


def test_activations_that_cannot_be_computed_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ctrl = {"model_type": "ctrl", "n_embd": 32, "n_head": 4, "n_layer": 2, "dff": 48}
    words = ("--set", "execution.activation_checkpointing=true")
    assert plan(tmp_path, capsys, *words, config=configuration("gemma2")).startswith("0")
    text = plan(tmp_path, capsys, *words, config=ctrl)
    assert "activation_checkpointing: the model cannot" in text
