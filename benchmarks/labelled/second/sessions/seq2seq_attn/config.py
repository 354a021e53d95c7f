class Config(object):
    src_train = "data/train.de"
    tgt_train = "data/train.en"
    vocab_size = 20000
    embed_dim = 256
    hidden = 512
    attn_dim = 256
    batch_size = 64
    max_src_len = 50
    max_tgt_len = 50
    dropout = 0.2
    learning_rate = 1e-3
    max_grad_norm = 5.0
    label_smoothing = 0.1
    epochs = 10
    model_dir = "model"


class TinyConfig(Config):
    vocab_size = 40
    embed_dim = 8
    hidden = 8
    attn_dim = 8
    batch_size = 4
    max_src_len = 7
    max_tgt_len = 6
