"""Features of a self-supervised model of speech: wav2vec 2.0, HuBERT or WavLM."""

import os

import torch
from torch import Tensor


class SslFeatures(torch.nn.Module):
    """The weighted sum of a self-supervised model's layers, as SUPERB has it.

    The model is SpeechBrain's `Wav2Vec2`, which normalises signals where the model wants that, as
    SpeechBrain's `WeightedSSLModel` does not. Layer weights are learnt from equal ones on (Yang et
    al. 2021, "SUPERB", arXiv:2105.01051, section 2.2; Chen et al. 2022, "WavLM", arXiv:2110.13900).

    Arguments
    ---------
    source : str
        Folder in Hugging Face's layout: config.json, preprocessor_config.json and the parameters;
        without these they are random.
    layer_drop : float
        Probability with which a transformer layer is left out in training: its output is its input
        (Fan et al. 2020, "Reducing Transformer Depth on Demand", arXiv:1909.11556). The drop of
        Hugging Face's models is off: they would give fewer layers than there are weights.
    """

    def __init__(self, source: str, *, layer_drop: float = 0.0):
        super().__init__()
        if not 0 <= layer_drop <= 1:
            raise ValueError(f"layer_drop {layer_drop}: expected a probability, from 0 to 1")
        self.ssl = _load(source)
        self.ssl.model.config.layerdrop = 0.0
        self.layer_drop = layer_drop
        for layer in self.ssl.model.encoder.layers:
            layer.register_forward_hook(self._drop)
        self.layer_weights = torch.nn.Parameter(torch.zeros(self.ssl.config.num_hidden_layers + 1))

    def forward(self, signals: Tensor) -> Tensor:
        """From signals of one length (batch, time), 16 kHz, to (batch, frames, hidden size).

        A second has 50 frames.
        """
        layers = self.ssl(signals)  # (layers, batch, frames, hidden size)
        return torch.einsum("l,lbtd->btd", self.layer_weights.softmax(dim=0), layers)

    def _drop(self, layer, inputs, output):
        if not layer.training or torch.rand(()) >= self.layer_drop:
            return output
        return (inputs[0], *output[1:]) if isinstance(output, tuple) else inputs[0]


def _load(folder):
    # Here, because only those who want such features need transformers.
    from speechbrain.integrations.huggingface.wav2vec2 import Wav2Vec2

    class Encoder(Wav2Vec2):
        """Without parameters, where the folder is the one in an inference bundle."""

        def _from_pretrained(self, source, *args, **kwargs):
            if any(name.endswith((".safetensors", ".bin")) for name in os.listdir(source)):
                super()._from_pretrained(source, *args, **kwargs)
            else:
                self.model = self.auto_class.from_config(self.config)

    return Encoder(folder, save_path=folder, output_all_hiddens=True).float()
