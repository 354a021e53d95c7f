from types import SimpleNamespace

CFG = SimpleNamespace(
    height=64, width=160, classes=5,
    base=16, attn_heads=2,
    dtype_policy="mixed_float16",
    eps=1e-8,
    norm_eps=1e-3,
    lr=5e-4, weight_decay=1e-4, steps=30000, batch=4,
    dice_weight=0.5,
    mask_value=-1e9,
    log_every=100,
)
