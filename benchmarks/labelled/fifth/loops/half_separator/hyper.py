"""Hyper-parameters of the source separation network."""

SAMPLE_RATE = 16000
FRAME = 512
HOP = 256
CHANNELS = 64
BLOCKS = 4
NORM_EPS = 1e-8
SI_EPS = 1e-6
COMPUTE = "float16"
LOSS_SCALE = 1024.0
