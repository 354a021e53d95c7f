import numpy as np

S = 13
B = 5
C = 20
IMG = 416
ANCHORS = np.array([[1.08, 1.19], [3.42, 4.41], [6.63, 11.38], [9.42, 5.11], [16.62, 10.52]], "float32")
L_COORD = 5.0
L_NOOBJ = 0.5
EPS = 1e-9
WH_MAX = 4.0
CLASSES = ["c%d" % i for i in range(C)]
