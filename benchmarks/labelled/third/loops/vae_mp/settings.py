import os

IMG = 32
CHANNELS = 3
LATENT = 64
BATCH = 128
EPOCHS = 40
LR = 1e-3
BETA_MAX = 1.0
BETA_WARMUP = 5000
DECORR = 10.0
PRECISION = os.environ.get("VAE_PRECISION", "mixed_float16")
DATA_DIR = os.environ.get("VAE_DATA", "/data/celeba32")
