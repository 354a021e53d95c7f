import collections

HParams = collections.namedtuple('HParams', [
    'hidden_dim', 'emb_dim', 'vocab_size', 'max_enc', 'max_dec', 'batch_size', 'lr',
    'adagrad_init_acc', 'rand_unif_init_mag', 'max_grad_norm', 'coverage', 'cov_loss_wt'])


def default_hps(**over):
    d = dict(hidden_dim=128, emb_dim=64, vocab_size=20000, max_enc=200, max_dec=40, batch_size=16, lr=0.15,
             adagrad_init_acc=0.1, rand_unif_init_mag=0.02, max_grad_norm=2.0, coverage=True, cov_loss_wt=1.0)
    d.update(over)
    return HParams(**d)
