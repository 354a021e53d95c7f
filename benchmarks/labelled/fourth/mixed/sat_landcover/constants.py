BANDS = ["blue", "green", "red", "nir", "swir1", "swir2"]
B = {n: i for i, n in enumerate(BANDS)}
CLASSES = ["water", "forest", "crop", "grass", "urban", "bare", "snow", "wetland"]
NUM_CLASSES = len(CLASSES)
IGNORE = 255
REFLECTANCE_SCALE = 10000.0
TILE = 64
EPS = 1e-6
