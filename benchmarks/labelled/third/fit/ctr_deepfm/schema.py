LABEL = "label"
DENSE = ["I%d" % i for i in range(1, 14)]
SPARSE = ["C%d" % i for i in range(1, 27)]
HASH_BUCKETS = 10000
# value ranges seen on the first day of the log (Criteo display ads)
DENSE_MIN = {"I1": 0, "I2": -3, "I3": 0, "I4": 0, "I5": 0, "I6": 0, "I7": 0,
             "I8": 0, "I9": 0, "I10": 0, "I11": 0, "I12": 0, "I13": 0}
