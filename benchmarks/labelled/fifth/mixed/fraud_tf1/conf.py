"""Hyper parameters, one object shared by the scripts."""


class HParams(object):
    def __init__(self, **kw):
        self.__dict__.update(kw)

    def override(self, text):
        for part in filter(None, text.split(",")):
            k, v = part.split("=")
            self.__dict__[k] = type(self.__dict__[k])(v)
        return self


def default_hparams():
    return HParams(
        n_features=30,
        hidden=256,
        code=32,
        weight_std=1.0,
        prob_eps=1e-10,
        l2=1e-5,
        learning_rate=1e-3,
        decay_steps=1000,
        decay_rate=0.96,
        batch_size=256,
        max_steps=5000,
        recon_weight=0.1,
        max_grad_norm=5.0,
        summary_every=100,
    )
