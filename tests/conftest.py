"""What has to stand before TensorFlow is imported for the first time, and how Hypothesis draws."""

import os

from hypothesis import settings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
# One order of additions, so that two runs of one program give the same bits.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

# A gate draws the same examples for the same code; by hand every run draws others. Machines that are
# busy with something else make single examples slow.
settings.register_profile("gate", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None)
settings.load_profile("gate" if os.environ.get("CI") else "search")
