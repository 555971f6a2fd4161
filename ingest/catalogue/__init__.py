"""What a model is and what it costs: sizes, routes, prices, hardware."""
