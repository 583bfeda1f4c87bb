"""Verifiable constraints on an answer, as IFEval has them: what each asks of a text, and the metric."""
