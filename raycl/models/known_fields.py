"""Fields of the model types that presets have, and other names that people give to common fields.

A recipe with a preset is checked against them, because importing transformers takes seconds. Other
model types are checked against the class of their configuration.
"""

from __future__ import annotations


def names(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


_COMMON = names(
    "model_type transformers_version architectures output_hidden_states return_dict dtype "
    "chunk_size_feed_forward is_encoder_decoder id2label label2id problem_type vocab_size "
    "hidden_size num_hidden_layers num_attention_heads intermediate_size hidden_act "
    "attention_dropout max_position_embeddings initializer_range use_cache bos_token_id "
    "eos_token_id pad_token_id tie_word_embeddings rope_parameters attention_bias "
    "is_decoder num_labels output_attentions name_or_path _name_or_path "
    "tie_last_hidden_states"
)
LEGACY = names(
    "rope_theta rope_scaling partial_rotary_factor torch_dtype auto_map "
    "original_max_position_embeddings"
)
"""Fields that every class of configuration still understands, or that loading a folder needs."""

KNOWN_FIELDS = {
    "gpt_neox": _COMMON
    | LEGACY
    | names(
        "hidden_dropout classifier_dropout layer_norm_eps use_parallel_residual rotary_pct "
        "rotary_emb_base"
    ),
    "llama": _COMMON
    | LEGACY
    | names("num_key_value_heads rms_norm_eps pretraining_tp mlp_bias head_dim"),
}
"""All fields of a model type's configuration."""

ROPE_FIELDS = names(
    "rope_type type rope_theta factor original_max_position_embeddings attention_factor "
    "beta_fast beta_slow short_factor long_factor low_freq_factor high_freq_factor "
    "partial_rotary_factor mscale mscale_all_dim truncate mrope_section mrope_interleaved "
    "interleaved"
)
"""Fields of `rope_parameters`, of all types of rotary embedding together."""

OTHER_NAMES = {
    "num_hidden_layers": "n_layer n_layers num_layers layers depth num_blocks n_blocks",
    "hidden_size": "n_embd d_model dim hidden_dim embed_dim n_embed width hidden",
    "num_attention_heads": "n_head n_heads num_heads heads attention_heads",
    "num_key_value_heads": "n_kv_heads num_kv_heads kv_heads n_head_kv num_query_groups",
    "intermediate_size": "n_inner d_ff ffn_dim ffn_hidden_size feed_forward_size mlp_dim d_inner",
    "max_position_embeddings": "n_positions n_ctx max_seq_len max_sequence_length block_size "
    "context_length seq_length max_seq_length seq_len",
    "vocab_size": "n_vocab vocabulary vocabulary_size padded_vocab_size num_tokens",
    "attention_dropout": "attn_pdrop attention_probs_dropout_prob attn_dropout",
    "hidden_dropout": "dropout resid_pdrop hidden_dropout_prob resid_dropout residual_dropout",
    "rope_parameters": "rope rope_config rope_base rope_freq_base rotary_base",
    "hidden_act": "activation activation_function act_fn hidden_activation",
    "tie_word_embeddings": "tie_embeddings tied_embeddings weight_tying tie_weights",
    "rms_norm_eps": "norm_eps layer_norm_epsilon layernorm_eps eps norm_epsilon",
    "layer_norm_eps": "layer_norm_epsilon layernorm_epsilon norm_eps eps norm_epsilon",
    "initializer_range": "init_std initializer_std init_range",
}
"""From the name of a field in most classes to names that other models and tools have for it."""
