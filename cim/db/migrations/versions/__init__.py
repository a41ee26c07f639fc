"""Revisions ``NNNN_verb_noun``."""
