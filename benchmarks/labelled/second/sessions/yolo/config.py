import os

DATA_PATH = "data"
PASCAL_PATH = os.path.join(DATA_PATH, "pascal_voc")
OUTPUT_DIR = os.path.join(DATA_PATH, "output")

CLASSES = ["aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat",
           "chair", "cow", "diningtable", "dog", "horse", "motorbike", "person",
           "pottedplant", "sheep", "sofa", "train", "tvmonitor"]

IMAGE_SIZE = 448
CELL_SIZE = 7
BOXES_PER_CELL = 2
ALPHA = 0.1

OBJECT_SCALE = 1.0
NOOBJECT_SCALE = 0.5
CLASS_SCALE = 2.0
COORD_SCALE = 5.0

LEARNING_RATE = 0.0001
DECAY_STEPS = 30000
DECAY_RATE = 0.1
BATCH_SIZE = 45
MAX_ITER = 15000
