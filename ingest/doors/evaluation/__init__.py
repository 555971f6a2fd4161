"""Evaluation: a set of questions to several models, compared row by row, and kept as evidence."""
