"""Surrogates of the joint simulator: regressions of each published row on the parameters that reach it, fitted to replicate
trials about the posterior, with their own error in the likelihood."""
