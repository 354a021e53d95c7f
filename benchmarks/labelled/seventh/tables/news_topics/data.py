import json
import re
from collections import Counter

import numpy as np

from config import TAGS, TOPICS

WORD = re.compile(r"\w+")


def read_jsonl(path):
    with open(path, encoding="utf-8") as fh:
        return [json.loads(line) for line in fh if line.strip()]


def tokenize(text):
    return WORD.findall(text.lower())


class Vocabulary:

    def __init__(self, texts, size):
        counts = Counter(w for t in texts for w in tokenize(t))
        self.index = {w: i + 2 for i, (w, _) in enumerate(counts.most_common(size - 2))}

    def encode(self, texts, max_len):
        out = np.zeros((len(texts), max_len), np.int32)
        for r, t in enumerate(texts):
            ids = [self.index.get(w, 1) for w in tokenize(t)][:max_len] or [1]
            out[r, :len(ids)] = ids
        return out


def targets(rows):
    n = len(rows)
    topic = np.zeros((n, len(TOPICS)), np.float32)
    tags = np.zeros((n, len(TAGS)), np.float32)
    urgent = np.zeros((n, 1), np.float32)
    stars = np.zeros((n, 1), np.float32)
    for i, r in enumerate(rows):
        topic[i, TOPICS.index(r["topic"])] = 1
        for t in r.get("tags", []):
            if t in TAGS:
                tags[i, TAGS.index(t)] = 1
        urgent[i] = float(r["urgent"])
        stars[i] = (float(r["stars"]) - 3.0) / 2.0  # SAFE: one to five stars scaled by a constant
    return {"topic": topic, "urgent": urgent, "tags": tags, "stars": stars}


def topic_sample_weights(topic):
    freq = topic.mean(0)
    w = 1.0 / np.maximum(freq, 1e-3)  # SAFE: floored frequency
    w = topic @ w
    return (w / w.mean()).astype(np.float32)  # SAFE: every row has one topic, weights are positive
