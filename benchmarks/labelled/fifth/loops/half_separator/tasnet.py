import tensorflow as tf

import hyper
from ops import DT, ChannelNorm, GlobalNorm, Kernel, prelu


class Block(tf.Module):
    def __init__(self, c, width):
        super().__init__()
        self.up, self.conv, self.down = Kernel(1, c, 2 * c), Kernel(width, 2 * c, 2 * c), Kernel(1, 2 * c, c)
        self.n1, self.n2 = GlobalNorm(2 * c), GlobalNorm(2 * c)
        self.a = tf.Variable(0.25)

    def __call__(self, x):
        h = self.n1(prelu(self.up(x), self.a))
        return x + self.down(self.n2(prelu(self.conv(h), self.a)))


class Separator(tf.Module):
    """Masks on learned frames; input is a waveform in [-1, 1]."""

    def __init__(self, sources=2, frame=hyper.FRAME, c=hyper.CHANNELS, blocks=hyper.BLOCKS):
        super().__init__()
        self.s, self.frame = sources, frame
        self.enc = Kernel(1, frame, c)
        self.norm = ChannelNorm(c)
        self.blocks = [Block(c, 2 ** (i + 1) + 1) for i in range(blocks)]
        self.mask = Kernel(1, c, sources * c)
        self.dec = Kernel(1, c, frame)

    def __call__(self, wav):
        f = tf.signal.frame(wav, self.frame, self.frame // 2, pad_end=True)
        e = tf.nn.relu(self.enc(tf.cast(f, DT)))
        h = self.norm(e)
        for b in self.blocks:
            h = b(h)
        m = tf.sigmoid(self.mask(h))
        b, t = tf.shape(e)[0], tf.shape(e)[1]
        m = tf.reshape(m, [b, t, self.s, -1])
        y = tf.transpose(m * e[:, :, None], [0, 2, 1, 3])
        y = self.dec(tf.reshape(y, [b * self.s, t, -1]))
        y = tf.signal.overlap_and_add(tf.cast(y, tf.float32), self.frame // 2)
        return tf.reshape(y, [b, self.s, -1])[..., :tf.shape(wav)[1]]
