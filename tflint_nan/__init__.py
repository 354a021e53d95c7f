"""Finds and fixes what will turn TensorFlow and Keras training into NaN."""

__version__ = "0.1.0"
#: Where the project is at home.
HOME = "https://github.com/tflint-nan/tflint-nan"
