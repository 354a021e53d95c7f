import tensorflow as tf

flags = tf.app.flags
flags.DEFINE_float('m_plus', 0.9, '')
flags.DEFINE_float('m_minus', 0.1, '')
flags.DEFINE_float('lambda_val', 0.5, '')
flags.DEFINE_integer('batch_size', 128, '')
flags.DEFINE_integer('epoch', 30, '')
flags.DEFINE_integer('iter_routing', 3, '')
flags.DEFINE_float('regularization_scale', 0.392, '')
flags.DEFINE_float('epsilon', 1e-9, 'for the square roots')
cfg = flags.FLAGS
