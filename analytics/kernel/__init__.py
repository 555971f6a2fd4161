"""The scan every engine answers alike, and the finish on its small result.

The scan uses SUM, COUNT, MIN, MAX, CASE, filters and GROUP BY over stored columns only; time zones,
quantiles, top-N and shares belong to the finish.
"""
