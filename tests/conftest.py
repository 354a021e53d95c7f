"""What has to stand before TensorFlow is imported for the first time."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
# One order of additions, so that two runs of one program give the same bits.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
