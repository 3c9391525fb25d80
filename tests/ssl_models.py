"""Tiny self-supervised models with random parameters, as folders in Hugging Face's layout."""

import torch
import transformers

SIZES = {
    **{"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2},
    **{"intermediate_size": 32, "num_feat_extract_layers": 2, "conv_dim": [8, 8]},
    **{"conv_kernel": [10, 32], "conv_stride": [10, 32]},
    **{"num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2},
}
MODELS = {"wavlm": "WavLM", "wav2vec2": "Wav2Vec2", "hubert": "Hubert"}  # how classes begin


def model_class(kind):
    """Looked up late: it takes transformers a second to find it."""
    return getattr(transformers, f"{MODELS[kind]}Model")


def save_model(folder, kind="wavlm", do_normalize=True):
    config = getattr(transformers, f"{MODELS[kind]}Config")
    torch.manual_seed(0)
    model_class(kind)(config(**SIZES)).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=do_normalize).save_pretrained(folder)
    return str(folder)
