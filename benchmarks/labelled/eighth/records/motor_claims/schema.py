"""Columns of the policy extract. Exposure is earned exposure in years, to three decimals."""

NUMERIC = ["driver_age", "vehicle_age", "bonus_malus", "density", "vehicle_value"]
CATEGORICAL = ["region", "fuel", "brand", "usage"]
EXPOSURE = "exposure"       # policies cancelled at inception are exported with 0.000
CLAIMS = "n_claims"
PAID = "paid_total"

LOG_COLUMNS = {"density", "vehicle_value"}
AGE_CAP = {"driver_age": 90.0, "vehicle_age": 30.0}

FREQ = {
    "hidden": [64, 32],
    "dropout": 0.1,
    "learning_rate": 1e-3,
    "epochs": 25,
    "batch_size": 4096,
    "min_exposure": 0.0,
}
SEV = {
    "hidden": [32],
    "dropout": 0.0,
    "learning_rate": 5e-4,
    "epochs": 60,
    "batch_size": 512,
    "large_loss": 100_000.0,
}
