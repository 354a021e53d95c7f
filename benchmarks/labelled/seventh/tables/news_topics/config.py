HPARAMS = {
    "vocab": 20000,
    "max_len": 200,
    "embed_dim": 64,
    "rnn_units": 64,
    "dropout": 0.3,
    "lr": 1e-3,
    "batch_size": 64,
    "epochs": 8,
    "losses": {
        "topic": "categorical_crossentropy",  # MAYBE: see the topic layer in model.py
        "urgent": "binary_crossentropy",  # MAYBE: see the urgent layer in model.py
        "tags": "binary_crossentropy",
        "stars": "mse",
    },
    "loss_weights": {"topic": 1.0, "urgent": 0.5, "tags": 0.5, "stars": 0.1},
}

TOPICS = ["politics", "economy", "sports", "culture", "science", "local"]
TAGS = ["interview", "opinion", "photo", "video", "live", "archive", "sponsored", "agency"]
