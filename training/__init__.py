"""Scripts that train and evaluate students on what a run exports, with TRL."""
