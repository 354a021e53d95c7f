SETTINGS = {
    "history": 96,
    "horizon": 24,
    "channels": ["solar_mw", "wind_mw", "load_mw", "rain_mm", "is_holiday"],
    "target": "solar_mw",
    "train_fraction": 0.7,
    "batch_size": 64,
    "lr": 1e-3,
    "epochs": 20,
    "loss": "mape",
    "revin_eps": 1e-5,
    "quantiles": (0.1, 0.5, 0.9),
}
