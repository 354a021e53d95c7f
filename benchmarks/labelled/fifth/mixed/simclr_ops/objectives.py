"""Contrastive objectives on normalised embeddings, backend independent."""
from keras import ops


def nt_xent(za, zb, temperature):
    n = ops.shape(za)[0]
    sim_ab = ops.matmul(za, ops.transpose(zb)) / temperature  # SAFE: the preset temperature is 0.01, not 0
    sim_aa = ops.matmul(za, ops.transpose(za)) / temperature  # SAFE: constant from the preset, not 0
    off = 1.0 - ops.eye(n)
    pos = ops.exp(ops.diagonal(sim_ab))  # BUG: exp-overflow, cosine 1 over temperature 0.01 is exp(100) = Inf in float32
    neg = ops.sum(ops.exp(sim_ab) * off, axis=1) + ops.sum(ops.exp(sim_aa) * off, axis=1)  # BUG: exp-overflow, the diagonal of sim_aa is 100, Inf times the mask 0 is NaN
    return -ops.mean(ops.log(pos / (pos + neg)))  # MAYBE: the broken values come from the exps above


def pairwise_distance(z):
    diff = ops.expand_dims(z, 1) - ops.expand_dims(z, 0)
    sq = ops.sum(ops.square(diff), axis=-1)
    near = sq < 1e-10
    root = ops.sqrt(ops.where(near, 1.0, sq))  # SAFE: the inner where replaces the zeros before the root
    return ops.where(near, 0.0, root)


def log_energy(z):
    """Logarithmic repulsion of all pairs of a batch."""
    diff = ops.expand_dims(z, 1) - ops.expand_dims(z, 0)
    sq = ops.sum(ops.square(diff), axis=-1)
    n = ops.shape(z)[0]
    other = ops.eye(n) < 0.5
    return -ops.mean(ops.where(other, ops.log(sq), 0.0))  # BUG: where-grad, log(0) on the diagonal is hidden by where but its gradient 0 * Inf is NaN


def batch_hard_triplet(z, labels, margin):
    d = pairwise_distance(z)
    same = ops.cast(ops.equal(ops.expand_dims(labels, 0), ops.expand_dims(labels, 1)), d.dtype)
    hardest_pos = ops.max(d * same, axis=1)
    hardest_neg = ops.min(d + 1e4 * same, axis=1)
    active = ops.relu(hardest_pos - hardest_neg + margin)
    count = ops.sum(ops.cast(active > 0, d.dtype))
    return ops.sum(active) / ops.maximum(count, 1.0)  # SAFE: maximum with 1


def uniformity(z, t):
    diff = ops.expand_dims(z, 1) - ops.expand_dims(z, 0)
    sq = ops.sum(ops.square(diff), axis=-1)
    return ops.log(ops.mean(ops.exp(-t * sq)))  # SAFE: unit vectors, sq is at most 4, so the mean is at least exp(-8)


def alignment(za, zb):
    return ops.mean(ops.sum(ops.square(za - zb), axis=-1))


def spread(z):
    var = ops.var(z, axis=0)
    std = ops.sqrt(var + 1e-4)  # SAFE: 1e-4 inside the root
    return ops.mean(ops.relu(0.1 - std))
