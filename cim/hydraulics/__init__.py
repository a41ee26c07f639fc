"""Hydraulic engines behind one face each; they come with the extra ``hydraulics``."""
