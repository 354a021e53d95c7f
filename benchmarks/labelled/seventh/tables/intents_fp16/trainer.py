import keras
import numpy as np
import tensorflow as tf

from losses import intent_loss, length_penalty, slot_entropy, slot_loss
from network import JointModel
from options import build_parser


def load(path):
    with np.load(path) as z:
        return {k: z[k] for k in ("ids", "intent", "slots")}


def iterate(d, size, rng):
    order = rng.permutation(len(d["ids"]))
    for i in range(0, len(order), size):
        yield [tf.constant(d[k][order[i:i + size]]) for k in ("ids", "intent", "slots")]


class Trainer:

    def __init__(self, opt):
        self.opt = opt
        keras.config.set_dtype_policy(opt.policy)
        self.model = JointModel(opt)
        inner = keras.optimizers.Adam(opt.lr, epsilon=opt.adam_eps)  # SAFE: weights and moments are float32 under the mixed policy
        self.adam = keras.optimizers.LossScaleOptimizer(inner)

    def step(self, ids, intent, slots):
        mask = ids > 0
        with tf.GradientTape() as tape:
            p_intent, p_slot = self.model(ids)
            loss = intent_loss(p_intent, intent, self.opt.smooth)
            loss += tf.cast(slot_loss(p_slot, slots, mask, self.opt.smooth), tf.float32)
            scaled = self.adam.scale_loss(loss)
        grads = tape.gradient(scaled, self.model.trainable_variables)  # SAFE: the loss is scaled, the optimizer divides again and skips infinite steps
        self.adam.apply_gradients(zip(grads, self.model.trainable_variables))
        return loss, slot_entropy(p_slot)

    def evaluate(self, d):
        hit, n, f_hit, f_n = 0, 0, 0, 0
        for ids, intent, slots in iterate(d, 256, np.random.default_rng(0)):
            p_intent, p_slot = self.model(ids)
            hit += int((p_intent.numpy().argmax(-1) == intent.numpy()).sum())
            n += len(ids)
            m = ids.numpy() > 0
            f_hit += int((p_slot.numpy().argmax(-1) == slots.numpy())[m].sum())
            f_n += int(m.sum())
        return hit / max(n, 1), f_hit / max(f_n, 1)  # SAFE: max with one


def main():
    opt = build_parser().parse_args()
    train, dev = load(opt.train), load(opt.dev)
    t, rng = Trainer(opt), np.random.default_rng(1)
    weight = length_penalty((train["ids"] > 0).sum(1), tf.float32)
    print("sentences", len(train["ids"]), "weight", float(weight))
    for e in range(opt.epochs):
        logs = [[float(v) for v in t.step(*b)] for b in iterate(train, opt.batch, rng)]
        acc, slot = t.evaluate(dev)
        print(f"epoch {e} loss {np.mean([l for l, _ in logs]):.4f} H {np.mean([h for _, h in logs]):.3f} "
              f"intent {acc:.3f} slots {slot:.3f}", flush=True)
        t.model.save_weights("joint.weights.h5")


if __name__ == "__main__":
    main()
