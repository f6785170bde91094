"""From samples to a client × site matrix: quantiles with bounds, and a model for pairs never measured."""
