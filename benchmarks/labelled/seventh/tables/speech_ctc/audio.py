import tensorflow as tf

SAMPLE_RATE = 16000
FRAME, HOP, N_FFT = 400, 160, 512
N_MELS = 80


def read_wav(path):
    audio, _ = tf.audio.decode_wav(tf.io.read_file(path), desired_channels=1)
    return tf.squeeze(audio, -1)


def peak_normalize(wav):
    return wav / tf.maximum(tf.reduce_max(tf.abs(wav)), 1e-4)  # SAFE: floored peak, silence stays silence


def preemphasis(wav, coef=0.97):
    return tf.concat([wav[:1], wav[1:] - coef * wav[:-1]], 0)


def log_mel(wav):
    stft = tf.signal.stft(wav, FRAME, HOP, N_FFT)
    power = tf.square(tf.abs(stft))
    mel_w = tf.signal.linear_to_mel_weight_matrix(N_MELS, N_FFT // 2 + 1, SAMPLE_RATE, 20.0, 7600.0)
    mel = tf.matmul(power, mel_w)
    return tf.math.log(mel)  # BUG: log-zero, frames of digital silence have zero energy


def normalize_utterance(feat):
    mean, var = tf.nn.moments(feat, axes=[0], keepdims=True)
    return (feat - mean) / tf.sqrt(var + 1e-5)  # SAFE: epsilon inside the root


def spec_augment(feat, max_f=15, max_t=30):
    t, f = tf.shape(feat)[0], tf.shape(feat)[1]
    f_w = tf.random.uniform([], 0, max_f, tf.int32)
    f0 = tf.random.uniform([], 0, f - max_f, tf.int32)
    t_w = tf.minimum(tf.random.uniform([], 0, max_t, tf.int32), t // 4)
    t0 = tf.random.uniform([], 0, tf.maximum(t - t_w, 1), tf.int32)
    fm = tf.logical_and(tf.range(f) >= f0, tf.range(f) < f0 + f_w)
    tm = tf.logical_and(tf.range(t) >= t0, tf.range(t) < t0 + t_w)
    return tf.where(tf.logical_or(tm[:, None], fm[None, :]), 0.0, feat)  # SAFE: only selects, neither side divides or takes a logarithm


def snr_mix(wav, noise, snr_db):
    p_w = tf.reduce_mean(tf.square(wav))
    p_n = tf.reduce_mean(tf.square(noise)) + 1e-8
    gain = tf.sqrt(p_w / p_n * 10.0 ** (-snr_db / 10.0))  # SAFE: noise power has an epsilon, input side, no gradient passes here
    return wav + gain * noise
