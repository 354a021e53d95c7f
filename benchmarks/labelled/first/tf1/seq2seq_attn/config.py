class Config(object):
    vocab_src = 20000
    vocab_tgt = 20000
    emb = 256
    hidden = 512
    attn = 512
    batch_size = 64
    lr = 5e-4
    max_grad = 5.0
    keep_prob = 0.8
    label_smooth = 0.1
    max_len = 50
    steps = 200000
    eps = 1e-8
    scoring = 'additive'   # or 'dot'
    coverage = True
    use_copy = True
