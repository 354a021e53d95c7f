import json


class ModelConfig(object):

    def __init__(self, **kw):
        self.vocab_size = 30522
        self.hidden_size = 256
        self.num_layers = 4
        self.num_heads = 4
        self.ffn_size = 1024
        self.max_position = 128
        self.num_labels = 2
        self.dropout = 0.1
        self.init_range = 0.02
        self.layer_norm_eps = 1e-12
        self.mask_value = -1e9
        self.compute_dtype = "float16"
        self.loss_scale = 1024.0
        self.__dict__.update(kw)

    @classmethod
    def from_json(cls, path):
        with open(path) as f:
            return cls(**json.load(f))


def tiny():
    return ModelConfig(vocab_size=50, hidden_size=16, num_layers=2, num_heads=2,
                       ffn_size=32, max_position=10)
