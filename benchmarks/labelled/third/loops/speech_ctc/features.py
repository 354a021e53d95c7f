import tensorflow as tf

SAMPLE_RATE = 16000
FRAME, STEP, FFT = 400, 160, 512
N_MEL = 80

MEL = tf.signal.linear_to_mel_weight_matrix(N_MEL, FFT // 2 + 1, SAMPLE_RATE, 20.0, 7600.0)


def read_wav(path):
    audio, _ = tf.audio.decode_wav(tf.io.read_file(path), desired_channels=1)
    return audio[:, 0]


def log_mel(wave):
    spec = tf.signal.stft(wave, FRAME, STEP, FFT)
    power = tf.square(tf.abs(spec))  # SAFE: abs of the complex spectrum is not differentiated, the waveform is data
    mel = tf.matmul(power, MEL)
    return tf.math.log(mel + 1e-6)  # SAFE: mel is not negative, 1e-6 is kept in float32 next to 0


def utterance_cmvn(x):
    mean, var = tf.nn.moments(x, axes=[0], keepdims=True)
    return (x - mean) / tf.sqrt(var)  # BUG: div-zero, over digital silence every band is constant, for many lengths the variance is exactly 0 and the result 0/0


def spec_augment(x, max_f=15, max_t=40):
    t = tf.shape(x)[0]
    f0 = tf.random.uniform([], 0, N_MEL - max_f, tf.int32)
    fmask = tf.cast((tf.range(N_MEL) < f0) | (tf.range(N_MEL) >= f0 + max_f), x.dtype)
    t0 = tf.random.uniform([], 0, tf.maximum(t - max_t, 1), tf.int32)
    tmask = tf.cast((tf.range(t) < t0) | (tf.range(t) >= t0 + max_t), x.dtype)
    return x * fmask[None, :] * tmask[:, None]


def extract(path, training):
    x = utterance_cmvn(log_mel(read_wav(path)))
    return spec_augment(x) if training else x
