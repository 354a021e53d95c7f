"""Click logs -> tf.data. The item table lists all items on sale, the click logs the last four weeks."""
import collections
import csv
import glob
import gzip
import logging

import numpy as np
import tensorflow as tf

log = logging.getLogger(__name__)


def item_table(path, fields):
    with open(path, newline="") as fh:
        rows = list(csv.DictReader(fh))
    table = {f: np.array([r[f] for r in rows]) for f in fields}
    row_of = {r["item_id"]: i for i, r in enumerate(rows)}
    return table, row_of


def read_clicks(pattern, user_fields, row_of, days):
    users = collections.defaultdict(list)
    items, dwell = [], []
    for path in sorted(glob.glob(pattern))[-days:]:
        with gzip.open(path, "rt", newline="") as fh:
            for r in csv.DictReader(fh):
                row = row_of.get(r["item_id"])
                if row is None:
                    continue
                for f in user_fields:
                    users[f].append(r[f])
                items.append(row)
                dwell.append(float(r["dwell_s"] or 0))
    log.info("%d clicks", len(items))
    return {f: np.array(v) for f, v in users.items()}, np.array(items, np.int32), np.array(dwell, np.float32)


def sampling_log_probability(items, n_items):
    """log of the probability that an item turns up as an in-batch negative."""
    count = np.bincount(items, minlength=n_items).astype(np.float64)
    return np.log((count + 0.5) / (count.sum() + 0.5 * n_items)).astype(np.float32)  # SAFE: half a click is added to every item


def dwell_weight(seconds):
    w = np.log1p(np.clip(seconds, 0, 600))  # SAFE: clipped to non-negative seconds
    return (0.2 + w / np.log(601.0)).astype(np.float32)  # SAFE: log of a constant above one


def train_set(users, items, weight, table, logq, batch):
    cols = {f: tf.constant(v) for f, v in table.items()}
    lq = tf.constant(logq)
    hard = tf.constant(np.argsort(logq)[:512].astype(np.int32))

    def attach(u, i, w):
        # some of the catalogue's tail goes along as additional negatives
        extra = tf.random.shuffle(hard)[:64]
        rows = tf.concat([i, extra], 0)
        return u, {f: tf.gather(c, rows) for f, c in cols.items()}, tf.gather(lq, rows), w

    ds = tf.data.Dataset.from_tensor_slices((users, items, weight)).shuffle(1_000_000)
    return ds.batch(batch, drop_remainder=True).map(attach, tf.data.AUTOTUNE).prefetch(2)
