"""What each TensorFlow, Keras and NumPy name means."""
