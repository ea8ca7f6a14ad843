"""Recognises quantised weights, which cannot be trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raycl.errors import InputError
from raycl.models.start import TensorHeader

_REMEDY = (
    "Give the checkpoint that it was made from, in bfloat16 or float32, "
    "or call `model.dequantize()` and save the result"
)
_SECTIONS = ("quantization_config", "compression_config")
_ENDINGS = {
    "GPTQ or AWQ": (".qweight", ".qzeros", ".g_idx"),
    "bitsandbytes": (".SCB", ".absmax", ".quant_map", ".nested_absmax"),
    "compressed-tensors": (".weight_packed", ".weight_scale", ".weight_shape"),
    "FP8": (".weight_scale_inv",),
    "MXFP4": ("_proj_blocks", "_proj_scales"),
    "HQQ": (".W_q",),
}
_TRAINABLE = frozenset({"F64", "F32", "F16", "BF16"})
_SCALED = frozenset({"I8", "U8", "F4"})


def check_quantization(config: Mapping[str, Any], where: str) -> None:
    """Raise InputError where a configuration, or a part of it, describes quantised weights."""
    for name, value in config.items():
        if name in _SECTIONS and value:
            method = value.get("quant_method") if isinstance(value, Mapping) else None
            shown = f" ({method})" if method else ""
            raise InputError(f"{where}: {name}", f"the weights are quantised{shown}", _REMEDY)
        if isinstance(value, Mapping):
            check_quantization(value, f"{where}: {name}")


def check_trainable(tensors: Mapping[str, TensorHeader], where: str) -> None:
    """Raise InputError where tensors are of a quantised format, by their types or their names."""
    for name, header in tensors.items():
        if header.dtype.startswith(("F8_", "F6_", "F4")):
            raise InputError(where, f"tensor {name} is {header.dtype}: quantised", _REMEDY)
        for method, endings in _ENDINGS.items():
            if name.endswith(endings) or ".quant_state." in name:
                raise InputError(where, f"tensor {name} is one of {method}: quantised", _REMEDY)
        if name.endswith(".weight") and header.dtype in _SCALED:
            raise InputError(where, f"tensor {name} is {header.dtype}: quantised", _REMEDY)
        if name.endswith(".weight") and header.dtype not in _TRAINABLE:
            problem = f"tensor {name} is {header.dtype}, which has no gradient"
            raise InputError(where, problem, "Save the model in bfloat16 or float32")
