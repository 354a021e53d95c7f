import tensorflow as tf
# GAN
Z = tf.placeholder(tf.float32, [None, 100])
X = tf.placeholder(tf.float32, [None, 784])
def xavier(size):
    return tf.random_normal(shape=size, stddev=1. / tf.sqrt(size[0] / 2.))
D_W1 = tf.Variable(xavier([784, 128])); D_b1 = tf.Variable(tf.zeros(shape=[128]))
D_W2 = tf.Variable(xavier([128, 1])); D_b2 = tf.Variable(tf.zeros(shape=[1]))
G_W1 = tf.Variable(xavier([100, 128])); G_b1 = tf.Variable(tf.zeros(shape=[128]))
G_W2 = tf.Variable(xavier([128, 784])); G_b2 = tf.Variable(tf.zeros(shape=[784]))
def generator(z):
    h = tf.nn.relu(tf.matmul(z, G_W1) + G_b1)
    return tf.nn.sigmoid(tf.matmul(h, G_W2) + G_b2)
def discriminator(x):
    h = tf.nn.relu(tf.matmul(x, D_W1) + D_b1)
    logit = tf.matmul(h, D_W2) + D_b2
    return tf.nn.sigmoid(logit), logit
G = generator(Z)
D_real, D_logit_real = discriminator(X)
D_fake, D_logit_fake = discriminator(G)
D_loss = -tf.reduce_mean(tf.log(D_real) + tf.log(1. - D_fake)) # BUG
G_loss = -tf.reduce_mean(tf.log(D_fake)) # BUG
D_solver = tf.train.AdamOptimizer().minimize(D_loss, var_list=[D_W1, D_W2])
G_solver = tf.train.AdamOptimizer().minimize(G_loss, var_list=[G_W1, G_W2])
D_loss2 = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(logits=D_logit_real, labels=tf.ones_like(D_logit_real))) # SAFE
